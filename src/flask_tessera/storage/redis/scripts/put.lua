-- needs: record
-- Put a session as it was elsewhere; what is here already is never turned back. ARGV: sid, record, era, at.
local base, sid, at = KEYS[1], ARGV[1], tonumber(ARGV[4])
local session, present = cmsgpack.unpack(ARGV[2]), load_session(base, sid)
if redis.call('EXISTS', base .. 'o:' .. sid) > 0 then return end
if present and (present[ENDED_AT] ~= 0 or session[ENDED_AT] == 0 and session[GEN] <= present[GEN]) then return end
session[ERA] = tonumber(ARGV[3])
put_session(base, sid, session, at)
local index = index_of(base, session[REALM], session[USER_ID])
if session[ENDED_AT] ~= 0 then
  redis.call('ZREM', index, sid)
  return
end
redis.call('ZADD', index, session[UNTIL], sid)
local seconds = math.max(session[UNTIL] - at, 0) + MARGIN
if redis.call('TTL', index) < seconds then redis.call('EXPIRE', index, seconds) end
