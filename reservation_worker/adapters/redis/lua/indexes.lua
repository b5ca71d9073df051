--- indexes: the sorted sets beside the values: deadlines, settlements, entries, what is kept.
-- Purpose: adds and removes any number of members.
-- Keys: given
-- Arguments: none
-- Outcomes: none
-- Needs: wire, chunks

local indexes = {}

-- `added`: score, member; ... `removed`: member; ...
function indexes.write(key, added, removed)
  chunks.call_with_key('ZADD', key, added)
  chunks.call_with_key('ZREM', key, removed)
end

-- `scores`: member -> score as text or number, or false to remove it. The order of `pairs` changes
-- no result.
function indexes.write_scores(key, scores)
  local added, removed = {}, {}
  for member, score in pairs(scores) do
    if score then
      added[#added + 1] = type(score) == 'number' and wire.integer(score) or score
      added[#added + 1] = member
    else
      removed[#removed + 1] = member
    end
  end
  indexes.write(key, added, removed)
end

return indexes
