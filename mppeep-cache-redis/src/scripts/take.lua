-- KEYS[1] state. ARGV: nonce, now in microseconds or empty, interval and tolerance in microseconds, slack in milliseconds.
-- Answers nonce, the arrival time as it was stored (or empty), now. Or nonce, X if the state was garbage. Refusals write
-- nothing.
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local stored = redis.pcall('GET', KEYS[1])
local garbage = false
if type(stored) == 'table' then
  if not string.find(stored.err, 'WRONGTYPE', 1, true) then return stored end
  garbage = true
elseif stored then
  garbage = #stored > 16 or not string.match(stored, '^%d+$')
end
if garbage then
  redis.call('DEL', KEYS[1])
  return {ARGV[1], 'X'}
end
local arrival = now
if stored and tonumber(stored) > now then arrival = tonumber(stored) end
local ahead = arrival + tonumber(ARGV[3]) - now
if ahead <= tonumber(ARGV[4]) then
  redis.call('SET', KEYS[1], string.format('%.0f', now + ahead),
    'PX', string.format('%.0f', math.ceil(ahead / 1000) + tonumber(ARGV[5])))
end
return {ARGV[1], stored or '', string.format('%.0f', now)}
