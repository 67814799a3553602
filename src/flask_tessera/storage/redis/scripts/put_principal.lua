-- needs: record
-- Put a principal as it was elsewhere; the stricter of two stays. ARGV: realm, user id, epoch, suspended until.
local epoch, suspended_until = principal_of(KEYS[1], ARGV[1], ARGV[2])
epoch, suspended_until = math.max(epoch, tonumber(ARGV[3])), math.max(suspended_until, tonumber(ARGV[4]))
put_principal(KEYS[1], ARGV[1], ARGV[2], epoch, suspended_until)
