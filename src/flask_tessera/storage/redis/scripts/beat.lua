-- Keep what a worker says of itself. KEYS: workers, beats. ARGV: name, what it says, seconds until forgotten.
-- How long it was silent goes by this server's clock, since workers that share none have different ones.
local workers, beats = KEYS[1], KEYS[2]
local now = tonumber(redis.call('TIME')[1])
redis.call('HSET', workers, ARGV[1], ARGV[2])
redis.call('ZADD', beats, now, ARGV[1])
for _, silent in ipairs(redis.call('ZRANGEBYSCORE', beats, '-inf', now - tonumber(ARGV[3]))) do
  redis.call('HDEL', workers, silent)
  redis.call('ZREM', beats, silent)
end
for _, key in ipairs({workers, beats}) do redis.call('EXPIRE', key, ARGV[3]) end
return {0}
