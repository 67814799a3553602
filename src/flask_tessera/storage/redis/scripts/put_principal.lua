-- needs: record
-- Put a principal as it was elsewhere; the stricter of two stays. KEYS: the principal. ARGV: realm,
-- user id, epoch, suspended until.
local base = base_of(KEYS[1], ARGV[1], ARGV[2])
local epoch, suspended_until = principal_of(base, ARGV[1], ARGV[2])
epoch, suspended_until = math.max(epoch, tonumber(ARGV[3])), math.max(suspended_until, tonumber(ARGV[4]))
put_principal(base, ARGV[1], ARGV[2], epoch, suspended_until)
