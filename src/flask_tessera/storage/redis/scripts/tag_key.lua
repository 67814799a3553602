-- The key of all tags. It is kept twice, since with it goes the way to every session. KEYS: meta, the spare.
-- ARGV: one for a storage that has none yet; empty from who only looks.
local meta, spare = KEYS[1], KEYS[2]
local first, second = redis.call('GET', spare), redis.call('HGET', meta, 'tag_key')
local key = first or second or ARGV[1]
if key == '' then return false end
if not first then redis.call('SET', spare, key) end
if second ~= key then redis.call('HSET', meta, 'tag_key', key) end
return key
