-- needs: record
-- Lift a suspension. ARGV: realm, user id.
local epoch, suspended_until = principal_of(KEYS[1], ARGV[1], ARGV[2])
if suspended_until > 0 then put_principal(KEYS[1], ARGV[1], ARGV[2], epoch, 0) end
