-- KEYS[1] entry. ARGV: nonce, tag. Deletes the entry if it still has that tag.
if redis.pcall('HGET', KEYS[1], 'g') == ARGV[2] then redis.call('DEL', KEYS[1]) end
return {ARGV[1]}
