-- Byte by byte: Lua's own comparison of texts goes by the server's locale.
local function is_less(first, second)
  for place = 1, math.min(#first, #second) do
    local one, other = string.byte(first, place), string.byte(second, place)
    if one ~= other then return one < other end
  end
  return #first < #second
end
