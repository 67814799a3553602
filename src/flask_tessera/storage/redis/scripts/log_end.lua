-- needs: log
-- Where the log ends. KEYS: meta, entries, era. ARGV: the time, a name for a log that has none, the highest era that
-- the caller knows of. Gives the log's name, its birth, the last number and nonce, and the era.
return {known_log(log_of(KEYS[1]), ARGV[1], ARGV[2], tonumber(ARGV[3]))}
