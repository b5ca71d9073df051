--- balance_counted: the ERP or the store counted a stock.
-- Purpose: sets on_hand, limit and unlimited, each with its own date, and settles what is covered.
--   Of two with the same date the more careful one stands, field by field, whichever came first.
-- Keys: none
-- Arguments: fact
-- Outcomes: changed, repeat, balance_differs
-- Needs: wire, stocks, changes, settlement_due

local at, counts_at, fact_at = wire.stock, wire.counts, wire.fact

local function stands(counted_at, stored_at, is_more_careful)
  return not stored_at or counted_at > stored_at or (counted_at == stored_at and is_more_careful)
end

-- Of a balance that changed nothing. What a fact does not say is nil.
local function is_contradicted(stock, fact)
  local limit = fact[fact_at.LIMIT]
  return fact[fact_at.AT] == stock[at.COUNTED_AT]
    and (fact[fact_at.ON_HAND] > stock[at.ON_HAND]
      or (limit ~= nil and limit < stock[at.LIMIT])
      or (fact[fact_at.UNLIMITED] and not stock[at.UNLIMITED]))
end

local function take_terms(stock, counts, fact)
  local counted_at, limit = fact[fact_at.AT], fact[fact_at.LIMIT]
  local unlimited, changed = fact[fact_at.UNLIMITED], false
  if limit ~= nil
    and stands(counted_at, counts[counts_at.LIMIT_COUNTED_AT], limit > stock[at.LIMIT])
  then
    stock[at.LIMIT], counts[counts_at.LIMIT_COUNTED_AT] = limit, counted_at
    changed = true
  end
  if unlimited ~= nil
    and stands(
      counted_at, counts[counts_at.UNLIMITED_COUNTED_AT], stock[at.UNLIMITED] and not unlimited
    )
  then
    stock[at.UNLIMITED], counts[counts_at.UNLIMITED_COUNTED_AT] = unlimited, counted_at
    changed = true
  end
  return changed
end

return function(step, stock, fact, cause)
  local counts, counted_at = stocks.counts(stock), fact[fact_at.AT]
  local on_hand, counted_before = fact[fact_at.ON_HAND], stock[at.COUNTED_AT]
  local was_short = settlement_due.is_short(stock, counts)
  local is_count = stands(counted_at, counted_before, on_hand < stock[at.ON_HAND])
  local has_terms = take_terms(stock, counts, fact)
  if not is_count and not has_terms then
    return is_contradicted(stock, fact) and wire.outcome.BALANCE_DIFFERS or wire.outcome.REPEAT
  end
  if is_count then
    stock[at.ON_HAND], stock[at.COUNTED_AT] = on_hand, counted_at
    counts[counts_at.COUNTED_BY] = cmsgpack.unpack(cause)
    if counted_at ~= counted_before then
      settlement_due.settle_further(step, stock, counts)
    end
  end
  settlement_due.note_shortfall(step, stock, counts, was_short)
  stocks.set_counts(stock, counts)
  stock[at.IS_RECOUNTED] = true
  changes.stock_changed(step, stock, counted_at, false, cause)
  return wire.outcome.CHANGED
end
