-- needs: log
-- Drop entries that may be forgotten. KEYS: entries. ARGV: the time, where to begin, how many to look at.
-- Gives 0 and where to go on; 0 and 0 at the end.
local seen = redis.call('XRANGE', KEYS[1], ARGV[2], '+', 'COUNT', ARGV[3])
for _, entry in ipairs(seen) do
  local _, _, _, forget_at = head_of(entry)
  if forget_at <= tonumber(ARGV[1]) then redis.call('XDEL', KEYS[1], entry[1]) end
end
if #seen < tonumber(ARGV[3]) then return {0, 0} end
return {0, number_of(seen[#seen]) + 1}
