-- Forget a worker that ends. KEYS: workers, beats. ARGV: name.
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return {0}
