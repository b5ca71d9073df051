--- drafts: the working copy of one reservation while one fact is decided.
-- Purpose: moves of units between the places of a line; the stocks' buckets follow.
-- Keys: none
-- Arguments: none
-- Outcomes: none
-- Needs: wire, stocks
-- In these functions `at` is where a line begins in the reservation.

local drafts = {}

local VERSION, COMPLETED_AT = wire.reservation.VERSION, wire.reservation.COMPLETED_AT
local PAID_AT, PAYMENT_ID = wire.reservation.PAID_AT, wire.reservation.PAYMENT_ID
local ACKNOWLEDGED_UNITS, KEPT = wire.reservation.ACKNOWLEDGED, wire.reservation.KEPT
local FIRST = wire.line.FIRST
local WIDTH, STOCK, QUANTITY = wire.line.WIDTH, wire.line.STOCK, wire.line.QUANTITY
local HELD, ACKNOWLEDGED, SETTLED = wire.line.HELD, wire.line.ACKNOWLEDGED, wire.line.SETTLED
local CANCELED, EXPIRED, DENIED = wire.line.CANCELED, wire.line.EXPIRED, wire.line.DENIED
local move_held, confirm_held, status = stocks.move_held, stocks.confirm_held, wire.status

function drafts.empty_reservation()
  return { 0, false, false, false, false, false, false, false, false, false, false, false }
end

-- One draft serves all facts of a step, one after the other.
function drafts.new()
  return {
    number = 0, -- of the fact, from 1
    record = false, -- the reservation as the step has read it
    reservation = false,
    is_paid = false,
    status_before = 0,
    stocks = false, -- of its account, by warehouse/sku
    touched = {},
    touched_count = 0,
    entry_changes = false, -- or an array: stock, member, score or false; ...
    conflicts = false, -- or an array: code -> true
    shortages = false, -- or an array of { warehouse/sku, requested, available, unknown }
    acknowledgements = false, -- or an array of what invoices moved
    is_payment_named = false, -- an earlier payment has got its id
  }
end

function drafts.status(reservation)
  if not reservation[COMPLETED_AT] then
    return status.AWAITING
  end
  local acknowledged, settled, expired, all_canceled = false, false, false, true
  for at = FIRST, #reservation, WIDTH do
    if reservation[at + HELD] > 0 then
      return reservation[PAID_AT] and status.CONFIRMED or status.AUTHORIZED
    end
    acknowledged = acknowledged or reservation[at + ACKNOWLEDGED] > 0
    settled = settled or reservation[at + SETTLED] > 0
    expired = expired or reservation[at + EXPIRED] > 0
    all_canceled = all_canceled and reservation[at + CANCELED] == reservation[at + QUANTITY]
  end
  return acknowledged and status.ACKNOWLEDGED
    or settled and status.SETTLED
    or all_canceled and status.CANCELED
    or expired and status.EXPIRED
    or status.DENIED
end

function drafts.begin(draft, number, record, account_stocks)
  local reservation = record.value
  draft.number = number
  draft.record = record
  draft.reservation = reservation
  draft.is_paid = reservation[PAID_AT] and true or false
  draft.status_before = reservation[VERSION] > 0 and drafts.status(reservation) or 0
  draft.stocks = account_stocks
  draft.touched_count = 0
  draft.entry_changes = false
  draft.conflicts = false
  draft.shortages = false
  draft.acknowledgements = false
  draft.is_payment_named = false
end

-- Goes on with another table for the same reservation.
function drafts.replace(draft, reservation)
  draft.reservation = reservation
  draft.record.value = reservation
end

function drafts.add_conflict(draft, code)
  draft.conflicts = draft.conflicts or {}
  draft.conflicts[code] = true
end

-- ---- what the decisions ask

function drafts.movable(reservation, at)
  return reservation[at + HELD] + reservation[at + EXPIRED] + reservation[at + DENIED]
end

function drafts.has_held_units(reservation)
  for at = FIRST, #reservation, WIDTH do
    if reservation[at + HELD] > 0 then
      return true
    end
  end
  return false
end

function drafts.has_open_units(reservation)
  for at = FIRST, #reservation, WIDTH do
    if reservation[at + EXPIRED] > 0 or reservation[at + DENIED] > 0 then
      return true
    end
  end
  return false
end

function drafts.has_gone_units(reservation)
  for at = FIRST, #reservation, WIDTH do
    if reservation[at + ACKNOWLEDGED] > 0 or reservation[at + SETTLED] > 0 then
      return true
    end
  end
  return false
end

-- Where each line begins, by its id. Made only for facts that name lines.
function drafts.positions(reservation)
  local positions = {}
  for at = FIRST, #reservation, WIDTH do
    positions[reservation[at]] = at
  end
  return positions
end

-- Where the named lines that exist begin, and how many units are named of each, in a flat array.
-- None named: all that is movable.
function drafts.named_units(reservation, named)
  local found, count = {}, 0
  if #named == 0 then
    for at = FIRST, #reservation, WIDTH do
      local units = drafts.movable(reservation, at)
      if units > 0 then
        found[count + 1], found[count + 2] = at, units
        count = count + 2
      end
    end
    return found
  end
  local positions = drafts.positions(reservation)
  for position = 1, #named, 2 do
    local at = positions[named[position]]
    if at then
      found[count + 1], found[count + 2] = at, named[position + 1]
      count = count + 2
    end
  end
  return found
end

-- ---- moves

function drafts.hold_open_units(draft)
  local reservation = draft.reservation
  for at = FIRST, #reservation, WIDTH do
    local units = reservation[at + EXPIRED] + reservation[at + DENIED]
    if units > 0 then
      reservation[at + EXPIRED], reservation[at + DENIED] = 0, 0
      reservation[at + HELD] = reservation[at + HELD] + units
      move_held(draft, reservation[at + STOCK], units)
    end
  end
end

-- Gives back nothing and keeps nothing: the order has all its units denied.
function drafts.deny_all(reservation)
  for at = FIRST, #reservation, WIDTH do
    reservation[at + HELD], reservation[at + ACKNOWLEDGED] = 0, 0
    reservation[at + SETTLED], reservation[at + CANCELED] = 0, 0
    reservation[at + EXPIRED], reservation[at + DENIED] = 0, reservation[at + QUANTITY]
  end
end

function drafts.confirm_held_units(draft, paid_at, payment_id)
  local reservation = draft.reservation
  reservation[PAID_AT], reservation[PAYMENT_ID] = paid_at, payment_id
  draft.is_paid = true
  for at = FIRST, #reservation, WIDTH do
    local units = reservation[at + HELD]
    if units > 0 then
      confirm_held(draft, reservation[at + STOCK], units)
    end
  end
end

function drafts.expire_held_units(draft)
  local reservation = draft.reservation
  for at = FIRST, #reservation, WIDTH do
    local units = reservation[at + HELD]
    if units > 0 then
      move_held(draft, reservation[at + STOCK], -units)
      reservation[at + EXPIRED] = reservation[at + EXPIRED] + units
      reservation[at + HELD] = 0
    end
  end
end

local function take_open_units(reservation, at, units)
  local from_expired = math.min(units, reservation[at + EXPIRED])
  reservation[at + EXPIRED] = reservation[at + EXPIRED] - from_expired
  reservation[at + DENIED] = reservation[at + DENIED] - (units - from_expired)
  assert(reservation[at + DENIED] >= 0, 'more units were moved than the line has')
end

function drafts.cancel_units(draft, at, units)
  local reservation = draft.reservation
  local from_held = math.min(units, reservation[at + HELD])
  if from_held > 0 then
    reservation[at + HELD] = reservation[at + HELD] - from_held
    move_held(draft, reservation[at + STOCK], -from_held)
  end
  take_open_units(reservation, at, units - from_held)
  reservation[at + CANCELED] = reservation[at + CANCELED] + units
end

-- The order's id, percent-encoded.
function drafts.order(draft)
  return string.match(draft.record.key, '/(.*)')
end

-- Names an entry among those of its date, as the domain does. `index`: of the line, from 0.
function drafts.member(order, index, units)
  return order .. '/' .. wire.integer(index) .. '/' .. wire.integer(units)
end

-- The sorted set's member carries the date too: one line may have two dates of equal units.
local function entry(done, index, units)
  return drafts.member(done.order, index, units) .. '/' .. wire.integer(done.compared_at)
end

local function hand_over(draft, at, units, done)
  local reservation, compared_at = draft.reservation, done.compared_at
  local name = reservation[at + STOCK]
  if stocks.covers(draft.stocks[name], compared_at) then
    reservation[at + SETTLED] = reservation[at + SETTLED] + units
    local counted = done.already_counted or {}
    done.already_counted = counted
    counted[at] = (counted[at] or 0) + units
    return
  end
  reservation[at + ACKNOWLEDGED] = reservation[at + ACKNOWLEDGED] + units
  done.units[at] = (done.units[at] or 0) + units
  local index = (at - FIRST) / WIDTH
  local list = reservation[ACKNOWLEDGED_UNITS]
  if not list then
    reservation[ACKNOWLEDGED_UNITS] = { index, compared_at, units }
    stocks.acknowledge(draft, name, units, nil, entry(done, index, units), compared_at)
    return
  end
  local count = #list
  for position = 1, count, 3 do
    if list[position] == index and list[position + 1] == compared_at then
      local earlier = list[position + 2]
      list[position + 2] = earlier + units
      stocks.acknowledge(
        draft, name, units, entry(done, index, earlier), entry(done, index, earlier + units),
        compared_at
      )
      return
    end
  end
  list[count + 1], list[count + 2], list[count + 3] = index, compared_at, units
  stocks.acknowledge(draft, name, units, nil, entry(done, index, units), compared_at)
end

-- `done`: what an invoice has moved so far, as `invoicing` begins it.
function drafts.acknowledge_held_units(draft, at, units, done)
  local reservation = draft.reservation
  reservation[at + HELD] = reservation[at + HELD] - units
  move_held(draft, reservation[at + STOCK], -units)
  hand_over(draft, at, units, done)
end

-- Holds expired or denied units again and hands them to delivery, in one move.
function drafts.acknowledge_open_units(draft, at, units, done)
  take_open_units(draft.reservation, at, units)
  hand_over(draft, at, units, done)
end

-- Settles the units that a balance has taken out of a stock; tells whether there were any.
function drafts.settle_released_units(draft, stock)
  local reservation, order, left = draft.reservation, drafts.order(draft), {}
  local list, counts = reservation[ACKNOWLEDGED_UNITS] or {}, stocks.counts(stock)
  for position = 1, #list, 3 do
    local index, compared_at, units = list[position], list[position + 1], list[position + 2]
    local at = FIRST + index * WIDTH
    if reservation[at + STOCK] == stock[wire.stock.NAME]
      and stocks.has_released(stock, counts, compared_at, drafts.member(order, index, units))
    then
      reservation[at + ACKNOWLEDGED] = reservation[at + ACKNOWLEDGED] - units
      reservation[at + SETTLED] = reservation[at + SETTLED] + units
    else
      local last = #left
      left[last + 1], left[last + 2], left[last + 3] = index, compared_at, units
    end
  end
  if #left == #list then
    return false
  end
  reservation[ACKNOWLEDGED_UNITS] = #left > 0 and left
  return true
end

-- ---- trying something out

local function copied(list)
  local copy = {}
  for position = 1, #list do
    copy[position] = list[position]
  end
  return copy
end

local function copied_codes(codes)
  if not codes then
    return false
  end
  local copy = {}
  for code in pairs(codes) do
    copy[code] = true
  end
  return copy
end

-- What to go back to. Of the arrays inside only these two grow while something is tried out.
function drafts.saved(draft)
  local reservation = copied(draft.reservation)
  for _, position in ipairs({ ACKNOWLEDGED_UNITS, KEPT }) do
    reservation[position] = reservation[position] and copied(reservation[position])
  end
  return {
    reservation = reservation,
    conflicts = copied_codes(draft.conflicts),
    shortages = draft.shortages,
    acknowledgements = draft.acknowledgements and copied(draft.acknowledgements),
    stocks = stocks.saved(draft),
  }
end

function drafts.restore(draft, saved)
  drafts.replace(draft, saved.reservation)
  draft.conflicts = saved.conflicts
  draft.shortages = saved.shortages
  draft.acknowledgements = saved.acknowledgements
  stocks.restore(draft, saved.stocks)
end

return drafts
