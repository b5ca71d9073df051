--- mark_published: the outbox is published up to a step; its entries up to there are removed.
-- Purpose: the end of a publishing transaction. Works on a full server: it is what frees it.
-- Keys: meta, outbox
-- Arguments: epoch, step
-- Outcomes: foreign, epoch, server, torn
-- Needs: wire, chunks, guard
-- Flags: allow-oom
-- Replies { 0, reason, epoch } or { 1, step, published }; a step beyond the last changes nothing.

local meta, refusal = guard.admit(KEYS[1], ARGV[1])
if not meta then
  return { 0, refusal[1], refusal[2] }
end

local prefix, published = guard.prefix(KEYS[1]), tonumber(ARGV[2])
if published > meta.step or published <= meta.published then
  return { 1, meta.step, meta.published }
end
-- Trimmed first: cut off here (a slot that moves), it is marked, and trimmed, once more.
local trimmed = {}
for step = meta.published + 1, published do
  trimmed[#trimmed + 1] = prefix .. 'o:' .. wire.integer(step)
end
chunks.call('UNLINK', trimmed)
redis.call('HSET', KEYS[1], 'published', wire.integer(published))
return { 1, meta.step, published }
