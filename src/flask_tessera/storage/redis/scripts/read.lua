-- A session and its principal. KEYS: the session, and the principal if its name is known. ARGV: what keys begin with.
-- Gives nothing if the session is not known; else its record and that of the principal, empty where there is none, left
-- out where it lies on another server.
local raw = redis.call('GET', KEYS[1])
if not raw then return false end
local key = KEYS[2]
if not key then
  local first, second, length = struct.unpack('>BBI2', raw, 14)
  key = string.format('%s:{%02x%02x}:p:', ARGV[1], first, second) .. string.sub(raw, 18, 17 + length)
end
local principal = redis.pcall('GET', key)
if type(principal) == 'table' then return {raw} end
return {raw, principal or ''}
