-- needs: record log ending
-- End one session. KEYS: the session. ARGV: log, at, dice, reason.
-- Gives 1, whether it was live, the record, and what is to be told.
local base, sid = place_of(KEYS[1])
local session = load_session(base, sid)
if not session then return home_of(base, sid) end
local was_live = session[ENDED_AT] == 0
if was_live then
  end_session(base, sid, session, ARGV[4])
else
  vouch_again(base, sid, session)
end
return {1, was_live and 1 or 0, cmsgpack.pack(session), untold}
