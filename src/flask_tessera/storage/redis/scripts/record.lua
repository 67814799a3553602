-- A session's record: the fields of `_Record` in `record.py`, in their order, as an array. All of a user lies
-- under one base, "prefix:{tag}:", so that a step on it stays within one slot of a cluster. A step is given the
-- names of the keys that decide where it runs: while a slot moves, a server refuses a step of which it lacks some.
local REALM, USER_ID, IDLE_UNTIL, UNTIL, ACCESS_LIFETIME = 1, 2, 5, 6, 7
local CREATED_AT, GEN, PREDECESSOR, ROTATED_AT, CONFIRMED = 3, 8, 9, 10, 11
local EPOCH, LAST_SEEN_AT, ENDED_AT, END_REASON, DEVICE_TYPE = 12, 13, 14, 15, 16
-- After the fields: whether its ending has yet to be told to a log that lies in another slot.
-- What follows them is for Python only, and kept as it is.
local ERA, UNTOLD = 23, 24
local MARGIN = 120

-- The base and the sid in the name of a session's key.
local function place_of(key)
  return string.sub(key, 1, -19), string.sub(key, -16)
end

local function load_session(base, sid)
  local raw = redis.call('GET', base .. 's:' .. sid)
  return raw and cmsgpack.unpack(raw), raw
end

-- The tag under which a session lies whose sid names another one; false where there is none.
local function home_of(base, sid)
  return redis.call('GET', base .. 'o:' .. sid)
end

-- Write what does not change how long it is kept.
local function keep_session(base, sid, session)
  redis.call('SET', base .. 's:' .. sid, cmsgpack.pack(session), 'KEEPTTL')
end

-- Write, and keep it for as long as a token could be presented, by the caller's clock.
local function put_session(base, sid, session, at)
  local seconds = math.max(session[IDLE_UNTIL] - at, 0) + MARGIN
  redis.call('SET', base .. 's:' .. sid, cmsgpack.pack(session), 'EX', seconds)
end

-- What names a user in keys: with the length of the realm, so that texts of any characters are told apart.
local function user_of(realm, user_id)
  return #realm .. ':' .. realm .. user_id
end

-- The base in the name of a user's index or principal.
local function base_of(key, realm, user_id)
  return string.sub(key, 1, -3 - #user_of(realm, user_id))
end

local function principal_of(base, realm, user_id)
  local raw = redis.call('GET', base .. 'p:' .. user_of(realm, user_id))
  if not raw then return 0, 0 end
  local principal = cmsgpack.unpack(raw)
  return principal[1], principal[2]
end

-- It never expires: an epoch must outlive every token that it contradicts.
local function put_principal(base, realm, user_id, epoch, suspended_until)
  redis.call('SET', base .. 'p:' .. user_of(realm, user_id), cmsgpack.pack({epoch, suspended_until}))
end

-- The user's sessions that have not ended, scored by their absolute limit.
local function index_of(base, realm, user_id)
  return base .. 'u:' .. user_of(realm, user_id)
end

-- As `Standing.refusal`.
local function refusal(session, epoch, suspended_until, at)
  if session[ENDED_AT] ~= 0 then return session[END_REASON] end
  if suspended_until > at then return 'suspension' end
  if epoch > session[EPOCH] then return 'kick' end
  if at >= math.min(session[IDLE_UNTIL], session[UNTIL]) then return 'expiry' end
  return ''
end
