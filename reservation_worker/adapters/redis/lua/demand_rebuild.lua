--- demand_rebuild: somebody does not trust a shard: its owner shall rebuild it.
-- Purpose: sets the mark of a step that was cut off, which every owner answers with a rebuild.
-- Keys: meta
-- Arguments: inspected epoch, reason
-- Outcomes: none
-- Needs: none
-- Flags: allow-oom
-- Replies 1 if the shard is marked, 0 if it is in another epoch by now.

local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch or epoch ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'writing', '1', 'demanded', ARGV[2])
return 1
