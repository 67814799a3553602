-- needs: log
-- A page of entries after a cursor. KEYS: meta, entries, valid. ARGV: the time, a name for a log that has none, since
-- when sessions are valid as far as the caller knows, number and nonce of the cursor, how many at most (0: only what is
-- known of the log).
-- Gives the log's name, when it was created, number and nonce of where the page ends, since when sessions are valid,
-- whether the log ends there, the entries, and for how many milliseconds the first of them had been there if the cursor
-- was not 0.
local log, number, most = string.sub(KEYS[1], 1, -5), tonumber(ARGV[4]), tonumber(ARGV[6])
local last, valid = last_number(log), valid_from(log, ARGV[3])

local function nonce_at(place)
  local entry = redis.call('XRANGE', KEYS[2], place .. '-0', place .. '-0')[1]
  return entry and entry[2][4]
end

-- It gets a name if it was never read, or lost in part: what is left may not be all.
local log_id, created_at, known, nonce = unpack(redis.call('HMGET', KEYS[1], 'log_id', 'created_at', 'n', 'nonce'))
if not log_id or tonumber(known or 0) ~= last then
  log_id, created_at, nonce = ARGV[2], ARGV[1], nonce_at(last) or '0'
  redis.call('HSET', KEYS[1], 'log_id', log_id, 'created_at', created_at, 'n', last, 'nonce', nonce, 'layout', 2)
end

-- Whether the entry at the cursor is the one that was read: a fail-over may have cut it off, and others have grown.
local function is_ours()
  if number >= last then return number == last and ARGV[5] == nonce end
  return (nonce_at(number) or ARGV[5]) == ARGV[5]
end

if number > 0 and not is_ours() then number = 0 end
local page = most > 0 and redis.call('XRANGE', KEYS[2], number + 1, '+', 'COUNT', most) or {}
local reached = #page == most and #page > 0 and tonumber(string.match(page[#page][1], '^%d+')) or last
if reached ~= last then nonce = page[#page][2][4] end
local delay, first = 0, number > 0 and page[1] and page[1][2][6]
if first then
  local time = redis.call('TIME')
  delay = time[1] * 1000 + math.floor(time[2] / 1000) - first
end
return {log_id, created_at, reached, nonce or '0', valid, reached == last and 1 or 0, page, delay}
