--- deadline_reached: the held units of an unpaid order are given back as expired.
-- Purpose: expires an order at the very deadline that the fact was decided for.
-- Keys: none
-- Arguments: fact
-- Outcomes: changed, repeat, out_of_bounds
-- Needs: wire, drafts, changes

return function(step, draft, fact)
  local expires_at = fact[wire.fact.AT]
  if draft.reservation[wire.reservation.EXPIRES_AT] ~= expires_at then
    return wire.outcome.REPEAT
  end
  drafts.expire_held_units(draft)
  local occurred_at = tonumber(expires_at)
  return changes.made(step, draft, wire.reason.DEADLINE_REACHED, occurred_at, wire.NOTHING)
end
