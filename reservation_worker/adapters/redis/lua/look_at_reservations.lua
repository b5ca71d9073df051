--- look_at_reservations: some reservations, and what the indexes have of them, as of one moment.
-- Purpose: what is held against the topics, and values against indexes, without writing anything.
-- Keys: meta, reservation, stock, acknowledged, settle, given
-- Arguments: number of indexes, indexes..., number of reservations, account/order..., then entries:
--   index, member; ... Indexes are named below the shard's prefix.
-- Outcomes: none
-- Needs: wire, chunks, guard, drafts
-- Flags: no-writes
-- Replies { { epoch, step, torn }, { packed, score in each index, acknowledged... }..., { score of
--   each entry } }; of acknowledged units each: stock's packed, score of entry, of settlement.

local foreign = guard.refuse_foreign(KEYS[1])
if foreign then
  return foreign
end

local ACKNOWLEDGED = wire.reservation.ACKNOWLEDGED
local FIRST, WIDTH, STOCK = wire.line.FIRST, wire.line.WIDTH, wire.line.STOCK

local prefix = guard.prefix(KEYS[1])
local indexes_total = tonumber(ARGV[1])
local reservations_total = tonumber(ARGV[2 + indexes_total])
local first = 3 + indexes_total
local last = first + reservations_total - 1

-- The stock and the member that each of the acknowledged units must have in the indexes.
local function entries_of(key, packed)
  local reservation, entries = wire.array(packed), {}
  local account, order = string.match(key, '^([^/]*)/(.*)$')
  local list = reservation[ACKNOWLEDGED] or {}
  for position = 1, #list, 3 do
    local index, compared_at, units = list[position], list[position + 1], list[position + 2]
    local name = account .. '/' .. reservation[FIRST + index * WIDTH + STOCK]
    local member = drafts.member(order, index, units) .. '/' .. wire.integer(compared_at)
    entries[#entries + 1] = { name = name, member = member, settlement = name .. '/' .. order }
  end
  return entries
end

local keys = {}
for position = first, last do
  keys[#keys + 1] = prefix .. 'r:' .. ARGV[position]
end
local values = chunks.read(keys)

local looked = {}
for number = 1, #keys do
  looked[number] = { values[number] }
end
for position = 2, 1 + indexes_total do
  for number = 1, #keys do
    local score = redis.call('ZSCORE', prefix .. ARGV[position], ARGV[first + number - 1])
    looked[number][position] = score
  end
end
for number = 1, #keys do
  -- What cannot be read differs from what is published, and is told there.
  local is_read, entries = false, {}
  if values[number] then
    is_read, entries = pcall(entries_of, ARGV[first + number - 1], values[number])
  end
  for position = 1, is_read and #entries or 0 do
    local entry, found = entries[position], looked[number]
    found[#found + 1] = redis.call('MGET', prefix .. 's:' .. entry.name)[1]
    found[#found + 1] = redis.call('ZSCORE', prefix .. 'a:' .. entry.name, entry.member)
    found[#found + 1] = redis.call('ZSCORE', prefix .. 'settle', entry.settlement)
  end
end

local scores = {}
for position = last + 1, #ARGV, 2 do
  scores[#scores + 1] = redis.call('ZSCORE', prefix .. ARGV[position], ARGV[position + 1])
end
return { guard.moment(KEYS[1]), looked, scores }
