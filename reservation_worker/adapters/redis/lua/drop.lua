--- drop: removes keys of a shard that is being restored.
-- Purpose: nothing of the old state may be left when the new one is written.
-- Keys: meta, given
-- Arguments: epoch, number, keys
-- Outcomes: foreign, epoch, server, turn
-- Needs: chunks, guard
-- Flags: allow-oom
-- Replies { 0, reason, epoch } or { 1 }. `meta` itself stays.

local reply = guard.turn(KEYS[1], ARGV[1], ARGV[2])
if reply then
  return reply
end

local prefix, dropped = guard.prefix(KEYS[1]), {}
for position = 3, #ARGV do
  local key = ARGV[position]
  assert(string.sub(key, 1, #prefix) == prefix, 'a key of another shard')
  if key ~= KEYS[1] then
    dropped[#dropped + 1] = key
  end
end
chunks.call('UNLINK', dropped)
guard.end_turn(KEYS[1], ARGV[2])
return { 1 }
