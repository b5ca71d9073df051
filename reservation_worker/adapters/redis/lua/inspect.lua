--- inspect: what a shard's meta says, and which server says it.
-- Purpose: one atomic read, for whoever must decide whether the shard can be trusted.
-- Keys: meta
-- Arguments: none
-- Outcomes: none
-- Needs: wire, guard
-- Flags: no-writes
-- Replies { epoch, step, published, torn, verified server, this server, reason of a demand,
-- whether it is to be adopted, another deployment, name of the producer of its last owner }. One
-- that another release has laid out in another way counts as torn. Of another deployment's shard
-- nothing is told but whose it is.

local found = redis.call(
  'HMGET', KEYS[1],
  'epoch', 'step', 'published', 'writing', 'server', 'layout', 'demanded', 'adopts', 'deployment',
  'producer'
)
if guard.is_foreign(found[9]) then
  return { 0, 0, 0, 0, '', guard.server(), '', 0, found[9], '' }
end
local is_readable = not found[1] or found[6] == wire.LAYOUT

return {
  tonumber(found[1] or '0'),
  tonumber(found[2] or '0'),
  tonumber(found[3] or '0'),
  (found[4] == '1' or not is_readable) and 1 or 0,
  found[5] or '',
  guard.server(),
  found[7] or '',
  found[8] == '1' and 1 or 0,
  '',
  found[10] or '',
}
