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

local log, entries, others, place = nil, {}, {}, 3 + versions
while place < #ARGV do
  local last = place + tonumber(ARGV[place])
  if ARGV[place + 1] == 'LOG' then
    log, entries[#entries + 1] = string.sub(ARGV[place + 2], 1, -5), {unpack(ARGV, place + 3, last)}
  else
    others[#others + 1] = {unpack(ARGV, place + 1, last)}
  end
  place = last + 1
end
-- First, since Redis takes nothing back: where this user may not do it, nothing else was written either.
if log then append(log, entries) end
for _, command in ipairs(others) do
  if command[1] ~= 'KEEP' then
    redis.call(unpack(command))
  elseif redis.call('TTL', command[2]) < tonumber(command[3]) then
    redis.call('EXPIRE', command[2], command[3])
  end
end
return 0
