--- finish_restoring: a shard is as it was published; steps may go on.
-- Purpose: says how far the shard is published, and takes the mark away, in one write.
-- Keys: meta
-- Arguments: epoch, step
-- Outcomes: epoch, server
-- Needs: wire, guard
-- Flags: allow-oom
-- Replies { 0, reason, epoch } or { 1 }.

local refusal = guard.refuse_restoring(KEYS[1], ARGV[1])
if refusal then
  return { 0, refusal[1], refusal[2] }
end
redis.call(
  'HSET', KEYS[1], 'step', ARGV[2], 'published', ARGV[2], 'writing', '0',
  'layout', wire.LAYOUT, 'demanded', ''
)
return { 1 }
