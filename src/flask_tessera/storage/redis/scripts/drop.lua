-- needs: record
-- Remove sessions whose tokens are all dead. KEYS: sessions. ARGV: at. Gives 0, nothing, and the places.
local at, removed = tonumber(ARGV[1]), {}
for place, key in ipairs(KEYS) do
  local base, sid = place_of(key)
  local session = load_session(base, sid)
  if session and session[IDLE_UNTIL] <= at then
    redis.call('DEL', base .. 's:' .. sid)
    redis.call('ZREM', index_of(base, session[REALM], session[USER_ID]), sid)
    removed[#removed + 1] = place - 1
  end
end
return {0, {}, removed}
