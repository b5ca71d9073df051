--- wire: how facts, reservations and stocks are written as arrays.
-- Purpose: positions and codes; `packing.py` and `records.py` have the same ones.
-- Keys: none
-- Arguments: none
-- Outcomes: none
-- Needs: none
-- An absent value is false: an array of msgpack must have no holes.

local wire = {}

-- Facts are a stream of ten values each, read behind three that the reading of a step adds.
-- Ids are percent-encoded.
wire.fact = {
  LINE_OFFSET = 1, -- where its lines begin
  LINES = 2, -- of an invoice or a cancellation: line id, units; line id, units; ...
  NEXT_OFFSET = 3, -- where the next fact begins
  KIND = 4,
  ACCOUNT = 5,
  KEY = 6, -- account/order; of the kinds 6 and 7, which speak of no order, warehouse/sku
  CAUSE_BYTES = 7, -- how many bytes of the causes are this fact's
  AT = 8, -- completed_at, approved_at, invoiced_at, canceled_at, counted_at, expires_at;
  -- of the kind 9, when the retention ended
  EXPIRES_AT = 9, -- as text, like the one of kind 5: it is compared and stored, never calculated
  ORDER_DIGEST = 10,
  PAYMENT_ID = 9,
  REACQUIRE = 10,
  DOCUMENT_ID = 9, -- of an invoice or a cancellation
  DOCUMENT_DIGEST = 10,
  COMPARED_AT = 11, -- of an invoice: a count from then on no longer has the units
  ON_HAND = 9,
  LIMIT = 10,
  UNLIMITED = 11,
  SETTLED_STOCK = 9,
  KEPT_VERSION = 9, -- the version that the retention was reached for
  LINE_BYTES = 12, -- how many bytes of the lines are this fact's,
  LINE_VALUES = 13, -- and how many values those are
}
wire.FACT_VALUES = 10

wire.kind = {
  ORDER_COMPLETED = 1,
  PAYMENT_APPROVED = 2,
  ORDER_INVOICED = 3,
  ORDER_CANCELED = 4,
  DEADLINE_REACHED = 5,
  BALANCE_COUNTED = 6,
  STOCK_SETTLEMENT_DUE = 7,
  RESERVATION_SETTLEMENT_DUE = 8,
  RETENTION_REACHED = 9,
}

-- A reservation is one flat array: these, and its lines behind them.
wire.reservation = {
  VERSION = 1,
  COMPLETED_AT = 2,
  EXPIRES_AT = 3, -- as text
  PAID_AT = 4,
  PAYMENT_ID = 5,
  ORDER_DIGEST = 6,
  -- Each of these is an array, or false for an empty one.
  ACKNOWLEDGED = 7, -- line index from 0, compared_at, units; ...
  INVOICES = 8, -- id, digest; ...
  CANCELLATIONS = 9, -- id, digest; ...
  CONFLICTS = 10,
  KEPT = 11,
  EARLY_FACTS = 12, -- topic, partition, offset; ... until the order comes
}

-- A line begins at FIRST, FIRST + WIDTH, ... and the others are added to that.
wire.line = {
  FIRST = 13,
  WIDTH = 9,
  ID = 0,
  STOCK = 1, -- warehouse/sku
  QUANTITY = 2,
  HELD = 3,
  ACKNOWLEDGED = 4,
  SETTLED = 5,
  CANCELED = 6,
  EXPIRED = 7,
  DENIED = 8,
}

wire.kept = {
  KIND = 1,
  ID = 2,
  AT = 3, -- of an invoice
  LINES = 4,
  COMPARED_AT = 5, -- of an invoice
  INVOICE = 1,
  CANCELLATION = 2,
}

-- Stocks are read and written in every step, so one flat table holds all that a step knows of one.
-- Stored are two arrays in an array: the first eight, and the counts (below) as they came.
wire.stock = {
  VERSION = 1,
  ON_HAND = 2,
  AUTHORIZED = 3,
  CONFIRMED = 4,
  ACKNOWLEDGED = 5,
  LIMIT = 6,
  UNLIMITED = 7,
  COUNTED_AT = 8,
  COUNTS = 9, -- bytes of msgpack
  KEY = 10, -- in Redis
  ACCOUNT = 11,
  NAME = 12, -- warehouse/sku
  FIRST = 13, -- what the three buckets were before the step (13, 14, 15)
  BEFORE = 16, -- what the three buckets were before the fact that touched it last (16, 17, 18)
  TOUCHED_BY = 19, -- the number of that fact
  OCCURRED_AT = 20, -- of the last fact that changed it; false: none did
  CAUSE = 21, -- of a balance: bytes of msgpack
  CHANGE = 22, -- the change of a reservation that was the last to touch it, from 1; or false
  IS_RECOUNTED = 23, -- by a balance, or by a settlement that goes on with one
  ENTRIES_ADDED = 24, -- score, member; ...
  ENTRIES_REMOVED = 25, -- member; ...
  ENTRIES_TAKEN = 26, -- how many of the oldest
  COVERED = 27, -- entries that a balance of this step covers
}
wire.STOCK_VALUES = 8
wire.STOCK_HEAD = '\146' -- of an array of two
wire.STOCK_VALUES_OFFSET = 2 -- behind the heads of the outer array and of the first inner one
wire.NO_COUNTS = '\149\194\194\194\194\194' -- an array of five times false

-- What only balances and settlements look at.
wire.counts = {
  LIMIT_COUNTED_AT = 1,
  UNLIMITED_COUNTED_AT = 2,
  COUNTED_BY = 3,
  SETTLED_THROUGH_AT = 4,
  SETTLED_THROUGH_MEMBER = 5,
}

-- One character per fact in the reply.
wire.outcome = {
  CHANGED = '1',
  REPEAT = '2',
  REFUSED = '3',
  CONFLICT = '4',
  BALANCE_DIFFERS = '5',
  OUT_OF_BOUNDS = '6',
}

wire.status = {
  AWAITING = 1,
  CONFIRMED = 2,
  AUTHORIZED = 3,
  ACKNOWLEDGED = 4,
  SETTLED = 5,
  CANCELED = 6,
  EXPIRED = 7,
  DENIED = 8,
}

-- Which of two indexes a reservation of this status is in; the others are in neither.
wire.index_of = {
  [wire.status.AWAITING] = 'awaiting',
  [wire.status.SETTLED] = 'over',
  [wire.status.CANCELED] = 'over',
  [wire.status.EXPIRED] = 'over',
  [wire.status.DENIED] = 'over',
}

wire.reason = {
  ORDER_COMPLETED = 1,
  PAYMENT_APPROVED = 2,
  ORDER_INVOICED = 3,
  ORDER_CANCELED = 4,
  DEADLINE_REACHED = 5,
  BALANCE_COUNTED = 6,
}

wire.conflict = {
  ORDER_DIFFERS = 1,
  INVOICED_AFTER_CANCEL = 2,
  INVOICED_WITHOUT_STOCK = 3,
  INVOICED_TOO_MANY = 4,
  CANCELED_AFTER_INVOICE = 5,
  CANCELED_TOO_MANY = 6,
  PAID_TWICE = 7,
  ID_REUSED = 8,
}
wire.CONFLICTS = 8

-- How an outbox entry is laid out; another layout gets another number.
wire.OUTBOX_FORMAT = 4

-- How reservations and stocks are laid out, as `meta` says it; another layout gets another number.
-- A shard of another one cannot be read: like a torn one it is rebuilt.
wire.LAYOUT = '3'

wire.NOTHING = '\192' -- msgpack's nil, for where a cause would be

-- What replaces `unpack`: the values of a stream as an array, without the offset behind them.
function wire.values(bytes, count, offset)
  if count == 0 then
    return {}
  end
  return { select(2, cmsgpack.unpack_limit(bytes, count, offset)) }
end

-- The values of one msgpack array. `cmsgpack.unpack` lets the table grow value by value.
function wire.array(bytes)
  local head, high, low = string.byte(bytes, 1, 3)
  if head < 160 then
    return wire.values(bytes, head - 144, 1) -- up to 15 values: the head is one byte
  end
  return wire.values(bytes, high * 256 + low, 3)
end

function wire.encoded(part)
  if string.find(part, '[%%/]') then
    part = string.gsub(string.gsub(part, '%%', '%%25'), '/', '%%2F')
  end
  return part
end

local texts = {}

-- An integer as text; most of them come again and again. tostring() rounds from 10^14 on.
function wire.integer(number)
  local text = texts[number]
  if not text then
    text = string.format('%.0f', number)
    texts[number] = text
  end
  return text
end

-- Byte by byte: Lua's `<` on strings follows the locale of the server's machine.
function wire.at_most(left, right)
  local length = math.min(#left, #right)
  for position = 1, length do
    local one, other = string.byte(left, position), string.byte(right, position)
    if one ~= other then
      return one < other
    end
  end
  return #left <= #right
end

-- The head of a msgpack array of so many elements, which are then joined to it as they are.
function wire.array_head(count)
  return string.char(
    221,
    math.floor(count / 16777216) % 256,
    math.floor(count / 65536) % 256,
    math.floor(count / 256) % 256,
    count % 256
  )
end

return wire
