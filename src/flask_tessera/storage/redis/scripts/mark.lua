-- needs: record log ending
-- Note that generations were used. KEYS: sessions. ARGV: log, at, dice, then a generation for each.
-- Gives whether any session has ended, the places of those to look for elsewhere with the tags where, the sids and
-- records of those ended, and what is to be told.
local ended, moved = {}, {}

local function mark(base, sid, used)
  local session = load_session(base, sid)
  if not session then return home_of(base, sid) end
  if session[ENDED_AT] ~= 0 then return end
  if used == session[GEN] and session[CONFIRMED] == 0 then
    session[CONFIRMED] = 1
    keep_session(base, sid, session)
  elseif used < session[GEN] and used > session[PREDECESSOR] then
    end_session(base, sid, session, 'reuse')
    ended[#ended + 1] = sid
    ended[#ended + 1] = cmsgpack.pack(session)
  end
end

for place, key in ipairs(KEYS) do
  local base, sid = place_of(key)
  local home = mark(base, sid, tonumber(ARGV[3 + place]))
  if home then
    moved[#moved + 1] = place - 1
    moved[#moved + 1] = home
  end
end
return {#ended > 0 and 1 or 0, moved, ended, untold}
