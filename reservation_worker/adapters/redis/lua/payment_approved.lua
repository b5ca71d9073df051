--- payment_approved: held units become confirmed; expired and denied ones are held again.
-- Purpose: marks the order paid, and holds all of its open units again, or none. The first id that
--   comes behind a payment without one is its id.
-- Keys: none
-- Arguments: fact
-- Outcomes: changed, repeat, refused, conflict, out_of_bounds
-- Needs: wire, stocks, drafts, invoicing, changes

local FIRST_PAYMENT_ID, KEPT = wire.reservation.PAYMENT_ID, wire.reservation.KEPT
local AT, PAYMENT_ID, REACQUIRE = wire.fact.AT, wire.fact.PAYMENT_ID, wire.fact.REACQUIRE
local reason = wire.reason.PAYMENT_APPROVED

local function hold_again(draft)
  local saved = drafts.saved(draft)
  drafts.hold_open_units(draft)
  local kept = draft.reservation[KEPT] or {}
  for position = 1, #kept do
    invoicing.take_effect(draft, invoicing.from_kept(kept[position]))
  end
  local shortages = stocks.shortages(draft, saved.stocks)
  if shortages then
    drafts.restore(draft, saved)
    draft.shortages = shortages
  end
end

return function(step, draft, fact, cause)
  local approved_at, payment_id = fact[AT], fact[PAYMENT_ID]
  if draft.is_paid then
    local first_id = draft.reservation[FIRST_PAYMENT_ID]
    if not payment_id or payment_id == first_id then
      return wire.outcome.REPEAT
    end
    if not first_id then
      draft.reservation[FIRST_PAYMENT_ID], draft.is_payment_named = payment_id, true
      return changes.made(step, draft, reason, approved_at, cause)
    end
    local stated = { reason = reason, occurred_at = approved_at, cause = cause }
    local key = 'paid_twice/' .. wire.encoded(payment_id) .. '/'
    return changes.contradicted(step, draft, wire.conflict.PAID_TWICE, key, stated)
  end
  drafts.confirm_held_units(draft, approved_at, payment_id)
  if fact[REACQUIRE] and drafts.has_open_units(draft.reservation) then
    hold_again(draft)
  end
  return changes.made(step, draft, reason, approved_at, cause)
end
