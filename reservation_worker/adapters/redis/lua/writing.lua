--- writing: the third phase of a step: each touched key once.
-- Purpose: state, indexes and outbox entry, between the marks that tell a torn step.
-- Keys: meta, reservation, stock, acknowledged, due, settle, over, awaiting, outbox
-- Arguments: applied_at_ms
-- Outcomes: none
-- Needs: wire, chunks, stocks, indexes

local writing = {}

local EXPIRES_AT, VERSION = wire.reservation.EXPIRES_AT, wire.stock.VERSION
local KEY, ACCOUNT, NAME = wire.stock.KEY, wire.stock.ACCOUNT, wire.stock.NAME
local OCCURRED_AT, CAUSE = wire.stock.OCCURRED_AT, wire.stock.CAUSE
local CHANGE, ENTRIES_ADDED = wire.stock.CHANGE, wire.stock.ENTRIES_ADDED
local ENTRIES_REMOVED = wire.stock.ENTRIES_REMOVED
local ENTRIES_TAKEN = wire.stock.ENTRIES_TAKEN

-- Head of an array of seven: layout; heads and pieces of changes; heads and pieces of stocks;
-- removals, or false; how many stocks became short.
local ENTRY_HEAD = '\151' .. cmsgpack.pack(wire.OUTBOX_FORMAT)

-- The stocks that differ, one version later, packed; and what is published of them.
local function pack_stocks(step)
  local written, heads, pieces, count = {}, {}, {}, 0
  for position = 1, step.changed_stock_count do
    local stock = step.changed_stocks[position]
    if stocks.is_changed_by_step(stock) then
      local head_at, piece_at = 4 * count, 2 * count
      count = count + 1
      stock[VERSION] = stock[VERSION] + 1
      heads[head_at + 1], heads[head_at + 2] = stock[ACCOUNT], stock[NAME]
      heads[head_at + 3], heads[head_at + 4] = stock[OCCURRED_AT], stock[CHANGE]
      pieces[piece_at + 1], pieces[piece_at + 2] = stock[CAUSE], stocks.packed(stock)
      written[count] = stock
    end
  end
  return { count = count, stocks = written, heads = heads, pieces = pieces }
end

local function outbox_entry(step, written)
  return ENTRY_HEAD
    .. cmsgpack.pack(step.heads)
    .. wire.array_head(2 * step.change_count)
    .. table.concat(step.pieces)
    .. cmsgpack.pack(written.heads)
    .. wire.array_head(2 * written.count)
    .. table.concat(written.pieces)
    .. cmsgpack.pack(#step.removals > 0 and step.removals, step.shortfalls)
end

local function write_values(step, written)
  local keys_and_values, count = {}, 0
  for position = 1, step.changed_record_count do
    local record = step.changed_records[position]
    keys_and_values[count + 1], keys_and_values[count + 2] = record.key_in_redis, record.packed
    count = count + 2
  end
  for position = 1, written.count do
    keys_and_values[count + 1] = written.stocks[position][KEY]
    keys_and_values[count + 2] = written.pieces[2 * position]
    count = count + 2
  end
  chunks.call('MSET', keys_and_values)
  local removed = {}
  for position = 1, #step.removed_records do
    removed[position] = step.removed_records[position].key_in_redis
  end
  chunks.call('UNLINK', removed)
end

local function write_due_index(step)
  local added, removed = {}, {}
  for position = 1, step.changed_record_count do
    local record = step.changed_records[position]
    local expires_at = record.value[EXPIRES_AT]
    if expires_at and expires_at ~= record.expires_at_before then
      added[#added + 1] = expires_at
      added[#added + 1] = record.key
    elseif not expires_at and record.expires_at_before then
      removed[#removed + 1] = record.key
    end
  end
  indexes.write(step.prefix .. 'due', added, removed)
end

-- What is over, and what waits for its order, by when a step last changed it.
local function write_retention_indexes(step)
  local added, removed = { over = {}, awaiting = {} }, { over = {}, awaiting = {} }
  for position = 1, step.changed_record_count do
    local record = step.changed_records[position]
    local before, after = wire.index_of[record.status_before], wire.index_of[record.status]
    if after then
      local of_index = added[after]
      of_index[#of_index + 1] = step.applied_at
      of_index[#of_index + 1] = record.key
    end
    if before and before ~= after then
      removed[before][#removed[before] + 1] = record.key
    end
  end
  for position = 1, #step.removed_records do
    local key = step.removed_records[position].key
    local of_index = removed[wire.index_of[step.removals[4 * position - 2]]]
    of_index[#of_index + 1] = key
  end
  indexes.write(step.prefix .. 'over', added.over, removed.over)
  indexes.write(step.prefix .. 'awaiting', added.awaiting, removed.awaiting)
end

local function write_entries(step, written)
  for position = 1, written.count do
    local stock = written.stocks[position]
    local added, taken = stock[ENTRIES_ADDED], stock[ENTRIES_TAKEN]
    if added or taken > 0 then
      local key = step.prefix .. 'a:' .. stock[ACCOUNT] .. '/' .. stock[NAME]
      indexes.write(key, added or {}, stock[ENTRIES_REMOVED] or {})
      if taken > 0 then
        redis.call('ZREMRANGEBYRANK', key, 0, taken - 1)
      end
    end
  end
end

-- Gives the number of the step: the one before, if nothing changed.
function writing.write(step)
  local written = pack_stocks(step)
  if step.change_count == 0 and written.count == 0 and #step.removals == 0 then
    indexes.write_scores(step.prefix .. 'settle', step.settlements)
    return step.number_before
  end
  local number = step.number_before + 1
  redis.call('HSET', step.meta_key, 'writing', '1')
  write_values(step, written)
  write_due_index(step)
  write_retention_indexes(step)
  write_entries(step, written)
  indexes.write_scores(step.prefix .. 'settle', step.settlements)
  redis.call(
    'SET', step.prefix .. 'o:' .. wire.integer(number), outbox_entry(step, written)
  )
  redis.call('HSET', step.meta_key, 'step', wire.integer(number), 'writing', '0')
  return number
end

return writing
