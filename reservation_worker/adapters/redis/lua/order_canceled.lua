--- order_canceled: units are given back.
-- Purpose: cancels units once per cancellation; a cancellation before its order is kept.
-- Keys: none
-- Arguments: fact
-- Outcomes: changed, repeat, conflict, out_of_bounds
-- Needs: wire, canceling, changes

local AT, ID, DIGEST = wire.fact.AT, wire.fact.DOCUMENT_ID, wire.fact.DOCUMENT_DIGEST
local CANCELLATIONS, KEPT = wire.reservation.CANCELLATIONS, wire.reservation.KEPT
local reason = wire.reason.ORDER_CANCELED

return function(step, draft, fact, cause)
  local canceled_at, id, digest = fact[AT], fact[ID], fact[DIGEST]
  local reservation = draft.reservation
  local cancellations = reservation[CANCELLATIONS] or {}
  local seen = changes.seen(cancellations, id)
  if seen then
    if not id or cancellations[seen + 1] == digest then
      return wire.outcome.REPEAT
    end
    local stated = { reason = reason, occurred_at = canceled_at, cause = cause }
    local key = 'id_reused/' .. wire.encoded(id) .. '/' .. digest
    return changes.contradicted(step, draft, wire.conflict.ID_REUSED, key, stated)
  end
  local count = #cancellations
  if count >= 2 * changes.REMEMBERED_MAX then
    return wire.outcome.OUT_OF_BOUNDS
  end
  cancellations[count + 1], cancellations[count + 2] = id, digest
  reservation[CANCELLATIONS] = cancellations
  if reservation[wire.reservation.COMPLETED_AT] then
    canceling.take(draft, fact[wire.fact.LINES])
  else
    local kept = reservation[KEPT] or {}
    kept[#kept + 1] = { wire.kept.CANCELLATION, id, false, fact[wire.fact.LINES] }
    reservation[KEPT] = kept
  end
  return changes.made(step, draft, reason, canceled_at, cause)
end
