-- Lead from the tag that a sid names to the one under which the session will lie. ARGV: sid, that tag, seconds.
-- Gives "known" where the sid is taken, "new" where nothing led there before.
local base, sid = KEYS[1], ARGV[1]
local home = redis.call('GET', base .. 'o:' .. sid)
if redis.call('EXISTS', base .. 's:' .. sid) > 0 or home and home ~= ARGV[2] then return 'known' end
redis.call('SET', base .. 'o:' .. sid, ARGV[2], 'EX', ARGV[3])
return home and 'again' or 'new'
