--- deciding: the second phase of a step: each fact in order, in memory.
-- Purpose: asks the fact's own file; nothing here or there calls Redis.
-- Keys: none
-- Arguments: facts, causes, step_bytes_max
-- Outcomes: changed, repeat, refused, conflict, balance_differs, out_of_bounds
-- Needs: wire, drafts, order_completed, payment_approved, order_invoiced, order_canceled,
--   deadline_reached, retention_reached, settlement_due, balance_counted

local deciding = {}

local KIND, ACCOUNT, CAUSE_BYTES = wire.fact.KIND, wire.fact.ACCOUNT, wire.fact.CAUSE_BYTES
local KEY = wire.fact.KEY
local kind = wire.kind

local of_reservation = {
  [kind.ORDER_COMPLETED] = order_completed,
  [kind.PAYMENT_APPROVED] = payment_approved,
  [kind.ORDER_INVOICED] = order_invoiced,
  [kind.ORDER_CANCELED] = order_canceled,
  [kind.DEADLINE_REACHED] = deadline_reached,
  [kind.RETENTION_REACHED] = retention_reached,
  [kind.RESERVATION_SETTLEMENT_DUE] = settlement_due.of_reservation,
}

local of_stock = {
  [kind.BALANCE_COUNTED] = balance_counted,
  [kind.STOCK_SETTLEMENT_DUE] = settlement_due.of_stock,
}

-- Gives one outcome for each fact of the prefix that was decided.
function deciding.decide(step)
  local outcomes, cause_end, draft = {}, 0, drafts.new()
  for position = 1, step.taken do
    if position > 1 and step.event_bytes >= step.step_bytes_max then
      break
    end
    local fact, record, outcome = step.facts[position], step.record_of[position], nil
    local cause_start = cause_end + 1
    cause_end = cause_end + fact[CAUSE_BYTES]
    local cause = string.sub(step.causes, cause_start, cause_end)
    if record then
      drafts.begin(draft, position, record, step.accounts[fact[ACCOUNT]])
      outcome = of_reservation[fact[KIND]](step, draft, fact, cause)
    else
      local stock = step.accounts[fact[ACCOUNT]][fact[KEY]]
      outcome = of_stock[fact[KIND]](step, stock, fact, cause)
    end
    if not outcome then
      break
    end
    outcomes[position] = outcome
  end
  return outcomes
end

return deciding
