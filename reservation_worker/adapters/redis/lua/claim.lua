--- claim: a shard's owner writes its epoch and the server that it has verified.
-- Purpose: compare-and-set on what was inspected; never over a newer epoch, never a torn shard or
--   another deployment's. One of an older release, which names none, becomes this one's.
-- Keys: meta
-- Arguments: epoch, inspected epoch, inspected step, inspected verified server, inspected server,
--   name of the owner's producer
-- Outcomes: none
-- Needs: wire, guard
-- Flags: allow-oom
-- Replies 1 if the shard is claimed (also by an earlier try of the same call), else 0.

local epoch, inspected_epoch, inspected_step = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local verified_server, server, producer = ARGV[4], ARGV[5], ARGV[6]
local found = redis.call(
  'HMGET', KEYS[1], 'epoch', 'step', 'server', 'writing', 'layout', 'deployment'
)

if guard.is_foreign(found[6]) or guard.server() ~= server or found[4] == '1' then
  return 0
end
if not found[1] then
  if inspected_epoch ~= 0 then
    return 0
  end
  redis.call(
    'HSET', KEYS[1],
    'epoch', epoch, 'step', inspected_step, 'published', inspected_step,
    'server', server, 'writing', '0', 'layout', wire.LAYOUT, 'deployment', guard.DEPLOYMENT,
    'producer', producer
  )
  return 1
end
if found[5] ~= wire.LAYOUT then
  return 0
end
if tonumber(found[1]) == tonumber(epoch) then
  return found[3] == server and found[6] and 1 or 0
end
local is_as_inspected = tonumber(found[1]) == inspected_epoch
  and found[2] == inspected_step
  and found[3] == verified_server
if not is_as_inspected or tonumber(found[1]) > tonumber(epoch) then
  return 0
end
redis.call(
  'HSET', KEYS[1],
  'epoch', epoch, 'server', server, 'deployment', guard.DEPLOYMENT, 'producer', producer
)
return 1
