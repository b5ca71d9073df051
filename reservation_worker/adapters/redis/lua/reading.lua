--- reading: the first phase of a step: every key that the facts concern, once.
-- Purpose: reads reservations and stocks, and says how many of the facts this step takes.
-- Keys: reservation, stock, acknowledged
-- Arguments: facts, lines, lines_per_step_max, settled_entries_max
-- Outcomes: none
-- Needs: wire, chunks, stocks, drafts
-- A balance has its stock to itself in a step: the prefix ends before a balance of a stock that an
-- earlier fact names, and before a fact that names a stock balanced in this step. In the same way
-- a reservation whose retention was reached has no other facts in its step.

local reading = {}

local fact_at, kind, at = wire.fact, wire.kind, wire.stock
local KIND, ACCOUNT, KEY = wire.fact.KIND, wire.fact.ACCOUNT, wire.fact.KEY
local FIRST, WIDTH, STOCK = wire.line.FIRST, wire.line.WIDTH, wire.line.STOCK
local COMPLETED_AT, EXPIRES_AT = wire.reservation.COMPLETED_AT, wire.reservation.EXPIRES_AT
local unpack_limit = cmsgpack.unpack_limit
local ORDER_COMPLETED, SETTLEMENT = kind.ORDER_COMPLETED, kind.RESERVATION_SETTLEMENT_DUE
local INVOICED, CANCELED = kind.ORDER_INVOICED, kind.ORDER_CANCELED
local RETENTION = kind.RETENTION_REACHED
local BALANCE, STOCK_SETTLEMENT = kind.BALANCE_COUNTED, kind.STOCK_SETTLEMENT_DUE

-- What the naming of stocks puts where the stocks themselves come once they are read.
local NAMED, BALANCED = 1, 2

-- So many stored bytes take as long as a line.
local BYTES_PER_LINE = 256

-- Takes the stream of facts apart; the lines of each begin where those of the one before end.
local function unpack_facts(step)
  local facts, stream, offset, line_offset = {}, step.fact_stream, 0, 0
  local position, FACT_VALUES = 0, wire.FACT_VALUES
  while offset >= 0 do
    local fact = { line_offset, false, unpack_limit(stream, FACT_VALUES, offset) }
    offset, position = fact[fact_at.NEXT_OFFSET], position + 1
    facts[position] = fact
    line_offset = line_offset + fact[fact_at.LINE_BYTES]
  end
  step.facts, step.fact_count = facts, position
end

local function read_reservations(step)
  local records, keys, by_key, prefix = {}, {}, {}, step.prefix .. 'r:'
  local count = 0
  for position = 1, step.fact_count do
    local fact = step.facts[position]
    if fact[KIND] ~= BALANCE and fact[KIND] ~= STOCK_SETTLEMENT then
      local key = fact[KEY]
      local record = by_key[key]
      if not record then
        count = count + 1
        record = {
          key = key,
          key_in_redis = prefix .. key,
          packed = false,
          value = false,
          opened = false, -- what the order makes of a reservation that has no lines yet,
          opened_by = false, -- and the fact that brings the order
          are_stocks_named = false,
          expires_at_before = false,
          status_before = 0, -- before the step; 0: there was none
          status = 0,
          is_alone = false, -- no other fact of this step may name it
          is_changed = false,
        }
        by_key[key] = record
        records[count] = record
        keys[count] = record.key_in_redis
      end
      step.record_of[position] = record
    end
  end
  local found = chunks.read(keys)
  for position = 1, count do
    records[position].packed = found[position]
  end
end

-- Gives what this reservation costs, in lines.
local function unpack_reservation(record)
  if not record.packed then
    record.value = drafts.empty_reservation()
    return 0
  end
  record.value = wire.array(record.packed)
  record.expires_at_before = record.value[EXPIRES_AT]
  return #record.packed / BYTES_PER_LINE
end

-- Makes a reservation of an order: all its units are denied until they are held.
local function open(step, record, fact)
  record.opened_by = fact
  record.opened = {
    0, fact[fact_at.AT], fact[fact_at.EXPIRES_AT], false, false, fact[fact_at.ORDER_DIGEST],
    false, false, false, false, false, false,
    select(2, unpack_limit(step.lines, fact[fact_at.LINE_VALUES], fact[fact_at.LINE_OFFSET])),
  }
end

local function stocks_of(step, account)
  local account_stocks = step.accounts[account]
  if not account_stocks then
    account_stocks = {}
    step.accounts[account] = account_stocks
  end
  return account_stocks
end

local function name_new(step, account_stocks, account, name, mark)
  local count = step.stock_count + 1
  account_stocks[name] = mark
  step.stock_count, step.stock_keys[count] = count, step.stock_prefix .. account .. '/' .. name
  step.stock_accounts[count], step.stock_names[count] = account, name
end

-- Tells whether the fact's reservation may be decided in this step, as far as its stocks go.
local function name_lines(step, account, reservation)
  local account_stocks = stocks_of(step, account)
  for line_at = FIRST + STOCK, #reservation, WIDTH do
    local name = reservation[line_at]
    local mark = account_stocks[name]
    if not mark then
      name_new(step, account_stocks, account, name, NAMED)
    elseif mark == BALANCED then
      return false
    end
  end
  return true
end

-- Tells whether the stock may be used in this step, by a balance or by a settlement.
local function name_one(step, account, name, mark)
  local account_stocks = stocks_of(step, account)
  local mark_before = account_stocks[name]
  if mark_before then
    return mark_before == NAMED and mark == NAMED
  end
  name_new(step, account_stocks, account, name, mark)
  return true
end

-- Tells whether the fact may join the step, and what it costs in lines.
local function name_stocks(step, fact, record)
  local cost, kind_of_fact = 1, fact[KIND]
  if record.is_alone or (kind_of_fact == RETENTION and record.value) then
    return false, cost
  end
  if not record.value then
    cost = cost + unpack_reservation(record)
  end
  if kind_of_fact == SETTLEMENT then
    return name_one(step, fact[ACCOUNT], fact[fact_at.SETTLED_STOCK], NAMED), cost
  end
  if kind_of_fact == RETENTION then
    record.is_alone = true
    return true, cost
  end
  local reservation = record.value
  if not reservation[COMPLETED_AT] then
    if kind_of_fact == ORDER_COMPLETED and not record.opened then
      open(step, record, fact)
    end
    reservation = record.opened
  end
  if kind_of_fact == INVOICED or kind_of_fact == CANCELED then
    local count = fact[fact_at.LINE_VALUES]
    fact[fact_at.LINES] = wire.values(step.lines, count, fact[fact_at.LINE_OFFSET])
    cost = cost + count / 2
  end
  if not reservation then
    return true, cost
  end
  if not record.are_stocks_named then
    if not name_lines(step, fact[ACCOUNT], reservation) then
      return false, cost
    end
    record.are_stocks_named = true
  end
  return true, cost + (#reservation - FIRST + 1) / WIDTH
end

-- How many facts this step takes: at least one.
local function taken_prefix(step)
  local lines_left = step.lines_max
  for position = 1, step.fact_count do
    local fact, record = step.facts[position], step.record_of[position]
    local is_taken, cost = true, 1
    if record then
      is_taken, cost = name_stocks(step, fact, record)
    else
      is_taken = name_one(step, fact[ACCOUNT], fact[KEY], BALANCED)
    end
    lines_left = lines_left - cost
    if not is_taken or (lines_left < 0 and position > 1) then
      return position - 1
    end
  end
  return step.fact_count
end

local function read_stocks(step)
  local found = chunks.read(step.stock_keys)
  for position = 1, step.stock_count do
    local account, name = step.stock_accounts[position], step.stock_names[position]
    local key = step.stock_keys[position]
    step.accounts[account][name] = stocks.read(found[position], key, account, name)
  end
end

-- Up to which date a fact may settle entries of its stock; nil or false where it settles none.
local function settles_up_to(fact, stock)
  local counted_at = stock[at.COUNTED_AT]
  if stock[at.ACKNOWLEDGED] == 0 then
    return nil
  end
  if fact[KIND] == STOCK_SETTLEMENT then
    return stocks.counts(stock)[wire.counts.SETTLED_THROUGH_AT] and counted_at
  end
  return (not counted_at or fact[fact_at.AT] > counted_at) and fact[fact_at.AT]
end

-- Reads the acknowledged entries that balances settle; they count as lines do.
local function read_entries(step)
  local lines_left = step.lines_max
  for position = 1, step.taken do
    local fact, stock, up_to = step.facts[position], nil, nil
    if not step.record_of[position] then
      stock = step.accounts[fact[ACCOUNT]][fact[KEY]]
      up_to = settles_up_to(fact, stock)
    end
    if up_to then
      local key = step.prefix .. 'a:' .. stock[at.ACCOUNT] .. '/' .. stock[at.NAME]
      local entries_max = step.settled_entries_max + 1
      stock[at.COVERED] = redis.call(
        'ZRANGEBYSCORE', key, '-inf', wire.integer(up_to), 'LIMIT', 0, entries_max
      )
      lines_left = lines_left - #stock[at.COVERED]
      if lines_left < 0 and position > 1 then
        step.taken = position - 1
        return
      end
    end
  end
end

function reading.read(step)
  step.record_of, step.accounts = {}, {} -- of accounts: stocks by warehouse/sku
  step.stock_keys, step.stock_accounts, step.stock_names = {}, {}, {}
  step.stock_count = 0
  step.stock_prefix = step.prefix .. 's:'
  unpack_facts(step)
  read_reservations(step)
  step.taken = taken_prefix(step)
  read_stocks(step)
  read_entries(step)
end

return reading
