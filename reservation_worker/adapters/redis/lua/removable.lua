--- removable: reservations that have been kept long enough, and the versions they were kept for.
-- Purpose: what the shard's owner may remove now, oldest first, of both indexes.
-- Keys: meta, reservation, over, awaiting
-- Arguments: epoch, over_up_to_ms, awaiting_up_to_ms, facts_max
-- Outcomes: foreign, epoch, server, torn, incomplete
-- Needs: wire, chunks, guard
-- Flags: no-writes
-- Replies { 0, reason, epoch } or { 1, { reservation, kept since, version; ... }, the same of those
-- whose order never came }.

local meta, refusal = guard.admit(KEYS[1], ARGV[1])
if not meta then
  return { 0, refusal[1], refusal[2] }
end

local prefix = guard.prefix(KEYS[1])

local function found(index, up_to)
  local members = redis.call(
    'ZRANGEBYSCORE', prefix .. index, '-inf', up_to, 'WITHSCORES', 'LIMIT', 0, ARGV[4]
  )
  local keys, reply = {}, {}
  for position = 1, #members, 2 do
    keys[#keys + 1] = prefix .. 'r:' .. members[position]
  end
  local packed = chunks.read(keys)
  for number = 1, #keys do
    if not packed[number] then
      return nil -- a member of an index without its value
    end
    local offset = string.byte(packed[number]) < 160 and 1 or 3 -- behind the head of the array
    reply[3 * number - 2], reply[3 * number - 1] = members[2 * number - 1], members[2 * number]
    reply[3 * number] = wire.values(packed[number], 1, offset)[wire.reservation.VERSION]
  end
  return reply
end

local over, awaiting = found('over', ARGV[2]), found('awaiting', ARGV[3])
if not (over and awaiting) then
  return { 0, 'incomplete', meta.epoch }
end
return { 1, over, awaiting }
