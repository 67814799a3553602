-- How sessions end. The first arguments of every step that may end one: the log, empty where it lies in another
-- slot; the time, Unix seconds; dice for the log.
local LOG, AT, NONCE = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
-- What the caller has to tell the log.
local untold = {}

local function note(entry)
  if LOG == '' then
    untold[#untold + 1] = entry
  else
    NONCE = NONCE + 1
    append(LOG, AT, NONCE, {entry})
  end
end

local function forget_at(session, at)
  local last_token = math.max(at, session[LAST_SEEN_AT]) + session[ACCESS_LIFETIME]
  return math.min(session[UNTIL], last_token) + MARGIN
end

local function note_ending(sid, session)
  note({forget_at(session, session[ENDED_AT]), session[END_REASON], sid, '', '', 0, ''})
end

-- Of a session that is over: who ended it may have died before the log knew, or have been told that no replica has it.
-- It is written again, so that waiting for a replica waits for a write. Gives 1, or 0 for a session that has not ended.
local function vouch_again(base, sid, session)
  if session[ENDED_AT] == 0 then return 0 end
  if session[UNTOLD] == 1 then
    note_ending(sid, session)
    if LOG ~= '' then session[UNTOLD] = 0 end
  end
  keep_session(base, sid, session)
  return 1
end

local function end_silently(base, sid, session, reason)
  session[ENDED_AT], session[END_REASON] = AT, reason
  keep_session(base, sid, session)
  redis.call('ZREM', index_of(base, session[REALM], session[USER_ID]), sid)
end

local function end_session(base, sid, session, reason)
  session[UNTOLD] = LOG == '' and 1 or 0
  end_silently(base, sid, session, reason)
  note_ending(sid, session)
end

-- The live sessions of a user as pairs of sid and session, in no order.
local function live_sessions(base, realm, user_id, epoch, suspended_until)
  local index, found = index_of(base, realm, user_id), {}
  for _, sid in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    local session = load_session(base, sid)
    if not session then
      redis.call('ZREM', index, sid)
    elseif refusal(session, epoch, suspended_until, AT) == '' then
      found[#found + 1] = {sid, session}
    end
  end
  return found
end
