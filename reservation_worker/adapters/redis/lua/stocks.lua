--- stocks: the buckets of the stocks that a step has read, and what a fact moves in them.
-- Purpose: moves of units between buckets, in memory only, that can be taken back.
-- Keys: none
-- Arguments: none
-- Outcomes: none
-- Needs: wire

local stocks = {}

local ON_HAND, AUTHORIZED = wire.stock.ON_HAND, wire.stock.AUTHORIZED
local CONFIRMED, ACKNOWLEDGED = wire.stock.CONFIRMED, wire.stock.ACKNOWLEDGED
local LIMIT, UNLIMITED, COUNTS = wire.stock.LIMIT, wire.stock.UNLIMITED, wire.stock.COUNTS
local COUNTED_AT, NAME = wire.stock.COUNTED_AT, wire.stock.NAME
local TOUCHED_BY, FIRST, BEFORE = wire.stock.TOUCHED_BY, wire.stock.FIRST, wire.stock.BEFORE
local STOCK_HEAD, STOCK_VALUES = wire.STOCK_HEAD, wire.STOCK_VALUES
local VALUES_OFFSET = wire.STOCK_VALUES_OFFSET
local pack, unpack_limit = cmsgpack.pack, cmsgpack.unpack_limit
local THROUGH_AT = wire.counts.SETTLED_THROUGH_AT
local THROUGH_MEMBER = wire.counts.SETTLED_THROUGH_MEMBER

-- Everything that a step will know of a stock, in one table that never grows.
-- `packed`: the value of its key, or false where there is none.
function stocks.read(packed, key, account, name)
  if not packed then
    return {
      0, 0, 0, 0, 0, 0, false, false, wire.NO_COUNTS, key, account, name,
      0, 0, 0, 0, 0, 0, 0, false, false, false, false, false, false, 0, false,
    }
  end
  local offset, version, on_hand, authorized, confirmed, acknowledged, limit, unlimited,
    counted_at = unpack_limit(packed, STOCK_VALUES, VALUES_OFFSET)
  return {
    version, on_hand, authorized, confirmed, acknowledged, limit, unlimited, counted_at,
    string.sub(packed, offset + 1), key, account, name,
    authorized, confirmed, acknowledged, 0, 0, 0, 0,
    false, false, false, false, false, false, 0, false,
  }
end

local values = { 0, 0, 0, 0, 0, 0, 0, 0 }

function stocks.packed(stock)
  values[1], values[2], values[3], values[4] = stock[1], stock[2], stock[3], stock[4]
  values[5], values[6], values[7], values[8] = stock[5], stock[6], stock[7], stock[8]
  return STOCK_HEAD .. pack(values) .. stock[COUNTS]
end

function stocks.counts(stock)
  return cmsgpack.unpack(stock[COUNTS])
end

function stocks.set_counts(stock, counts)
  stock[COUNTS] = cmsgpack.pack(counts)
end

-- Gives the stock to write to; remembers what it was before this fact.
local function touched(draft, name)
  local stock = draft.stocks[name]
  if stock[TOUCHED_BY] ~= draft.number then
    stock[TOUCHED_BY] = draft.number
    stock[BEFORE] = stock[AUTHORIZED]
    stock[BEFORE + 1] = stock[CONFIRMED]
    stock[BEFORE + 2] = stock[ACKNOWLEDGED]
    local count = draft.touched_count + 1
    draft.touched_count = count
    draft.touched[count] = stock
  end
  return stock
end

function stocks.move_held(draft, name, units)
  local stock = touched(draft, name)
  local bucket = draft.is_paid and CONFIRMED or AUTHORIZED
  stock[bucket] = stock[bucket] + units
end

function stocks.confirm_held(draft, name, units)
  local stock = touched(draft, name)
  stock[AUTHORIZED] = stock[AUTHORIZED] - units
  stock[CONFIRMED] = stock[CONFIRMED] + units
end

-- Adds to the acknowledged bucket; the entry replaces the one of fewer units, if there was one.
function stocks.acknowledge(draft, name, units, entry_before, entry_after, compared_at)
  local stock = touched(draft, name)
  local changes = draft.entry_changes or {}
  draft.entry_changes = changes
  local count = #changes
  stock[ACKNOWLEDGED] = stock[ACKNOWLEDGED] + units
  changes[count + 1], changes[count + 2], changes[count + 3] = stock, entry_after, compared_at
  if entry_before then
    changes[count + 4], changes[count + 5], changes[count + 6] = stock, entry_before, false
  end
end

-- Whether the count no longer has units that had left by then.
function stocks.covers(stock, compared_at)
  return stock[COUNTED_AT] and compared_at <= stock[COUNTED_AT]
end

-- Whether fewer were counted than are held, backorders aside: somebody will go without.
function stocks.is_short(stock)
  local available = stock[ON_HAND] - stock[AUTHORIZED] - stock[CONFIRMED] - stock[ACKNOWLEDGED]
  return not stock[UNLIMITED] and available < math.min(0, stock[LIMIT])
end

-- Whether a balance has already taken an acknowledged entry out of the bucket.
function stocks.has_released(stock, counts, compared_at, member)
  if not stocks.covers(stock, compared_at) then
    return false
  end
  local through_at = counts[THROUGH_AT]
  if not through_at or compared_at < through_at then
    return true
  end
  return compared_at == through_at and wire.at_most(member, counts[THROUGH_MEMBER])
end

-- The buckets of every stock that this fact has touched so far, to go back to.
function stocks.saved(draft)
  local saved = { entry_changes = #(draft.entry_changes or {}) }
  for position = 1, draft.touched_count do
    local stock = draft.touched[position]
    saved[stock] = { stock[AUTHORIZED], stock[CONFIRMED], stock[ACKNOWLEDGED] }
  end
  return saved
end

function stocks.restore(draft, saved)
  for position = draft.touched_count, 1, -1 do
    local stock = draft.touched[position]
    local buckets = saved[stock]
    if buckets then
      stock[AUTHORIZED], stock[CONFIRMED], stock[ACKNOWLEDGED] = unpack(buckets)
    else
      stock[AUTHORIZED], stock[CONFIRMED] = stock[BEFORE], stock[BEFORE + 1]
      stock[ACKNOWLEDGED] = stock[BEFORE + 2]
      stock[TOUCHED_BY] = 0
      draft.touched_count = position - 1
    end
  end
  for position = #(draft.entry_changes or {}), saved.entry_changes + 1, -1 do
    draft.entry_changes[position] = nil
  end
end

-- Takes back everything that this fact did.
function stocks.restore_all(draft)
  stocks.restore(draft, { entry_changes = 0 })
end

-- The stocks that cannot give what was taken since `saved` (nil: by this fact), or nil.
-- Demand is summed per stock before it is checked.
function stocks.shortages(draft, saved)
  local shortages
  for position = 1, draft.touched_count do
    local stock = draft.touched[position]
    local buckets = saved and saved[stock]
    local held_before
    if buckets then
      held_before = buckets[1] + buckets[2] + buckets[3]
    else
      held_before = stock[BEFORE] + stock[BEFORE + 1] + stock[BEFORE + 2]
    end
    local demand = stock[AUTHORIZED] + stock[CONFIRMED] + stock[ACKNOWLEDGED] - held_before
    if demand > 0 and not stock[UNLIMITED] then
      local sellable = stock[ON_HAND] - held_before - stock[LIMIT]
      if sellable < demand then
        shortages = shortages or {}
        shortages[#shortages + 1] = {
          stock[NAME], demand, math.max(0, sellable), not stock[COUNTED_AT],
        }
      end
    end
  end
  return shortages
end

function stocks.is_changed_by_step(stock)
  return stock[wire.stock.IS_RECOUNTED]
    or stock[AUTHORIZED] ~= stock[FIRST]
    or stock[CONFIRMED] ~= stock[FIRST + 1]
    or stock[ACKNOWLEDGED] ~= stock[FIRST + 2]
end

return stocks
