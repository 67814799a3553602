-- needs: log
-- Note endings of sessions that lie in other slots. KEYS: meta, entries. ARGV: at, dice, then seven values for each entry.
local entries = {}
for place = 3, #ARGV, 7 do
  local entry = {}
  for offset = 0, 6 do entry[offset + 1] = ARGV[place + offset] end
  entries[#entries + 1] = entry
end
append(log_of(KEYS[1]), tonumber(ARGV[1]), tonumber(ARGV[2]), entries)
return {1}
