-- needs: record log ending
-- Raise a user's epoch and end all sessions but one. KEYS: the user's index and principal. ARGV: log, at, dice, realm,
-- user id, reason, the sid to carry over, the second until which the user is suspended, the second before which the log
-- may not forget. Gives 1, sids and records, and what is to be told.
local realm, user_id, reason, except_sid = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local base = base_of(KEYS[1], realm, user_id)
local epoch, suspended_until = principal_of(base, realm, user_id)
local live = live_sessions(base, realm, user_id, epoch, suspended_until)
epoch = epoch + 1
put_principal(base, realm, user_id, epoch, math.max(suspended_until, tonumber(ARGV[8])))

local ended, forget = {}, math.max(AT, tonumber(ARGV[9]))
for _, each in ipairs(live) do
  local sid, session = each[1], each[2]
  forget = math.max(forget, forget_at(session, AT))
  if sid == except_sid then
    session[EPOCH] = epoch
    keep_session(base, sid, session)
  else
    -- Told by the entry of the user, if that reaches the log.
    session[UNTOLD] = LOG == '' and 1 or 0
    end_silently(base, sid, session, reason)
    ended[#ended + 1] = sid
    ended[#ended + 1] = cmsgpack.pack(session)
  end
end
note({forget, reason, '', realm, user_id, epoch, except_sid})
return {1, ended, untold}
