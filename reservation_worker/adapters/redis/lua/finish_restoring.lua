--- finish_restoring: a shard is as it was published; steps may go on.
-- Purpose: says how far the shard is published, and takes the mark away, in one write.
-- Keys: meta
-- Arguments: epoch, number, step
-- Outcomes: foreign, epoch, server, turn
-- Needs: wire, guard
-- Flags: allow-oom
-- Replies { 0, reason, epoch } or { 1 }.

local reply = guard.turn(KEYS[1], ARGV[1], ARGV[2])
if reply then
  return reply
end
redis.call(
  'HSET', KEYS[1], 'step', ARGV[3], 'published', ARGV[3], 'writing', '0',
  'layout', wire.LAYOUT, 'demanded', '', 'adopts', '0', 'call', ARGV[2]
)
return { 1 }
