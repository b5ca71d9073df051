--- due: the deadlines that have passed, and the settlements that wait.
-- Purpose: the facts that the shard's owner must state now, oldest first.
-- Keys: meta, reservation, stock, due, settle
-- Arguments: epoch, expired_up_to_ms, facts_max
-- Outcomes: foreign, epoch, server, torn, incomplete
-- Needs: chunks, guard
-- Flags: no-writes
-- Replies { 0, reason, epoch } or { 1, { reservation, expires_at, ... }, { stock[/order], ... } }.
-- A member of an index without its value is a shard that lost something: it must be rebuilt.

local meta, refusal = guard.admit(KEYS[1], ARGV[1])
if not meta then
  return { 0, refusal[1], refusal[2] }
end

local prefix = guard.prefix(KEYS[1])
local deadlines = redis.call(
  'ZRANGEBYSCORE', prefix .. 'due', '-inf', ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[3]
)
local settlements = redis.call('ZRANGE', prefix .. 'settle', 0, tonumber(ARGV[3]) - 1)

local named = {}
for position = 1, #deadlines, 2 do
  named[#named + 1] = prefix .. 'r:' .. deadlines[position]
end
for position = 1, #settlements do
  -- account/warehouse/sku, and behind it the order, where it is a reservation that is settled.
  local account, stock, order = string.match(settlements[position], '^([^/]*)(/[^/]*/[^/]*)(.*)$')
  named[#named + 1] = prefix .. 's:' .. account .. stock
  if order ~= '' then
    named[#named + 1] = prefix .. 'r:' .. account .. order
  end
end
if chunks.count(named) < #named then
  return { 0, 'incomplete', meta.epoch }
end
return { 1, deadlines, settlements }
