--- settlement_due: acknowledged units that a balance covers leave the bucket and become settled.
-- Purpose: the stock's entries oldest first, up to a bound per step; each reservation on its own.
-- Keys: none
-- Arguments: fact, settled_entries_max
-- Outcomes: changed, repeat, out_of_bounds
-- Needs: wire, stocks, drafts, changes

local settlement_due = {}

local at, counts_at = wire.stock, wire.counts

-- While a settlement goes on, nobody knows.
function settlement_due.is_short(stock, counts)
  return not counts[counts_at.SETTLED_THROUGH_AT] and stocks.is_short(stock)
end

function settlement_due.note_shortfall(step, stock, counts, was_short)
  if not was_short and settlement_due.is_short(stock, counts) then
    step.shortfalls = step.shortfalls + 1
  end
end

-- The step has read the oldest covered entries, at most one more than may be settled: that one
-- only tells that there is more to do.
function settlement_due.settle_further(step, stock, counts)
  local covered, key = stock[at.COVERED] or {}, stock[at.ACCOUNT] .. '/' .. stock[at.NAME]
  local count = math.min(#covered, step.settled_entries_max)
  local units_taken, last_at, last_member = 0, false, false
  for position = 1, count do
    local member, order, units, compared_at =
      string.match(covered[position], '^(([^/]*)/%d+/(%d+))/(%d+)$')
    units_taken = units_taken + tonumber(units)
    last_at, last_member = tonumber(compared_at), member
    step.settlements[key .. '/' .. order] = stock[at.COUNTED_AT]
  end
  local more = #covered > count
  stock[at.ACKNOWLEDGED] = stock[at.ACKNOWLEDGED] - units_taken
  counts[counts_at.SETTLED_THROUGH_AT] = more and last_at
  counts[counts_at.SETTLED_THROUGH_MEMBER] = more and last_member
  stock[at.ENTRIES_TAKEN] = count
  if more then
    step.settlements[key] = stock[at.COUNTED_AT]
  end
end

function settlement_due.of_stock(step, stock)
  local counts = stocks.counts(stock)
  step.settlements[stock[at.ACCOUNT] .. '/' .. stock[at.NAME]] = false
  if not counts[counts_at.SETTLED_THROUGH_AT] then
    return wire.outcome.REPEAT
  end
  settlement_due.settle_further(step, stock, counts)
  settlement_due.note_shortfall(step, stock, counts, false)
  stocks.set_counts(stock, counts)
  stock[at.IS_RECOUNTED] = true
  changes.stock_changed(step, stock, stock[at.COUNTED_AT], false, wire.NOTHING)
  return wire.outcome.CHANGED
end

function settlement_due.of_reservation(step, draft, fact)
  local stock = draft.stocks[fact[wire.fact.SETTLED_STOCK]]
  local counted_at = stock[at.COUNTED_AT]
  local key = stock[at.ACCOUNT] .. '/' .. stock[at.NAME]
  step.settlements[key .. '/' .. drafts.order(draft)] = false
  if not counted_at or not drafts.settle_released_units(draft, stock) then
    return wire.outcome.REPEAT
  end
  local counted_by = stocks.counts(stock)[counts_at.COUNTED_BY]
  local cause = counted_by and cmsgpack.pack(counted_by) or wire.NOTHING
  return changes.made(step, draft, wire.reason.BALANCE_COUNTED, counted_at, cause)
end

return settlement_due
