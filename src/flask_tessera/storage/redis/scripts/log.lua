-- The revocation log: the stream "entries", numbered from 1; the hash "meta" of what is known of it; the sorted set
-- "forget" of the numbers by when they may be forgotten.

-- The number of the newest entry that there ever was, also when it was dropped; 0 where the stream is gone.
local function last_number(log)
  if redis.call('EXISTS', log .. 'entries') == 0 then return 0 end
  local info = redis.call('XINFO', 'STREAM', log .. 'entries')
  for place = 1, #info, 2 do
    if info[place] == 'last-generated-id' then return tonumber(string.match(info[place + 1], '^%d+')) end
  end
end

-- Wake all that wait, whatever number they wait after: the log is another one. Pulses are numbered by the server's
-- clock, so that one comes after those that were lost with the log.
local function wake(log)
  redis.call('XADD', log .. 'pulse', 'MAXLEN', 8, '*', 'name', '')
end

-- Each entry: the bytes that Python reads, a nonce, when it may be forgotten, and in how many seconds. The nonce tells
-- it from another one of the same number, which a fail-over may bring about; the seconds are for the server's own clock.
-- Kept with it is when it was appended, in milliseconds of that clock.
local function append(log, entries)
  local number = last_number(log)
  -- Where only one of the two was lost, the log is another one; it gets its name when it is read.
  local is_as_known = tonumber(redis.call('HGET', log .. 'meta', 'n') or 0) == number
  local time, nonce = redis.call('TIME'), '0'
  local now = tonumber(time[1])
  local now_ms = string.format('%d', now * 1000 + math.floor(time[2] / 1000))
  for _, entry in ipairs(entries) do
    number, nonce = number + 1, entry[2]
    redis.call('XADD', log .. 'entries', number .. '-0', 'e', entry[1], 'n', nonce, 't', now_ms)
    redis.call('ZADD', log .. 'forget', entry[3], number .. ':' .. now + tonumber(entry[4]))
  end
  redis.call('HSET', log .. 'meta', 'n', number, 'nonce', nonce, 'layout', 2)
  if not is_as_known then redis.call('HDEL', log .. 'meta', 'log_id') end
  -- An empty stream may be one that was lost: whoever had read further waits for numbers that are far off.
  if number == #entries or not is_as_known then wake(log) end
end

-- From when on sessions are valid: the latest of what is kept twice and what the caller has read, since it must not go
-- back when one key is evicted.
local function valid_from(log, known)
  local first = tonumber(redis.call('GET', log .. 'valid') or 0)
  local second = tonumber(redis.call('HGET', log .. 'meta', 'valid') or 0)
  local latest = math.max(first, second, tonumber(known))
  if first ~= latest or second ~= latest then
    redis.call('SET', log .. 'valid', latest)
    redis.call('HSET', log .. 'meta', 'valid', latest)
  end
  return latest
end
