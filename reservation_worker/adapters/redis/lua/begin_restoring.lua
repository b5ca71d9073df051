--- begin_restoring: a shard's owner marks it as half written, before it drops and restores it.
-- Purpose: compare-and-set on what was inspected, never over a newer epoch. From here to the end of
--   the restoring every step is refused, and whoever finds the mark later begins again.
-- Keys: meta
-- Arguments: epoch, inspected epoch, inspected step, inspected verified server, inspected server,
--   name of the owner's producer
-- Outcomes: none
-- Needs: guard
-- Flags: allow-oom
-- Replies 1 if the shard may be restored (also by an earlier try of the same call), else 0. The
-- calls of the rebuild are numbered from 1.

local epoch, inspected_epoch, inspected_step = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local verified_server, server, producer = ARGV[4], ARGV[5], ARGV[6]
local found = redis.call('HMGET', KEYS[1], 'epoch', 'step', 'server', 'writing', 'deployment')
local current = tonumber(found[1] or '0')

if guard.is_foreign(found[5]) or guard.server() ~= server then
  return 0
end
if current == tonumber(epoch) then
  return found[3] == server and found[4] == '1' and 1 or 0
end
local is_as_inspected = current == inspected_epoch
  and (found[2] or '0') == inspected_step
  and (found[3] or '') == verified_server
if not is_as_inspected or current > tonumber(epoch) then
  return 0
end
redis.call(
  'HSET', KEYS[1],
  'epoch', epoch, 'step', inspected_step, 'published', '0', 'server', server, 'writing', '1',
  'deployment', guard.DEPLOYMENT, 'call', '0', 'producer', producer
)
return 1
