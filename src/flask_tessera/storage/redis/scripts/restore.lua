-- needs: log
-- Begin a new log in the next era. KEYS: meta, entries, era, pulse. ARGV: its name, its birth, the
-- highest era that the caller knows of.
local log = log_of(KEYS[1])
local era = era_of(log, tonumber(ARGV[3])) + 1
put_era(log, era)
redis.call('HSET', log .. 'meta', 'log_id', ARGV[1], 'born_at', ARGV[2], 'n', last_number(log))
redis.call('HSETNX', log .. 'meta', 'nonce', 0)
wake(log)
return {1, era}
