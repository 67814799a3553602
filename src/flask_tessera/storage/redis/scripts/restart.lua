-- needs: log
-- Begin a new log. KEYS: meta, entries, valid, pulse. ARGV: the last second for it, its name, when it is created, since
-- when sessions are valid.
if tonumber(redis.call('TIME')[1]) > tonumber(ARGV[1]) then return redis.error_reply('LATE by the clock of the server') end
local log = string.sub(KEYS[1], 1, -5)
local valid = valid_from(log, ARGV[4])
redis.call('HSET', KEYS[1], 'log_id', ARGV[2], 'created_at', ARGV[3], 'n', last_number(log), 'layout', 2)
redis.call('HSETNX', KEYS[1], 'nonce', 0)
wake(log)
return valid
