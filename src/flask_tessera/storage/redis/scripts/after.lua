-- needs: log
-- A page of entries after a cursor. KEYS: meta, entries, era. ARGV: the time, a name for a log that has none, the
-- highest era that the caller knows of, number and nonce of the cursor, how many at most.
-- Gives the log's name, its birth, number and nonce of where the page ends, the era, whether the log ends there, and
-- the entries as one array.
local log, number = log_of(KEYS[1]), tonumber(ARGV[4])
local log_id, born_at, last, nonce, era = known_log(log, ARGV[1], ARGV[2], tonumber(ARGV[3]))

-- Whether the entry at the cursor is the one that was read: a fail-over may have cut it off, and others have grown.
local function is_ours()
  if number >= last then return number == last and ARGV[5] == nonce end
  return (nonce_at(log, number) or ARGV[5]) == ARGV[5]
end

if number > 0 and not is_ours() then number = 0 end
local page = redis.call('XRANGE', log .. 'entries', number + 1, '+', 'COUNT', ARGV[6])
local is_whole = #page < tonumber(ARGV[6]) or number_of(page[#page]) == last
if not is_whole then
  last, nonce = number_of(page[#page]), tostring((head_of(page[#page])))
end
local entries = {struct.pack('>BI4', 0xdd, #page)}
for place, entry in ipairs(page) do entries[place + 1] = entry[2][2] end
return {log_id, born_at, last, nonce, era, is_whole and 1 or 0, table.concat(entries)}
