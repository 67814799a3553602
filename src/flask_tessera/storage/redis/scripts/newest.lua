-- needs: order
-- The greatest sid among some keys of this server. ARGV: where to go on, the pattern of sessions' keys, how many keys to
-- look at, and what it must be less than. Gives where to go on (false at the end), and that sid; empty where there is
-- none.
local newest = ''

local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3])
for _, key in ipairs(page[2]) do
  local sid = string.sub(key, -16)
  if is_less(newest, sid) and is_less(sid, ARGV[4]) then newest = sid end
end
return {page[1] ~= '0' and page[1], newest}
