-- The greatest sid among some keys of this server. ARGV: where to go on, the pattern of sessions' keys, how many keys to
-- look at. Gives where to go on (false at the end), and that sid; empty where there is none.
local newest = ''

-- Byte by byte: Lua's own comparison goes by the server's locale.
local function is_newer(sid)
  for place = 1, #newest do
    local one, other = string.byte(sid, place), string.byte(newest, place)
    if one ~= other then return one > other end
  end
  return newest == ''
end

local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3])
for _, key in ipairs(page[2]) do
  local sid = string.sub(key, -16)
  if is_newer(sid) then newest = sid end
end
return {page[1] ~= '0' and page[1], newest}
