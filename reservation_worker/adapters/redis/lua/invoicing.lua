--- invoicing: what an invoice does to the lines of an order that is known.
-- Purpose: acknowledges what an invoice names as far as possible, and judges the rest.
-- Keys: none
-- Arguments: none
-- Outcomes: none
-- Needs: wire, stocks, drafts

local invoicing = {}

local ID, STOCK, HELD, CANCELED = wire.line.ID, wire.line.STOCK, wire.line.HELD, wire.line.CANCELED
local EXPIRED, DENIED = wire.line.EXPIRED, wire.line.DENIED
local conflict, kept_at, KEPT = wire.conflict, wire.kept, wire.reservation.KEPT
local COMPLETED_AT = wire.reservation.COMPLETED_AT

local function judge_whole(draft)
  local reservation = draft.reservation
  local has_movable_units = drafts.has_held_units(reservation) or drafts.has_open_units(reservation)
  if not has_movable_units and not drafts.has_gone_units(reservation) then
    drafts.add_conflict(draft, conflict.INVOICED_AFTER_CANCEL)
  end
end

local function judge(draft, named)
  local reservation = draft.reservation
  local positions = drafts.positions(reservation)
  for position = 1, #named, 2 do
    local at = positions[named[position]]
    if not at then
      drafts.add_conflict(draft, conflict.INVOICED_TOO_MANY)
    else
      local excess = named[position + 1] - drafts.movable(reservation, at)
      if excess > 0 and reservation[at + CANCELED] > 0 then
        drafts.add_conflict(draft, conflict.INVOICED_AFTER_CANCEL)
      end
      if excess > reservation[at + CANCELED] then
        drafts.add_conflict(draft, conflict.INVOICED_TOO_MANY)
      end
    end
  end
end

-- Goods cannot leave before they are sold: what is compared with counts is the later date.
local function begun(draft, invoice)
  return {
    order = drafts.order(draft),
    id = invoice.id,
    invoiced_at = invoice.invoiced_at,
    compared_at = math.max(invoice.compared_at, draft.reservation[COMPLETED_AT]),
    units = {}, -- that the ERP must still take out of its stock, by where the line begins
    already_counted = false, -- or those that a count has taken out already, likewise
  }
end

local function copied(units)
  if not units then
    return false
  end
  local copy = {}
  for at, count in pairs(units) do
    copy[at] = count
  end
  return copy
end

local function begun_again(done)
  return {
    order = done.order,
    id = done.id,
    invoiced_at = done.invoiced_at,
    compared_at = done.compared_at,
    units = copied(done.units),
    already_counted = copied(done.already_counted),
  }
end

local function keep(draft, invoice, missing)
  local left = {}
  if #invoice.lines > 0 then
    for position = 1, #missing, 2 do
      left[position] = draft.reservation[missing[position] + ID]
      left[position + 1] = missing[position + 1]
    end
  end
  local kept = draft.reservation[KEPT] or {}
  kept[#kept + 1] = {
    kept_at.INVOICE, invoice.id, invoice.invoiced_at, left, invoice.compared_at,
  }
  draft.reservation[KEPT] = kept
end

-- Holds units again and acknowledges them, all or none; the invoice is kept if none.
local function acknowledge_missing(draft, invoice, done, missing)
  local saved, tried = drafts.saved(draft), begun_again(done)
  for position = 1, #missing, 2 do
    drafts.acknowledge_open_units(draft, missing[position], missing[position + 1], tried)
  end
  local shortages = stocks.shortages(draft, saved.stocks)
  if not shortages then
    return tried
  end
  drafts.restore(draft, saved)
  drafts.add_conflict(draft, conflict.INVOICED_WITHOUT_STOCK)
  draft.shortages = draft.shortages or shortages
  keep(draft, invoice, missing)
  return done
end

local function publish_to_erp(draft, done)
  if done.already_counted or next(done.units) then
    local acknowledgements = draft.acknowledgements or {}
    draft.acknowledgements = acknowledgements
    acknowledgements[#acknowledgements + 1] = done
  end
end

-- `invoice`: { id = text or false, invoiced_at = ms, compared_at = ms,
--   lines = { line id, units, ... } }
function invoicing.take(draft, invoice)
  if #invoice.lines == 0 then
    judge_whole(draft)
  else
    judge(draft, invoice.lines)
  end
  local done, missing, reservation = begun(draft, invoice), nil, draft.reservation
  local named = drafts.named_units(reservation, invoice.lines)
  for position = 1, #named, 2 do
    local at = named[position]
    local units = math.min(named[position + 1], drafts.movable(reservation, at))
    local from_held = math.min(units, reservation[at + HELD])
    if from_held > 0 then
      drafts.acknowledge_held_units(draft, at, from_held, done)
    end
    if units > from_held then
      if stocks.covers(draft.stocks[reservation[at + STOCK]], done.compared_at) then
        drafts.acknowledge_open_units(draft, at, units - from_held, done)
      else
        missing = missing or {}
        missing[#missing + 1] = at
        missing[#missing + 1] = units - from_held
      end
    end
  end
  if missing then
    done = acknowledge_missing(draft, invoice, done, missing)
  end
  publish_to_erp(draft, done)
end

-- Acknowledges the held units that a kept invoice names; it has been judged before.
function invoicing.take_effect(draft, invoice)
  local done, reservation = begun(draft, invoice), draft.reservation
  local named = drafts.named_units(reservation, invoice.lines)
  for position = 1, #named, 2 do
    local held = math.min(named[position + 1], reservation[named[position] + HELD])
    if held > 0 then
      drafts.acknowledge_held_units(draft, named[position], held, done)
    end
  end
  publish_to_erp(draft, done)
end

function invoicing.from_kept(kept)
  return {
    id = kept[kept_at.ID],
    invoiced_at = kept[kept_at.AT],
    compared_at = kept[kept_at.COMPARED_AT],
    lines = kept[kept_at.LINES],
  }
end

-- Drops what can never take effect: none of its units can be held again.
function invoicing.drop_useless(draft)
  local reservation = draft.reservation
  local kept = reservation[KEPT]
  if not kept then
    return
  end
  local useful, open = {}, drafts.has_open_units(reservation)
  local positions = drafts.positions(reservation)
  local function names_open_units(named)
    for position = 1, #named, 2 do
      local at = positions[named[position]]
      if at and (reservation[at + EXPIRED] > 0 or reservation[at + DENIED] > 0) then
        return true
      end
    end
    return #named == 0
  end
  for position = 1, #kept do
    if open and names_open_units(kept[position][kept_at.LINES]) then
      useful[#useful + 1] = kept[position]
    end
  end
  reservation[KEPT] = #useful > 0 and useful
end

return invoicing
