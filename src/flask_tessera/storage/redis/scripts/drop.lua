-- needs: record
-- Remove sessions whose tokens are all dead. ARGV: at, then sid for each base in KEYS. Gives 0, nothing, and the places.
local at, removed = tonumber(ARGV[1]), {}
for place, base in ipairs(KEYS) do
  local sid = ARGV[1 + place]
  local session = load_session(base, sid)
  if session and session[IDLE_UNTIL] <= at then
    redis.call('DEL', base .. 's:' .. sid)
    redis.call('ZREM', index_of(base, session[REALM], session[USER_ID]), sid)
    removed[#removed + 1] = place - 1
  end
end
return {0, {}, removed}
