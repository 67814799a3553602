-- needs: record
-- The log knows of these endings. ARGV: sid for each base in KEYS.
for place, base in ipairs(KEYS) do
  local session = load_session(base, ARGV[place])
  if session and session[UNTOLD] == 1 then
    session[UNTOLD] = 0
    keep_session(base, ARGV[place], session)
  end
end
return {0, {}}
