--- restore_stocks: stocks as they were published last, and the settlements that go on.
-- Purpose: the first half of restoring a shard: the reservations behind it ask the stocks.
-- Keys: meta, stock, settle
-- Arguments: epoch, number, then for each stock: account/warehouse/sku, packed
-- Outcomes: foreign, epoch, server, turn
-- Needs: wire, chunks, guard, stocks, indexes
-- Replies { 0, reason, epoch } or { 1 }.

local reply = guard.turn(KEYS[1], ARGV[1], ARGV[2])
if reply then
  return reply
end

local prefix = guard.prefix(KEYS[1])
local keys_and_values, settlements = {}, {}
for position = 3, #ARGV, 2 do
  local name, packed = ARGV[position], ARGV[position + 1]
  local stock = stocks.read(packed, false, false, false)
  local goes_on = stocks.counts(stock)[wire.counts.SETTLED_THROUGH_AT]
  -- An older version of the stock may have been restored before.
  settlements[name] = goes_on and stock[wire.stock.COUNTED_AT]
  keys_and_values[#keys_and_values + 1] = prefix .. 's:' .. name
  keys_and_values[#keys_and_values + 1] = packed
end
chunks.call('MSET', keys_and_values)
indexes.write_scores(prefix .. 'settle', settlements)
guard.end_turn(KEYS[1], ARGV[2])
return { 1 }
