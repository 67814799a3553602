-- needs: log
-- Entries after a cursor. KEYS: meta, entries, era. ARGV: its number and nonce, the time, a name for a log that has none, the highest era
-- that the caller knows of, how many at most.
-- Gives the log's name, its birth, the last number and nonce, the era, and the entries.
local log, number = log_of(KEYS[1]), tonumber(ARGV[1])
local last = last_number(log)
local log_id, born_at, known, nonce =
  unpack(redis.call('HMGET', log .. 'meta', 'log_id', 'born_at', 'n', 'nonce'))

local function nonce_at(place)
  local entry = redis.call('XRANGE', log .. 'entries', place .. '-0', place .. '-0')[1]
  return entry and field_of(entry, 'nonce')
end

-- Whether the entry at the cursor is the one that was read: a fail-over may have cut it off, and others have grown.
local function is_ours()
  if number >= last then return number == last and ARGV[2] == nonce end
  return (nonce_at(number) or ARGV[2]) == ARGV[2]
end

local era = era_of(log, tonumber(ARGV[5]))
if not log_id or tonumber(known or 0) ~= last then
  -- Never read, or lost in part: what is left may not be all.
  log_id, born_at, nonce = ARGV[4], ARGV[3], nonce_at(last) or '0'
  redis.call('HSET', log .. 'meta', 'log_id', log_id, 'born_at', born_at, 'n', last, 'nonce', nonce)
end
nonce = nonce or '0'
if number > 0 and not is_ours() then number = 0 end
local entries = redis.call('XRANGE', log .. 'entries', number + 1, '+', 'COUNT', ARGV[6])
return {log_id, born_at, last, nonce, era, entries}
