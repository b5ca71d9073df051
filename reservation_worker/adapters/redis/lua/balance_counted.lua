--- balance_counted: the ERP or the store counted a stock.
-- Purpose: sets on_hand, limit and unlimited, each with its own date, and settles what is covered.
-- Keys: none
-- Arguments: fact
-- Outcomes: changed, repeat, balance_differs
-- Needs: wire, stocks, changes, settlement_due

local at, counts_at, fact_at = wire.stock, wire.counts, wire.fact

local function is_newer(counted_at, stored_at)
  return not stored_at or counted_at > stored_at
end

-- What a fact does not say is nil.
local function says_the_same(stock, counts, fact)
  local counted_at = fact[fact_at.AT]
  local limit, unlimited
  if counts[counts_at.LIMIT_COUNTED_AT] == counted_at then
    limit = stock[at.LIMIT]
  end
  if counts[counts_at.UNLIMITED_COUNTED_AT] == counted_at then
    unlimited = stock[at.UNLIMITED]
  end
  return fact[fact_at.ON_HAND] == stock[at.ON_HAND]
    and fact[fact_at.LIMIT] == limit
    and fact[fact_at.UNLIMITED] == unlimited
end

local function take_terms(stock, counts, fact)
  local counted_at, limit = fact[fact_at.AT], fact[fact_at.LIMIT]
  local unlimited, changed = fact[fact_at.UNLIMITED], false
  if limit ~= nil and is_newer(counted_at, counts[counts_at.LIMIT_COUNTED_AT]) then
    stock[at.LIMIT], counts[counts_at.LIMIT_COUNTED_AT] = limit, counted_at
    changed = true
  end
  if unlimited ~= nil and is_newer(counted_at, counts[counts_at.UNLIMITED_COUNTED_AT]) then
    stock[at.UNLIMITED], counts[counts_at.UNLIMITED_COUNTED_AT] = unlimited, counted_at
    changed = true
  end
  return changed
end

return function(step, stock, fact, cause)
  local counts, counted_at = stocks.counts(stock), fact[fact_at.AT]
  if counted_at == stock[at.COUNTED_AT] then
    return says_the_same(stock, counts, fact) and wire.outcome.REPEAT
      or wire.outcome.BALANCE_DIFFERS
  end
  local is_count = is_newer(counted_at, stock[at.COUNTED_AT])
  local has_terms = take_terms(stock, counts, fact)
  if is_count then
    stock[at.ON_HAND], stock[at.COUNTED_AT] = fact[fact_at.ON_HAND], counted_at
    counts[counts_at.COUNTED_BY] = cmsgpack.unpack(cause)
    settlement_due.settle_further(step, stock, counts)
  elseif not has_terms then
    return wire.outcome.REPEAT
  end
  stocks.set_counts(stock, counts)
  stock[at.IS_RECOUNTED] = true
  changes.stock_changed(step, stock, counted_at, false, cause)
  return wire.outcome.CHANGED
end
