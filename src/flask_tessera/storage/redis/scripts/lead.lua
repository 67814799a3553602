-- Lead from the place that a sid names to the tag under which the session will lie. KEYS: the session's key there,
-- and the one that leads. ARGV: the tag, seconds. Gives "known" where the sid is taken, "new" where nothing led there before.
local home = redis.call('GET', KEYS[2])
if redis.call('EXISTS', KEYS[1]) > 0 or home and home ~= ARGV[1] then return 'known' end
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
return home and 'again' or 'new'
