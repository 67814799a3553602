-- The revocation log: the stream "entries", numbered from 1, and the hash "meta" of what is known of it.

-- What the names of all its keys begin with, from the name of "meta".
local function log_of(key)
  return string.sub(key, 1, -5)
end

-- The number of the newest entry that there ever was, also when it was dropped; 0 where the stream is gone.
local function last_number(log)
  if redis.call('EXISTS', log .. 'entries') == 0 then return 0 end
  local info = redis.call('XINFO', 'STREAM', log .. 'entries')
  for place = 1, #info, 2 do
    if info[place] == 'last-generated-id' then return tonumber(string.match(info[place + 1], '^%d+')) end
  end
end

-- An entry is one value: what it is dropped by, then the fields of `Revocation`, as an array. Workers decode many of
-- them, so that is for them to be quick.
local function bytes_of(text)
  return struct.pack('>BI2', 0xc5, #text) .. text
end

local function entry_of(nonce, at, now, forget_at, reason, sid, realm, user_id, epoch, except_sid)
  return string.char(0x9a) .. cmsgpack.pack(nonce, at, now, tonumber(forget_at), reason) .. bytes_of(sid)
    .. cmsgpack.pack(realm, user_id, tonumber(epoch)) .. bytes_of(except_sid)
end

-- The nonce of an entry, when it was told and when noted, and when it may be forgotten.
local function head_of(entry)
  local _, nonce, at, noted, forget_at = cmsgpack.unpack_limit(entry[2][2], 4, 1)
  return nonce, at, noted, forget_at
end

local function number_of(entry)
  return tonumber(string.match(entry[1], '^%d+'))
end

-- Seconds that even an entry stays that could be forgotten at once: all workers must hear of it.
local SHORTEST = 120

-- Drop a few of the oldest whose tokens are dead by both clocks: the callers' and this server's own. One alone
-- may have jumped.
local function drop_dead(log, at, now, most)
  for _, entry in ipairs(redis.call('XRANGE', log .. 'entries', '-', '+', 'COUNT', most)) do
    local _, told_at, noted, forget_at = head_of(entry)
    local life = math.max(forget_at - told_at, SHORTEST)
    if at - told_at < life or now - noted < life then return end
    redis.call('XDEL', log .. 'entries', entry[1])
  end
end

-- Wake all that wait, whatever number they wait after: the log is another one. Pulses are numbered by the server's
-- clock, so that one comes after those that were lost with the log.
local function wake(log)
  redis.call('XADD', log .. 'pulse', 'MAXLEN', 8, '*', 'name', '')
end

-- Each entry: forget_at, reason, sid, realm, user_id, epoch, except_sid. The nonce tells it from another entry of
-- the same number, which a fail-over may bring about.
local function append(log, at, nonce, entries)
  local number = last_number(log)
  -- Where only one of the two was lost, the log is another one; it gets its name when it is read.
  local is_as_known = tonumber(redis.call('HGET', log .. 'meta', 'n') or 0) == number
  if not is_as_known then redis.call('HDEL', log .. 'meta', 'log_id') end
  -- An empty stream may be one that was lost: whoever had read further waits for numbers that are far off.
  if number == 0 or not is_as_known then wake(log) end
  local now = tonumber(redis.call('TIME')[1])
  for _, entry in ipairs(entries) do
    number, nonce = number + 1, (nonce + 1) % 4294967296
    redis.call('XADD', log .. 'entries', number .. '-0', 'entry', entry_of(nonce, at, now, unpack(entry)))
  end
  redis.call('HSET', log .. 'meta', 'n', number, 'nonce', nonce)
  drop_dead(log, at, now, 3 * #entries)
end

local function put_era(log, era)
  redis.call('SET', log .. 'era', era)
  redis.call('HSET', log .. 'meta', 'era', era)
end

-- The era is kept twice, and by every process that has read it: it must not go down when one key is evicted.
local function era_of(log, known)
  local first = tonumber(redis.call('GET', log .. 'era') or 0)
  local second = tonumber(redis.call('HGET', log .. 'meta', 'era') or 0)
  local era = math.max(first, second, known)
  if first ~= era or second ~= era then put_era(log, era) end
  return era
end

local function nonce_at(log, number)
  local entry = redis.call('XRANGE', log .. 'entries', number .. '-0', number .. '-0')[1]
  return entry and tostring((head_of(entry)))
end

-- The log's name, its birth, its last number and nonce, and the era. It gets a name and is born `at` if it was never
-- read, or lost in part: what is left may not be all.
local function known_log(log, at, name, era)
  local last = last_number(log)
  local log_id, born_at, known, nonce =
    unpack(redis.call('HMGET', log .. 'meta', 'log_id', 'born_at', 'n', 'nonce'))
  era = era_of(log, era)
  if not log_id or tonumber(known or 0) ~= last then
    log_id, born_at, nonce = name, at, nonce_at(log, last) or '0'
    redis.call('HSET', log .. 'meta', 'log_id', log_id, 'born_at', born_at, 'n', last, 'nonce', nonce)
  end
  return log_id, born_at, last, nonce or '0', era
end
