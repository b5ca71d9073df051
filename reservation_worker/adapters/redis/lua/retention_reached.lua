--- retention_reached: a reservation that is over, or whose order never came, is forgotten.
-- Purpose: removes it if it still has the very version that the fact was decided for.
-- Keys: none
-- Arguments: fact
-- Outcomes: changed, repeat
-- Needs: wire

local VERSION = wire.reservation.VERSION
local AT, KEPT_VERSION = wire.fact.AT, wire.fact.KEPT_VERSION

return function(step, draft, fact)
  local record, status = draft.record, draft.status_before
  if draft.reservation[VERSION] ~= fact[KEPT_VERSION] or not wire.index_of[status] then
    return wire.outcome.REPEAT
  end
  local removals, count = step.removals, #step.removals
  removals[count + 1], removals[count + 2], removals[count + 3] = record.key, status, fact[AT]
  removals[count + 4] = draft.reservation[wire.reservation.EARLY_FACTS]
  step.removed_records[#step.removed_records + 1] = record
  step.event_bytes = step.event_bytes + #record.packed
  return wire.outcome.CHANGED
end
