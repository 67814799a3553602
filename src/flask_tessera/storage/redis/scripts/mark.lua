-- needs: record log ending
-- Note that generations were used. KEYS: sessions. ARGV: log, at, dice, then a generation for each.
-- Gives whether a replica must have what is written, the places of those to look for elsewhere with the tags where,
-- the sids and records of those ended, and what is to be told.
local ended, moved, must_last = {}, {}, 0

local function mark(base, sid, used)
  local session = load_session(base, sid)
  if not session then return home_of(base, sid) end
  local is_burnt = used < session[GEN] and used > session[PREDECESSOR]
  if session[ENDED_AT] ~= 0 then
    -- Whoever tries again has not heard that the first try was kept.
    if is_burnt then must_last = vouch_again(base, sid, session) end
  elseif is_burnt then
    end_session(base, sid, session, 'reuse')
    must_last = 1
    ended[#ended + 1] = sid
    ended[#ended + 1] = cmsgpack.pack(session)
  elseif used == session[GEN] and session[CONFIRMED] == 0 then
    session[CONFIRMED] = 1
    keep_session(base, sid, session)
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
return {must_last, moved, ended, untold}
