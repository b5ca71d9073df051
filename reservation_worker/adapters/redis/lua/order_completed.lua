--- order_completed: an order holds all its units, or none.
-- Purpose: opens the order, takes early facts into account, and names what is short.
-- Keys: none
-- Arguments: fact
-- Outcomes: changed, repeat, refused, conflict, out_of_bounds
-- Needs: wire, stocks, drafts, invoicing, canceling, changes

local COMPLETED_AT, ORDER_DIGEST = wire.reservation.COMPLETED_AT, wire.reservation.ORDER_DIGEST
local VERSION, PAID_AT = wire.reservation.VERSION, wire.reservation.PAID_AT
local PAYMENT_ID, AT, DIGEST = wire.reservation.PAYMENT_ID, wire.fact.AT, wire.fact.ORDER_DIGEST
local INVOICES, CONFLICTS = wire.reservation.INVOICES, wire.reservation.CONFLICTS
local ACKNOWLEDGED, KEPT = wire.reservation.ACKNOWLEDGED, wire.reservation.KEPT
local kept_at, reason = wire.kept, wire.reason.ORDER_COMPLETED
local index_of, REPEAT = wire.index_of, wire.outcome.REPEAT

local function take_early_facts(draft, early)
  for position = 1, #early do
    local kept = early[position]
    if kept[kept_at.KIND] == kept_at.INVOICE then
      invoicing.take(draft, invoicing.from_kept(kept))
    else
      canceling.take(draft, kept[kept_at.LINES])
    end
  end
end

-- Goes on with the lines of the order, which the reading of the step has made a reservation of.
local function open(draft, opened)
  local before = draft.reservation
  opened[VERSION], opened[PAID_AT] = before[VERSION], before[PAID_AT]
  opened[PAYMENT_ID] = before[PAYMENT_ID]
  for position = INVOICES, CONFLICTS do
    opened[position] = before[position]
  end
  drafts.replace(draft, opened)
  return before[KEPT]
end

-- Before the trial the order had no units anywhere, so all of it can be taken back at once.
local function deny(draft, shortages)
  local reservation = draft.reservation
  stocks.restore_all(draft)
  drafts.deny_all(reservation)
  reservation[ACKNOWLEDGED], reservation[KEPT] = false, false
  draft.conflicts, draft.acknowledgements = false, false
  draft.shortages = shortages
end

-- Whether the order of these lines has been told to differ, of whatever instant.
local function is_told(reservation, lines)
  local conflicts = reservation[CONFLICTS] or {}
  for position = 1, #conflicts do
    if string.sub(conflicts[position], 1, #lines) == lines then
      return true
    end
  end
  return false
end

-- While the order lives, its lines say whether it is the same; then `completed_at` as well: senders
-- stamp their deliveries anew, and shops give a number out again that is done with.
local function again(step, draft, completed_at, digest, cause)
  local reservation = draft.reservation
  local lines, is_over = 'order_differs//' .. digest, index_of[draft.status_before]
  if reservation[ORDER_DIGEST] == digest then
    if not is_over or reservation[COMPLETED_AT] == completed_at then
      return REPEAT
    end
  elseif not is_over and is_told(reservation, lines) then
    return REPEAT
  end
  local key = lines .. '/' .. wire.integer(completed_at)
  local stated = { reason = reason, occurred_at = completed_at, cause = cause }
  return changes.contradicted(step, draft, wire.conflict.ORDER_DIFFERS, key, stated)
end

-- Gives nil where the step has not read the stocks of these lines: the fact waits for the next.
return function(step, draft, fact, cause)
  local completed_at, digest, record = fact[AT], fact[DIGEST], draft.record
  if draft.reservation[COMPLETED_AT] then
    return again(step, draft, completed_at, digest, cause)
  end
  if record.opened_by ~= fact then
    return nil
  end
  local early = open(draft, record.opened)
  drafts.hold_open_units(draft)
  if early then
    take_early_facts(draft, early)
  end
  local shortages = stocks.shortages(draft)
  if shortages then
    deny(draft, shortages)
    take_early_facts(draft, early or {})
  end
  return changes.made(step, draft, reason, completed_at, cause)
end
