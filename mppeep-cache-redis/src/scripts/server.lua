-- KEYS[1] unused. ARGV: nonce. What the server says of itself and of its memory.
return {ARGV[1], redis.call('INFO', 'server'), redis.call('INFO', 'memory')}
