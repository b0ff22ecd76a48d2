-- KEYS[1] unused. ARGV: nonce.
return {ARGV[1]}
