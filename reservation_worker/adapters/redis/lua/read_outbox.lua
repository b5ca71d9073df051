--- read_outbox: the next entries of a shard's outbox, in order, without gaps.
-- Purpose: what the shard's owner must publish next.
-- Keys: meta, outbox
-- Arguments: epoch, after_step, entries_max, bytes_max
-- Outcomes: foreign, epoch, server, torn
-- Needs: guard
-- Flags: no-writes
-- Replies { 0, reason, epoch } or { 1, step, entries... }: entries of the steps after_step + 1, ...

local meta, refusal = guard.admit(KEYS[1], ARGV[1])
if not meta then
  return { 0, refusal[1], refusal[2] }
end

local prefix, after_step = guard.prefix(KEYS[1]), tonumber(ARGV[2])
local last_step = math.min(meta.step, after_step + tonumber(ARGV[3]))
local reply, bytes_left = { 1, meta.step }, tonumber(ARGV[4])
for step = after_step + 1, last_step do
  local entry = redis.call('GET', prefix .. 'o:' .. string.format('%.0f', step))
  bytes_left = bytes_left - #(entry or '')
  if not entry or (bytes_left < 0 and #reply > 2) then
    break
  end
  reply[#reply + 1] = entry
end
return reply
