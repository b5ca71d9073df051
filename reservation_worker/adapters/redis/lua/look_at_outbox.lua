--- look_at_outbox: which entries of a shard's outbox are missing, and which are too many.
-- Purpose: every step that is not published must have its entry, and no other step.
-- Keys: meta, outbox
-- Arguments: steps_max, steps that were found to have an entry...
-- Outcomes: none
-- Needs: wire, guard
-- Flags: no-writes
-- Replies { { epoch, step, torn }, published, { missing... }, { too many... } }; it looks at no
--   more than steps_max steps behind the published one.

local foreign = guard.refuse_foreign(KEYS[1])
if foreign then
  return foreign
end

local NAMED_MAX = 20

local prefix, moment = guard.prefix(KEYS[1]), guard.moment(KEYS[1])
local step = moment[2]
local published = tonumber(redis.call('HGET', KEYS[1], 'published') or '0')

local function has_entry(number)
  return redis.call('EXISTS', prefix .. 'o:' .. wire.integer(number)) == 1
end

local missing, strays = {}, {}
for number = published + 1, math.min(step, published + tonumber(ARGV[1])) do
  if #missing < NAMED_MAX and not has_entry(number) then
    missing[#missing + 1] = number
  end
end
for position = 2, #ARGV do
  local number = tonumber(ARGV[position])
  if (number <= published or number > step) and has_entry(number) then
    strays[#strays + 1] = number
  end
end
return { moment, published, missing, strays }
