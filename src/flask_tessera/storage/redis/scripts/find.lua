-- needs: record
-- A session with its principal's epoch and suspension. ARGV: sid.
local session, raw = load_session(KEYS[1], ARGV[1])
if not session then return home_of(KEYS[1], ARGV[1]) end
local epoch, suspended_until = principal_of(KEYS[1], session[REALM], session[USER_ID])
return {raw, epoch, suspended_until}
