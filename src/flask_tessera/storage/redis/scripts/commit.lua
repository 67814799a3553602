-- needs: log
-- Write, unless something has changed since it was read. KEYS: those whose versions are compared, then all others that
-- are written. ARGV: the last second for it; how many versions, and the versions, empty for what must not be there; then
-- commands, each after the number of its words. Two are ours: KEEP lengthens the time for which a key is kept, LOG appends
-- to the revocation log, of which it names the key "meta", the four values of an entry.
-- Gives 0, or the place of the first key that is another one by now.
if tonumber(redis.call('TIME')[1]) > tonumber(ARGV[1]) then return redis.error_reply('LATE by the clock of the server') end
local versions = tonumber(ARGV[2])
for place = 1, versions do
  if redis.call('GETRANGE', KEYS[place], 0, 7) ~= ARGV[2 + place] then return place end
end

local log, entries, place = nil, {}, 3 + versions
while place < #ARGV do
  local last = place + tonumber(ARGV[place])
  local command, key, seconds = unpack(ARGV, place + 1, math.min(last, place + 3))
  if command == 'LOG' then
    log, entries[#entries + 1] = string.sub(key, 1, -5), {unpack(ARGV, place + 3, last)}
  elseif command ~= 'KEEP' then
    redis.call(unpack(ARGV, place + 1, last))
  elseif redis.call('TTL', key) < tonumber(seconds) then
    redis.call('EXPIRE', key, seconds)
  end
  place = last + 1
end
if log then append(log, entries) end
return 0
