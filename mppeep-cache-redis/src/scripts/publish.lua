-- KEYS[1] channel. ARGV: nonce, message.
redis.call('PUBLISH', KEYS[1], ARGV[2])
return {ARGV[1]}
