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

local function field_of(entry, name)
  local fields = entry[2]
  for place = 1, #fields, 2 do
    if fields[place] == name then return fields[place + 1] end
  end
end

-- Seconds that even an entry stays that could be forgotten at once: all workers must hear of it.
local SHORTEST = 120

-- Drop a few of the oldest whose tokens are dead by both clocks: the callers' and this server's own. One alone
-- may have jumped.
local function drop_dead(log, at, now, most)
  for _, entry in ipairs(redis.call('XRANGE', log .. 'entries', '-', '+', 'COUNT', most)) do
    local told_at = tonumber(field_of(entry, 'at'))
    local life = math.max(tonumber(field_of(entry, 'forget_at')) - told_at, SHORTEST)
    if at - told_at < life or now - tonumber(field_of(entry, 'noted')) < life then return end
    redis.call('XDEL', log .. 'entries', entry[1])
  end
end

-- Each entry: forget_at, reason, sid, realm, user_id, epoch, except_sid. The nonce tells it from another entry of
-- the same number, which a fail-over may bring about.
local function append(log, at, nonce, entries)
  local number = last_number(log)
  -- Where only one of the two was lost, the log is another one; it gets its name when it is read.
  if tonumber(redis.call('HGET', log .. 'meta', 'n') or 0) ~= number then
    redis.call('HDEL', log .. 'meta', 'log_id')
  end
  local now = tonumber(redis.call('TIME')[1])
  for _, entry in ipairs(entries) do
    number, nonce = number + 1, (nonce + 1) % 4294967296
    redis.call('XADD', log .. 'entries', number .. '-0', 'forget_at', entry[1], 'reason', entry[2],
      'sid', entry[3], 'realm', entry[4], 'user_id', entry[5], 'epoch', entry[6], 'except_sid', entry[7],
      'at', at, 'noted', now, 'nonce', nonce)
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
