-- needs: order record log ending
-- A new session, making room as `sessions.limits` says. KEYS: the session, the user's index and principal. ARGV: log,
-- at, dice, record, most, per device type, whether to refuse the newcomer (1). Gives a word where it is refused, else whether others have ended, the epoch,
-- the sids and records of those, and what is to be told.
local base, sid = place_of(KEYS[1])
local session = cmsgpack.unpack(ARGV[4])
local most, per_device_type, refuses = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == '1'
local realm, user_id = session[REALM], session[USER_ID]
local index = KEYS[2]

local function was_used_before(first, second)
  local one, other = first[2], second[2]
  if one[LAST_SEEN_AT] ~= other[LAST_SEEN_AT] then return one[LAST_SEEN_AT] < other[LAST_SEEN_AT] end
  if one[CREATED_AT] ~= other[CREATED_AT] then return one[CREATED_AT] < other[CREATED_AT] end
  return is_less(first[1], second[1])
end

-- How many of so many must go, so that one more fits.
local function surplus(count, limit)
  return limit > 0 and math.max(0, count + 1 - limit) or 0
end

-- Sids, sessions and reasons of those that go, the least recently used first: first those of the newcomer's device
-- type, then any.
local function overflowing(live)
  table.sort(live, was_used_before)
  local alike = 0
  for _, each in ipairs(live) do
    if each[2][DEVICE_TYPE] == session[DEVICE_TYPE] then alike = alike + 1 end
  end
  local replaced, leaving, staying = surplus(alike, per_device_type), {}, {}
  for _, each in ipairs(live) do
    if #leaving < replaced and each[2][DEVICE_TYPE] == session[DEVICE_TYPE] then
      leaving[#leaving + 1] = {each[1], each[2], 'replaced'}
    else
      staying[#staying + 1] = each
    end
  end
  for place = 1, math.min(#staying, surplus(#staying, most)) do
    leaving[#leaving + 1] = {staying[place][1], staying[place][2], 'limit'}
  end
  return leaving
end

-- Where no limit makes a step look at all sessions, look at the few that are over soonest, lest the index grow.
local function sweep()
  for _, each in ipairs(redis.call('ZRANGE', index, 0, 2)) do
    if redis.call('EXISTS', base .. 's:' .. each) == 0 then redis.call('ZREM', index, each) end
  end
end

local epoch, suspended_until = principal_of(base, realm, user_id)
if suspended_until > AT then return 'suspended' end
local leaving = {}
if most > 0 or per_device_type > 0 then
  local live = {}
  for _, each in ipairs(live_sessions(base, realm, user_id, epoch, suspended_until)) do
    if each[2][ERA] >= session[ERA] then live[#live + 1] = each end
  end
  leaving = overflowing(live)
  if refuses and #leaving > 0 then return 'full' end
end
if redis.call('EXISTS', base .. 's:' .. sid, base .. 'o:' .. sid) > 0 then return 'known' end

local ended = {}
for _, each in ipairs(leaving) do
  end_session(base, each[1], each[2], each[3])
  ended[#ended + 1] = each[1]
  ended[#ended + 1] = cmsgpack.pack(each[2])
end
sweep()
session[EPOCH] = epoch
put_session(base, sid, session, AT)
redis.call('ZADD', index, session[UNTIL], sid)
local seconds = math.max(session[UNTIL] - AT, 0) + MARGIN
if redis.call('TTL', index) < seconds then redis.call('EXPIRE', index, seconds) end
return {#ended > 0 and 1 or 0, epoch, ended, untold}
