-- KEYS[1] entry. ARGV: nonce, now in microseconds or empty, lease, 1 with a value or 0 without, value, tag, soft and hard
-- time in microseconds, slack in milliseconds. Answers nonce, then D done | N not the live lease | X (was garbage).
local function whole(text)
  if type(text) == 'string' and #text <= 16 and string.match(text, '^%d+$') then return tonumber(text) end
end
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local found = redis.pcall('HMGET', KEYS[1], 'l', 'u', 'v', 'e')
if found.err then
  if not string.find(found.err, 'WRONGTYPE', 1, true) then return found end
  redis.call('DEL', KEYS[1])
  return {ARGV[1], 'X'}
end
local till = whole(found[2])
if found[1] ~= ARGV[3] or not till or now >= till then return {ARGV[1], 'N'} end
local slack = tonumber(ARGV[9])
if ARGV[4] == '1' then
  local soft, hard = tonumber(ARGV[7]), tonumber(ARGV[8])
  -- The only step that may fail, for want of memory, is the first.
  redis.call('HSET', KEYS[1], 'v', ARGV[5], 'g', ARGV[6],
    's', string.format('%.0f', now + soft), 'e', string.format('%.0f', now + hard))
  redis.call('HDEL', KEYS[1], 'l', 'u')
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(hard / 1000) + slack))
  return {ARGV[1], 'D'}
end
local hard = whole(found[4])
if found[3] and hard and now < hard then
  redis.call('HDEL', KEYS[1], 'l', 'u')
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil((hard - now) / 1000) + slack))
else
  redis.call('DEL', KEYS[1])
end
return {ARGV[1], 'D'}
