--- look_at_stocks: some stocks, and whether settlements of them wait, as of one moment.
-- Purpose: what is held against the topics, and values against indexes, without writing anything.
-- Keys: meta, stock, settle
-- Arguments: account/warehouse/sku...
-- Outcomes: none
-- Needs: chunks, guard
-- Flags: no-writes
-- Replies { { epoch, step, torn }, { packed... }, { score of settlement... } }.

local foreign = guard.refuse_foreign(KEYS[1])
if foreign then
  return foreign
end

local prefix, keys, scores = guard.prefix(KEYS[1]), {}, {}
for position = 1, #ARGV do
  keys[position] = prefix .. 's:' .. ARGV[position]
  scores[position] = redis.call('ZSCORE', prefix .. 'settle', ARGV[position])
end
return { guard.moment(KEYS[1]), chunks.read(keys), scores }
