--- drop: removes keys of a shard that is being restored.
-- Purpose: nothing of the old state may be left when the new one is written.
-- Keys: meta, given
-- Arguments: epoch, keys
-- Outcomes: epoch, server
-- Needs: chunks, guard
-- Flags: allow-oom
-- Replies { 0, reason, epoch } or { 1 }. `meta` itself stays.

local refusal = guard.refuse_restoring(KEYS[1], ARGV[1])
if refusal then
  return { 0, refusal[1], refusal[2] }
end

local prefix, dropped = guard.prefix(KEYS[1]), {}
for position = 2, #ARGV do
  local key = ARGV[position]
  assert(string.sub(key, 1, #prefix) == prefix, 'a key of another shard')
  if key ~= KEYS[1] then
    dropped[#dropped + 1] = key
  end
end
chunks.call('UNLINK', dropped)
return { 1 }
