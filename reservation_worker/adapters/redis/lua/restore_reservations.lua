--- restore_reservations: reservations as they were published last, and their indexes.
-- Purpose: the second half of restoring a shard, after all of its stocks. A later version of a
--   reservation replaces an earlier one and what that one had in the indexes.
-- Keys: meta, reservation, stock, acknowledged, due, settle, over, awaiting
-- Arguments: epoch, number, then for each reservation: account/order, packed (empty: it was
--   removed), timestamp of the record
-- Outcomes: foreign, epoch, server, turn
-- Needs: wire, chunks, guard, stocks, drafts, indexes
-- Replies { 0, reason, epoch } or { 1 }.

local reply = guard.turn(KEYS[1], ARGV[1], ARGV[2])
if reply then
  return reply
end

local ACKNOWLEDGED, EXPIRES_AT = wire.reservation.ACKNOWLEDGED, wire.reservation.EXPIRES_AT
local FIRST, WIDTH, STOCK = wire.line.FIRST, wire.line.WIDTH, wire.line.STOCK
local COUNTED_AT = wire.stock.COUNTED_AT

local prefix = guard.prefix(KEYS[1])
local due, settlements, entries = {}, {}, {} -- each: member -> score or false; entries by stock
local kept = { over = {}, awaiting = {} } -- likewise
local read_stocks = {}

local function stock_of(name)
  local read = read_stocks[name]
  if not read then
    local stock = stocks.read(redis.call('GET', prefix .. 's:' .. name), false, false, false)
    read = { stock = stock, counts = stocks.counts(stock) }
    read_stocks[name] = read
  end
  return read
end

-- What the acknowledged units of a line leave in the indexes: an entry until a balance has taken it
-- out of the bucket, then a settlement until the reservation has heard of it.
local function index_units(key, reservation, at, units, is_there)
  local account, order = string.match(key, '^([^/]*)/(.*)$')
  local name = account .. '/' .. reservation[at + STOCK]
  local read = stock_of(name)
  local member = drafts.member(order, (at - FIRST) / WIDTH, units.count)
  if stocks.has_released(read.stock, read.counts, units.compared_at, member) then
    settlements[name .. '/' .. order] = is_there and read.stock[COUNTED_AT]
    return
  end
  local of_stock = entries[name] or {}
  entries[name] = of_stock
  of_stock[member .. '/' .. wire.integer(units.compared_at)] = is_there and units.compared_at
end

local function index_kept(key, reservation, timestamp)
  local of_index = wire.index_of[drafts.status(reservation)]
  if of_index then
    kept[of_index][key] = timestamp
  end
end

-- `timestamp`: of the record that the reservation is restored from; false: it goes.
local function index(key, packed, timestamp)
  local is_there = timestamp and true
  local offset = string.byte(packed) < 160 and 1 or 3 -- behind the head of the array
  local start = wire.values(packed, ACKNOWLEDGED, offset)
  if start[EXPIRES_AT] then
    due[key] = is_there and start[EXPIRES_AT]
  end
  local list = start[ACKNOWLEDGED]
  if start[EXPIRES_AT] and not list then
    return
  end
  local reservation = wire.array(packed)
  index_kept(key, reservation, timestamp)
  if not list then
    return
  end
  for position = 1, #list, 3 do
    local units = { compared_at = list[position + 1], count = list[position + 2] }
    index_units(key, reservation, FIRST + list[position] * WIDTH, units, is_there)
  end
end

local keys, keys_and_values, removed = {}, {}, {}
for position = 3, #ARGV, 3 do
  keys[#keys + 1] = prefix .. 'r:' .. ARGV[position]
end
local earlier = chunks.read(keys)
for number = 1, #keys do
  local key, packed, timestamp = ARGV[3 * number], ARGV[3 * number + 1], ARGV[3 * number + 2]
  if earlier[number] then
    index(key, earlier[number], false)
  end
  if packed == '' then
    removed[#removed + 1] = keys[number]
  else
    index(key, packed, timestamp)
    keys_and_values[#keys_and_values + 1] = keys[number]
    keys_and_values[#keys_and_values + 1] = packed
  end
end

chunks.call('MSET', keys_and_values)
chunks.call('UNLINK', removed)
indexes.write_scores(prefix .. 'due', due)
indexes.write_scores(prefix .. 'settle', settlements)
indexes.write_scores(prefix .. 'over', kept.over)
indexes.write_scores(prefix .. 'awaiting', kept.awaiting)
for name, of_stock in pairs(entries) do
  indexes.write_scores(prefix .. 'a:' .. name, of_stock)
end
guard.end_turn(KEYS[1], ARGV[2])
return { 1 }
