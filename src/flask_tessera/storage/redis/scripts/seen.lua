-- needs: record
-- Move last-seen times forward. KEYS: sessions. ARGV: a time for each.
-- Gives 0, then the places of those to look for elsewhere with the tags where.
local moved = {}
for place, key in ipairs(KEYS) do
  local base, sid = place_of(key)
  local at = tonumber(ARGV[place])
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
