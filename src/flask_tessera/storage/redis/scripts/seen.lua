-- needs: record
-- Move last-seen times forward. ARGV: sid and time for each base in KEYS.
-- Gives 0, then the places of those to look for elsewhere with the tags where.
local moved = {}
for place, base in ipairs(KEYS) do
  local sid, at = ARGV[2 * place - 1], tonumber(ARGV[2 * place])
  local session = load_session(base, sid)
  local home = not session and home_of(base, sid)
  if home then
    moved[#moved + 1] = place - 1
    moved[#moved + 1] = home
  elseif session and session[LAST_SEEN_AT] < at then
    session[LAST_SEEN_AT] = at
    keep_session(base, sid, session)
  end
end
return {0, moved}
