--- changes: turns a decided draft into a change, and into the bytes that will be published.
-- Purpose: the end of every decision on a reservation; anything that can be too large fails here.
-- Keys: none
-- Arguments: event_bytes_max
-- Outcomes: changed, repeat, refused, conflict, out_of_bounds
-- Needs: wire, stocks, drafts, invoicing

local changes = {}

local VERSION, EXPIRES_AT = wire.reservation.VERSION, wire.reservation.EXPIRES_AT
local CONFLICTS, KEPT = wire.reservation.CONFLICTS, wire.reservation.KEPT
local COMPLETED_AT, EARLY_FACTS = wire.reservation.COMPLETED_AT, wire.reservation.EARLY_FACTS
local FIRST, WIDTH, STOCK = wire.line.FIRST, wire.line.WIDTH, wire.line.STOCK
local OCCURRED_AT, CAUSE = wire.stock.OCCURRED_AT, wire.stock.CAUSE
local CHANGE = wire.stock.CHANGE
local ENTRIES_ADDED, ENTRIES_REMOVED = wire.stock.ENTRIES_ADDED, wire.stock.ENTRIES_REMOVED
local BEFORE, AUTHORIZED = wire.stock.BEFORE, wire.stock.AUTHORIZED
local outcome, reservation_at = wire.outcome, wire.reservation
local DEADLINE_REACHED = wire.reason.DEADLINE_REACHED

-- At most so many invoices, cancellations and conflicts each are remembered (domain page).
changes.REMEMBERED_MAX = 200

local function documents_bytes(documents)
  local bytes = 0
  for position = 1, #documents, 2 do
    bytes = bytes + 64 + 2 * #(documents[position] or '')
  end
  return bytes
end

local function kept_bytes(kept)
  local bytes = 0
  for position = 1, #kept do
    local one = kept[position]
    local lines = one[wire.kept.LINES]
    bytes = bytes + 128 + 2 * #(one[wire.kept.ID] or '')
    for at = 1, #lines, 2 do
      bytes = bytes + 48 + 2 * #lines[at]
    end
  end
  return bytes
end

local function early_facts_bytes(early)
  local bytes = 0
  for position = 1, #early, 3 do
    bytes = bytes + 96 + 2 * #early[position]
  end
  return bytes
end

-- An upper bound of the JSON that will be published, now or after what time will add: names and
-- numbers at their longest, every byte of an id escaped, and the longest cause there is, because a
-- settlement has the balance's. The in-memory store has the same sum.
local function event_bytes(draft)
  local reservation, shortages = draft.reservation, draft.shortages or {}
  local conflicts = reservation[CONFLICTS] or {}
  local bytes = 3072 + 6 * #draft.record.key
  for at = FIRST, #reservation, WIDTH do
    bytes = bytes + 192 + 2 * (#reservation[at] + #reservation[at + STOCK])
  end
  for position = 1, #shortages do
    bytes = bytes + 112 + 2 * #shortages[position][1]
  end
  for position = 1, #conflicts do
    bytes = bytes + 16 + 2 * #conflicts[position]
  end
  return bytes
    + 64 * #(reservation[reservation_at.ACKNOWLEDGED] or {}) / 3
    + documents_bytes(reservation[reservation_at.INVOICES] or {})
    + documents_bytes(reservation[reservation_at.CANCELLATIONS] or {})
    + kept_bytes(reservation[KEPT] or {})
    + early_facts_bytes(reservation[EARLY_FACTS] or {})
end

-- What time states (a deadline, a settlement) is never refused: it only takes away what was judged
-- when an input brought it.
local function fits(step, draft, reason, packed)
  -- No term of the sum above is more than 200 times the bytes it stands for.
  if reason >= DEADLINE_REACHED or 200 * #packed + 8192 <= step.event_bytes_max then
    return true
  end
  return event_bytes(draft) <= step.event_bytes_max
end

local function conflict_codes(conflicts)
  local codes = {}
  if not conflicts then
    return codes
  end
  for code = 1, wire.CONFLICTS do
    if conflicts[code] then
      codes[#codes + 1] = code
    end
  end
  return codes
end

-- By where lines begin -> line index, units; ...
local function in_order(moved)
  local positions, units = {}, {}
  if not moved then
    return units
  end
  for at in pairs(moved) do
    positions[#positions + 1] = at
  end
  table.sort(positions)
  for position = 1, #positions do
    local at = positions[position]
    units[2 * position - 1], units[2 * position] = (at - FIRST) / WIDTH, moved[at]
  end
  return units
end

local function acknowledgement(done)
  return { done.invoiced_at, done.id, in_order(done.units), in_order(done.already_counted) }
end

local function acknowledged(draft)
  local acknowledgements = {}
  for position = 1, #(draft.acknowledgements or {}) do
    acknowledgements[position] = acknowledgement(draft.acknowledgements[position])
  end
  return acknowledgements
end

-- What is published of most changes is only their head, their cause and the reservation.
local function rarities(draft)
  local is_named = draft.is_payment_named
  if not (draft.conflicts or draft.shortages or draft.acknowledgements or is_named) then
    return false
  end
  return { draft.shortages or {}, conflict_codes(draft.conflicts), acknowledged(draft), is_named }
end

-- Forgets what the fact did: the reservation is read again from its bytes.
local function undo(draft)
  local record = draft.record
  stocks.restore_all(draft)
  record.value = record.packed and wire.array(record.packed) or drafts.empty_reservation()
  return outcome.OUT_OF_BOUNDS
end

-- A member that is removed never comes back: of one date, a line's units only grow.
local function keep_entries(draft)
  local entry_changes = draft.entry_changes
  for position = 1, #entry_changes, 3 do
    local stock, member = entry_changes[position], entry_changes[position + 1]
    local score = entry_changes[position + 2]
    local added = stock[ENTRIES_ADDED]
    if not score then
      local removed = stock[ENTRIES_REMOVED] or {}
      stock[ENTRIES_REMOVED] = removed
      removed[#removed + 1] = member
    elseif not added then
      stock[ENTRIES_ADDED] = { wire.integer(score), member }
    else
      local count = #added
      added[count + 1], added[count + 2] = wire.integer(score), member
    end
  end
end

-- Notes that a stock has changed; the last fact that touched it speaks for it: a change of a
-- reservation by its number in the step, or a balance by its cause.
function changes.stock_changed(step, stock, occurred_at, change, cause)
  if not stock[OCCURRED_AT] then
    local count = step.changed_stock_count + 1
    step.changed_stock_count = count
    step.changed_stocks[count] = stock
  end
  stock[OCCURRED_AT], stock[CHANGE], stock[CAUSE] = occurred_at, change, cause
end

-- The heads of all changes of a step are packed at once: each call of the packer costs.
local function publish(step, draft, reason, occurred_at, cause, packed)
  local heads, pieces, number = step.heads, step.pieces, step.change_count
  local head_at, piece_at = 6 * number, 2 * number
  local record, status = draft.record, drafts.status(draft.reservation)
  record.status = status
  heads[head_at + 1], heads[head_at + 2] = record.key, draft.status_before
  heads[head_at + 3], heads[head_at + 4] = status, reason
  heads[head_at + 5], heads[head_at + 6] = occurred_at, rarities(draft)
  pieces[piece_at + 1], pieces[piece_at + 2] = cause, packed
  step.change_count = number + 1
  step.event_bytes = step.event_bytes + #record.key + #cause + #packed
end

local function note_changes(step, draft, occurred_at)
  local record = draft.record
  if not record.is_changed then
    local count = step.changed_record_count + 1
    record.is_changed = true
    record.status_before = draft.status_before
    step.changed_record_count = count
    step.changed_records[count] = record
  end
  for position = 1, draft.touched_count do
    local stock = draft.touched[position]
    if stock[AUTHORIZED] ~= stock[BEFORE]
      or stock[AUTHORIZED + 1] ~= stock[BEFORE + 1]
      or stock[AUTHORIZED + 2] ~= stock[BEFORE + 2]
    then
      changes.stock_changed(step, stock, occurred_at, step.change_count, wire.NOTHING)
    end
  end
  if draft.entry_changes then
    keep_entries(draft)
  end
end

-- Until the order comes, a reservation remembers where its facts stand.
local function remember_early_fact(reservation, cause)
  local early, coordinates = reservation[EARLY_FACTS] or {}, cmsgpack.unpack(cause)
  local count = #early
  for position = 1, 3 do
    early[count + position] = coordinates[position]
  end
  reservation[EARLY_FACTS] = early
end

-- Ends a decision that changed something. `cause`: bytes of msgpack.
function changes.made(step, draft, reason, occurred_at, cause)
  local reservation = draft.reservation
  reservation[VERSION] = reservation[VERSION] + 1
  if not reservation[COMPLETED_AT] then
    remember_early_fact(reservation, cause)
  elseif reservation[KEPT] then
    invoicing.drop_useless(draft)
  end
  if reservation[EXPIRES_AT] and (draft.is_paid or not drafts.has_held_units(reservation)) then
    reservation[EXPIRES_AT] = false
  end
  local packed = cmsgpack.pack(reservation)
  if not fits(step, draft, reason, packed) then
    return undo(draft)
  end
  publish(step, draft, reason, occurred_at, cause, packed)
  draft.record.packed = packed
  note_changes(step, draft, occurred_at)
  return draft.conflicts and outcome.CONFLICT
    or draft.shortages and outcome.REFUSED
    or outcome.CHANGED
end

-- Publishes a contradiction once: it moves no units, and the same again is a repeat.
-- `key`: kind, id and contents, as the domain joins them.
function changes.contradicted(step, draft, conflict, key, stated)
  local conflicts = draft.reservation[CONFLICTS] or {}
  for position = 1, #conflicts do
    if conflicts[position] == key then
      return outcome.REPEAT
    end
  end
  if #conflicts >= changes.REMEMBERED_MAX then
    return outcome.OUT_OF_BOUNDS
  end
  conflicts[#conflicts + 1] = key
  draft.reservation[CONFLICTS] = conflicts
  drafts.add_conflict(draft, conflict)
  return changes.made(step, draft, stated.reason, stated.occurred_at, stated.cause)
end

-- Where an invoice or a cancellation of this id (false: none) is remembered; nil if it is not.
function changes.seen(documents, id)
  for position = 1, #documents, 2 do
    if documents[position] == id then
      return position
    end
  end
  return nil
end

return changes
