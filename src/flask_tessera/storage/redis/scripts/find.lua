-- needs: record
-- A session with its principal's epoch and suspension. KEYS: the session.
local base, sid = place_of(KEYS[1])
local session, raw = load_session(base, sid)
if not session then return home_of(base, sid) end
local epoch, suspended_until = principal_of(base, session[REALM], session[USER_ID])
return {raw, epoch, suspended_until}
