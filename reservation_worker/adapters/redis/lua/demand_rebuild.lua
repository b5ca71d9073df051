--- demand_rebuild: somebody does not trust a shard: its owner shall rebuild it.
-- Purpose: sets the mark of a step that was cut off, which every owner answers with a rebuild.
-- Keys: meta
-- Arguments: inspected epoch, reason, adopts (1: of whatever source the published records are, they
--   are this deployment's from now on), the deployment that it is taken from (empty: this one)
-- Outcomes: none
-- Needs: guard
-- Flags: allow-oom
-- Replies 1 if the shard is marked, 0 if it is in another epoch by now, or whose it is has changed.
-- Of another deployment's shard nobody knows the epoch: naming the deployment stands for it.

local epoch, reason, adopts, former = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local found = redis.call('HMGET', KEYS[1], 'epoch', 'deployment')
if not found[1] then
  return 0
end
if guard.is_foreign(found[2]) then
  if adopts ~= '1' or found[2] ~= former then
    return 0
  end
elseif found[1] ~= epoch then
  return 0
end
redis.call(
  'HSET', KEYS[1],
  'writing', '1', 'demanded', reason, 'adopts', adopts, 'deployment', guard.DEPLOYMENT
)
return 1
