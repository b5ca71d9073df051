--- chunks: calls a Redis command with any number of values.
-- Purpose: splits long argument lists, because Lua's stack is bounded.
-- Keys: given
-- Arguments: none
-- Outcomes: none
-- Needs: none

local chunks = {}

-- Lua's stack holds about 8,000 values, and `unpack` puts every element on it. Even: pairs of
-- values are never torn apart.
chunks.SIZE = 1000

function chunks.call(command, values)
  for first = 1, #values, chunks.SIZE do
    redis.call(command, unpack(values, first, math.min(first + chunks.SIZE - 1, #values)))
  end
end

function chunks.call_with_key(command, key, values)
  for first = 1, #values, chunks.SIZE do
    redis.call(command, key, unpack(values, first, math.min(first + chunks.SIZE - 1, #values)))
  end
end

-- Gives an array of as many values as there are keys: false where there is none.
function chunks.read(keys)
  if #keys <= chunks.SIZE then
    return #keys == 0 and keys or redis.call('MGET', unpack(keys))
  end
  local found = {}
  for first = 1, #keys, chunks.SIZE do
    local last = math.min(first + chunks.SIZE - 1, #keys)
    local values = redis.call('MGET', unpack(keys, first, last))
    for position = 1, #values do
      found[first + position - 1] = values[position]
    end
  end
  return found
end

-- Gives how many of the keys exist; one that is named twice counts twice.
function chunks.count(keys)
  local found = 0
  for first = 1, #keys, chunks.SIZE do
    local last = math.min(first + chunks.SIZE - 1, #keys)
    found = found + redis.call('EXISTS', unpack(keys, first, last))
  end
  return found
end

return chunks
