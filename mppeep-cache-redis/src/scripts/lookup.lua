-- KEYS[1] entry. ARGV: nonce, now in microseconds or empty, new lease, its length in microseconds, slack in milliseconds,
-- leases that nobody holds.
-- Fields: v value, g its tag, s and e the soft and the hard end, l the lease, u its end.
-- Answers nonce, then F value tag | S value tag | R value tag (the lease was taken) | M (taken) | B | X (was garbage).
local function whole(text)
  if type(text) == 'string' and #text <= 16 and string.match(text, '^%d+$') then return tonumber(text) end
end
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local found = redis.pcall('HMGET', KEYS[1], 'v', 'g', 's', 'e', 'l', 'u')
if found.err then
  if not string.find(found.err, 'WRONGTYPE', 1, true) then return found end
  redis.call('DEL', KEYS[1])
  return {ARGV[1], 'X'}
end
local value, tag, soft, hard = found[1], found[2], whole(found[3]), whole(found[4])
local lease, till = found[5], whole(found[6])
local some_value = value or tag or found[3] or found[4]
local some_lease = lease or found[6]
if (some_value and not (value and tag and soft and hard)) or (some_lease and not (lease and till)) then
  redis.call('DEL', KEYS[1])
  return {ARGV[1], 'X'}
end
local live = value and now < hard
if live and now < soft then return {ARGV[1], 'F', value, tag} end
if lease and now < till and not string.find(ARGV[6], lease, 1, true) then
  if live then return {ARGV[1], 'S', value, tag} end
  return {ARGV[1], 'B'}
end
local ends = now + tonumber(ARGV[4])
redis.call('HSET', KEYS[1], 'l', ARGV[3], 'u', string.format('%.0f', ends))
if live then
  if hard > ends then ends = hard end
elseif value then
  redis.call('HDEL', KEYS[1], 'v', 'g', 's', 'e')
end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil((ends - now) / 1000) + tonumber(ARGV[5])))
if live then return {ARGV[1], 'R', value, tag} end
return {ARGV[1], 'M'}
