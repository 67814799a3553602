-- needs: record
-- Lift a suspension. KEYS: the user's principal. ARGV: realm, user id.
local base = base_of(KEYS[1], ARGV[1], ARGV[2])
local epoch, suspended_until = principal_of(base, ARGV[1], ARGV[2])
if suspended_until > 0 then put_principal(base, ARGV[1], ARGV[2], epoch, 0) end
