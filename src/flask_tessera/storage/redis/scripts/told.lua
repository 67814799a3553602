-- needs: record
-- The log knows of these endings. KEYS: sessions.
for _, key in ipairs(KEYS) do
  local base, sid = place_of(key)
  local session = load_session(base, sid)
  if session and session[UNTOLD] == 1 then
    session[UNTOLD] = 0
    keep_session(base, sid, session)
  end
end
return {0, {}}
