-- Small values. A value is a hash: v, n (its version, or a count), e (first second in which it is gone), o (its owner).
-- The set of an owner holds the kinds and keys of what belongs to him. KEYS: of one value, or of an owner. ARGV: the last
-- second for it, what is to be done, the time, and what that takes.
if tonumber(redis.call('TIME')[1]) > tonumber(ARGV[1]) then return redis.error_reply('LATE by the clock of the server') end
local key, at = KEYS[1], tonumber(ARGV[3])
local base = string.sub(key, 1, string.find(key, '}:', 1, true) + 1)
local LONGEST, MARGIN = 315360000, 120

-- Keep a key for as long as something in it is needed; `before` is the time to live that it had, -1 for no end.
local function keep(what, before, expires_at)
  local seconds = math.max(tonumber(expires_at) - at, 0) + MARGIN
  if seconds > LONGEST then
    redis.call('PERSIST', what)
  elseif before ~= -1 and before < seconds then
    redis.call('EXPIRE', what, seconds)
  end
end

-- Its fields as they are at the time; false if there are none.
local function live()
  local fields = redis.call('HMGET', key, 'v', 'n', 'e', 'o')
  return fields[3] and tonumber(fields[3]) > at and fields
end

local name = string.sub(key, #base + 3)

local function leave(owner)
  if owner and owner ~= '' then redis.call('SREM', base .. 'w:' .. owner, name) end
end

-- First what a server without memory refuses: after another write it would not.
local function write(value, version, expires_at, owner)
  local present = redis.call('HGET', key, 'o')
  redis.call('HSET', key, 'v', value, 'n', version, 'e', expires_at, 'o', owner)
  keep(key, -2, expires_at)
  if present ~= owner then leave(present) end
  if owner ~= '' then
    local names = base .. 'w:' .. owner
    local before = redis.call('TTL', names)
    redis.call('SADD', names, name)
    keep(names, before, expires_at)
  end
end

local function remove()
  local owner = redis.call('HGET', key, 'o')
  redis.call('DEL', key)
  leave(owner)
end

local actions = {}

-- Expected version (-1: any), value, version, end, owner. Gives whether it was written.
function actions.put(expected, value, version, expires_at, owner)
  local present = live()
  if expected ~= '-1' and expected ~= (present and present[2] or '0') then return 0 end
  write(value, version, expires_at, owner)
  return 1
end

function actions.take()
  local present = live()
  if present then remove() end
  return present
end

-- Amount, end of a counter that begins, whether only one that ends then is changed. Gives count and end.
function actions.count(amount, ends_at, only_running)
  local present = live()
  if only_running == '1' and not (present and present[3] == ends_at) then return {0, 0} end
  if not present then write('', 0, ends_at, '') end
  return {redis.call('HINCRBY', key, 'n', amount), tonumber(present and present[3] or ends_at)}
end

-- Kinds and keys, with the fields of each. Those that have expired are let go of.
function actions.list(kind)
  local found = {}
  for _, each in ipairs(redis.call('SMEMBERS', key)) do
    if string.sub(each, 1, #kind + 1) == kind .. ':' then
      local fields = redis.call('HMGET', base .. 'k:' .. each, 'v', 'n', 'e', 'o')
      if fields[3] then
        found[#found + 1] = {each, fields}
      else
        redis.call('SREM', key, each)
      end
    end
  end
  return found
end

function actions.names(kind)
  local found = {}
  for _, each in ipairs(redis.call('SMEMBERS', key)) do
    if string.sub(each, 1, #kind + 1) == kind .. ':' then found[#found + 1] = each end
  end
  return found
end

-- Some of what belongs to him.
function actions.forget(...)
  for _, each in ipairs({...}) do
    redis.call('DEL', base .. 'k:' .. each)
    redis.call('SREM', key, each)
  end
end

function actions.delete_owner()
  for _, each in ipairs(redis.call('SMEMBERS', key)) do redis.call('DEL', base .. 'k:' .. each) end
  redis.call('DEL', key)
end

return actions[ARGV[2]](unpack(ARGV, 4))
