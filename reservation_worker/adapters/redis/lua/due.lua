--- due: the deadlines that have passed, and the settlements that wait.
-- Purpose: the facts that the shard's owner must state now, oldest first.
-- Keys: meta, due, settle
-- Arguments: epoch, expired_up_to_ms, facts_max
-- Outcomes: epoch, server, torn
-- Needs: guard
-- Flags: no-writes
-- Replies { 0, reason, epoch } or { 1, { reservation, expires_at, ... }, { stock[/order], ... } }.

local meta, refusal = guard.admit(KEYS[1], ARGV[1])
if not meta then
  return { 0, refusal[1], refusal[2] }
end

local prefix = guard.prefix(KEYS[1])
local deadlines = redis.call(
  'ZRANGEBYSCORE', prefix .. 'due', '-inf', ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[3]
)
local settlements = redis.call('ZRANGE', prefix .. 'settle', 0, tonumber(ARGV[3]) - 1)
return { 1, deadlines, settlements }
