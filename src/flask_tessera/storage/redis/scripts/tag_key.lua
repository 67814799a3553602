-- The key of all tags. It is kept twice, since with it goes the way to every session. ARGV: one for a storage that
-- has none yet.
local meta, spare = KEYS[1] .. 'meta', KEYS[1] .. 'tag_key'
local key = redis.call('GET', spare) or redis.call('HGET', meta, 'tag_key') or ARGV[1]
redis.call('SETNX', spare, key)
redis.call('HSETNX', meta, 'tag_key', key)
return key
