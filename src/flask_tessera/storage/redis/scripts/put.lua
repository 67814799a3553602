-- needs: record
-- Put a session as it was elsewhere; what is here already is never turned back. KEYS: the session and the user's
-- index. ARGV: record, era, at.
local base, sid = place_of(KEYS[1])
local index, at = KEYS[2], tonumber(ARGV[3])
local session, present = cmsgpack.unpack(ARGV[1]), load_session(base, sid)
if redis.call('EXISTS', base .. 'o:' .. sid) > 0 then return end
local function is_further()
  if session[GEN] ~= present[GEN] then return session[GEN] > present[GEN] end
  return session[EPOCH] > present[EPOCH]
end
if present and (present[ENDED_AT] ~= 0 or session[ENDED_AT] == 0 and not is_further()) then return end
session[ERA] = tonumber(ARGV[2])
put_session(base, sid, session, at)
if session[ENDED_AT] ~= 0 then
  redis.call('ZREM', index, sid)
  return
end
redis.call('ZADD', index, session[UNTIL], sid)
local seconds = math.max(session[UNTIL] - at, 0) + MARGIN
if redis.call('TTL', index) < seconds then redis.call('EXPIRE', index, seconds) end
