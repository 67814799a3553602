-- needs: record log ending
-- The live sessions of a user: sids and records. KEYS: the user's index and principal. ARGV: log, at, dice, realm,
-- user id.
local realm, user_id = ARGV[4], ARGV[5]
local base = base_of(KEYS[1], realm, user_id)
local epoch, suspended_until = principal_of(base, realm, user_id)
local found = {}
for _, each in ipairs(live_sessions(base, realm, user_id, epoch, suspended_until)) do
  found[#found + 1] = each[1]
  found[#found + 1] = cmsgpack.pack(each[2])
end
return found
