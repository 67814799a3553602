-- A user. KEYS: the principal, the indexes of sessions that live and that have ended. ARGV: what keys begin with;
-- whether sessions are wanted (1); how many of the newest, 0 for all; a sid that is asked for, or nothing; how many ended
-- sessions are kept, 0 if that is not asked.
-- Gives the principal's record; whether the sid is in use; sids and records in turn; sids of which there is no session
-- any more; those of ended sessions that are too many. 'elsewhere' stands for what lies on another server.
local most, asked, kept = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])

local function ask(command, sid)
  local tag = string.format(':{%02x%02x}:s:', string.byte(sid, 7, 8))
  local reply = redis.pcall(command, ARGV[1] .. tag .. sid)
  if type(reply) == 'table' then return 'elsewhere' end
  return reply
end

local sids = {}
if ARGV[2] == '1' then
  sids = redis.call('ZREVRANGE', KEYS[2], 0, most - 1)
  if most > 0 and #sids == most and asked ~= '' and redis.call('ZSCORE', KEYS[2], asked) then sids[most + 1] = asked end
else
  -- Where nobody looks at all sessions, a few are looked at, lest the index grow.
  sids = redis.call('ZRANGE', KEYS[2], 0, 2)
end

local found, gone = {}, {}
for _, sid in ipairs(sids) do
  local record = ask('GET', sid)
  if not record then
    gone[#gone + 1] = sid
  elseif ARGV[2] == '1' then
    found[#found + 1] = sid
    found[#found + 1] = record
  end
end
local surplus = {}
if kept > 0 then
  local count = redis.call('ZCARD', KEYS[3]) - kept
  if count > 0 then surplus = redis.call('ZRANGE', KEYS[3], 0, math.min(count, 20) - 1) end
end
return {redis.call('GET', KEYS[1]) or '', asked ~= '' and ask('EXISTS', asked) or 0, found, gone, surplus}
