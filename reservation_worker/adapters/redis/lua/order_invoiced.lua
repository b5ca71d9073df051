--- order_invoiced: units are handed to delivery.
-- Purpose: acknowledges units once per invoice; an invoice before its order is kept.
-- Keys: none
-- Arguments: fact
-- Outcomes: changed, repeat, conflict, out_of_bounds
-- Needs: wire, invoicing, changes

local AT, ID, DIGEST = wire.fact.AT, wire.fact.DOCUMENT_ID, wire.fact.DOCUMENT_DIGEST
local LINES, COMPARED_AT = wire.fact.LINES, wire.fact.COMPARED_AT
local INVOICES, KEPT = wire.reservation.INVOICES, wire.reservation.KEPT
local reason = wire.reason.ORDER_INVOICED

return function(step, draft, fact, cause)
  local invoiced_at, id, digest = fact[AT], fact[ID], fact[DIGEST]
  local reservation = draft.reservation
  local invoices = reservation[INVOICES] or {}
  local seen = changes.seen(invoices, id)
  if seen then
    if not id or invoices[seen + 1] == digest then
      return wire.outcome.REPEAT
    end
    local stated = { reason = reason, occurred_at = invoiced_at, cause = cause }
    local key = 'id_reused/' .. wire.encoded(id) .. '/' .. digest
    return changes.contradicted(step, draft, wire.conflict.ID_REUSED, key, stated)
  end
  local count = #invoices
  if count >= 2 * changes.REMEMBERED_MAX then
    return wire.outcome.OUT_OF_BOUNDS
  end
  invoices[count + 1], invoices[count + 2] = id, digest
  reservation[INVOICES] = invoices
  if reservation[wire.reservation.COMPLETED_AT] then
    invoicing.take(draft, {
      id = id, invoiced_at = invoiced_at, compared_at = fact[COMPARED_AT], lines = fact[LINES],
    })
  else
    local kept = reservation[KEPT] or {}
    kept[#kept + 1] = { wire.kept.INVOICE, id, invoiced_at, fact[LINES], fact[COMPARED_AT] }
    reservation[KEPT] = kept
  end
  return changes.made(step, draft, reason, invoiced_at, cause)
end
