-- needs: record
-- Look at some keys of this server, whatever they are, and remove sessions whose tokens are all dead. No KEYS: of each
-- record the server that keeps it is asked. ARGV: where to go on, the pattern of sessions' keys, how many keys to look
-- at, at, how many sessions to remove at most.
-- Gives where to go on (false at the end), how many were removed, and of those whose sids name other places the sids.
local at, most = tonumber(ARGV[4]), tonumber(ARGV[5])
local removed, strangers = 0, {}

-- In a cluster, a key that is about to move may be refused; who comes later removes it.
local function tried(...)
  local reply = redis.pcall(...)
  return (type(reply) ~= 'table' or not reply.err) and reply
end

-- Realm and user id if it is dead. Only the fields up to the last one that is wanted are read: an array of more than 15
-- has a head of three bytes. A record that cannot be read stays; it must not keep the others from being removed.
local function owner_of_dead(raw)
  local is_readable, _, realm, user_id, _, _, idle_until = pcall(cmsgpack.unpack_limit, raw, IDLE_UNTIL, 3)
  if is_readable and type(idle_until) == 'number' and idle_until <= at then return realm, user_id end
end

local function drop(key, realm, user_id)
  local base, sid = place_of(key)
  if not tried('DEL', key) then return end
  tried('ZREM', index_of(base, realm, user_id), sid)
  removed = removed + 1
  if string.format('%02x%02x', string.byte(sid, 7, 8)) ~= string.sub(base, -6, -3) then
    strangers[#strangers + 1] = sid
  end
end

local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3])
for _, key in ipairs(page[2]) do
  local raw = tried('GET', key)
  local realm, user_id
  if raw then realm, user_id = owner_of_dead(raw) end
  if realm then
    -- There are more here than wanted: the next call looks at these keys once more.
    if removed == most then return {ARGV[1], removed, strangers} end
    drop(key, realm, user_id)
  end
end
return {page[1] ~= '0' and page[1], removed, strangers}
