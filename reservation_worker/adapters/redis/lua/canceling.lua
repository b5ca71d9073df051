--- canceling: what a cancellation does to the lines of an order that is known.
-- Purpose: gives back what a cancellation names as far as possible, and judges the rest.
-- Keys: none
-- Arguments: none
-- Outcomes: none
-- Needs: wire, drafts

local canceling = {}

local ACKNOWLEDGED, SETTLED = wire.line.ACKNOWLEDGED, wire.line.SETTLED
local conflict = wire.conflict

local function judge_whole(draft)
  local reservation = draft.reservation
  local has_movable_units = drafts.has_held_units(reservation) or drafts.has_open_units(reservation)
  if not has_movable_units and drafts.has_gone_units(reservation) then
    drafts.add_conflict(draft, conflict.CANCELED_AFTER_INVOICE)
  end
end

local function judge(draft, named)
  local reservation = draft.reservation
  local positions = drafts.positions(reservation)
  for position = 1, #named, 2 do
    local at = positions[named[position]]
    if not at then
      drafts.add_conflict(draft, conflict.CANCELED_TOO_MANY)
    else
      local excess = named[position + 1] - drafts.movable(reservation, at)
      local gone = reservation[at + ACKNOWLEDGED] + reservation[at + SETTLED]
      if excess > 0 and gone > 0 then
        drafts.add_conflict(draft, conflict.CANCELED_AFTER_INVOICE)
      end
      if excess > gone then
        drafts.add_conflict(draft, conflict.CANCELED_TOO_MANY)
      end
    end
  end
end

-- `lines`: { line id, units, ... }; empty: all that is movable.
function canceling.take(draft, lines)
  if #lines == 0 then
    judge_whole(draft)
  else
    judge(draft, lines)
  end
  local reservation = draft.reservation
  local named = drafts.named_units(reservation, lines)
  for position = 1, #named, 2 do
    local at = named[position]
    local units = math.min(named[position + 1], drafts.movable(reservation, at))
    if units > 0 then
      drafts.cancel_units(draft, at, units)
    end
  end
end

return canceling
