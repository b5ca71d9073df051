"""What input events state, as values; all instants are milliseconds since the epoch, UTC."""

from hashlib import sha256

from reservation_worker.domain.keys import ReservationId, StockId, join_key
from reservation_worker.domain.values import value_class

ORDER_LINES_MAX = 500
LINE_QUANTITY_MAX = 1_000_000
STOCK_UNITS_MAX = 10**12
"""``on_hand`` and ``limit`` lie within plus and minus this many units."""
ID_BYTES_MAX = 128
INTEGER_MAX = 10**15 - 1
"""Lua and cjson corrupt larger integers."""
REMEMBERED_PER_RESERVATION_MAX = 200
"""Invoices, cancellations, and conflicts: at most this many of each per reservation."""


def contents_digest(*parts: str) -> str:
    """Return 16 hex digits of SHA-256 that stand for the contents of a fact."""
    return sha256(join_key(*parts).encode()).hexdigest()[:16]


Coordinates = tuple[str, int, int]
"""Topic, partition and offset of an input record: they name it for good."""


@value_class(frozen=True, slots=True)
class Cause:
    """The input record that stated a fact."""

    topic: str
    partition: int
    offset: int
    event_id: str | None = None
    """The record's CloudEvents id, if it had one."""
    traceparent: str | None = None

    @property
    def coordinates(self) -> Coordinates:
        """Where the record stands."""
        return (self.topic, self.partition, self.offset)


@value_class(frozen=True, slots=True)
class OrderLine:
    """One line of a completed order."""

    line_id: str
    warehouse_id: str
    sku: str
    quantity: int


@value_class(frozen=True, slots=True)
class LineUnits:
    """Some units of one line, as an invoice or a cancellation names them."""

    line_id: str
    quantity: int


@value_class(frozen=True, slots=True)
class OrderCompleted:
    """A customer completed an order; ``expires_at_ms`` is its deadline if it stays unpaid."""

    account: str
    order_id: str
    completed_at_ms: int
    expires_at_ms: int
    lines: tuple[OrderLine, ...]
    cause: Cause

    @property
    def digest(self) -> str:
        """Stands for the lines, in whatever order they are written."""
        ordered = sorted(self.lines, key=lambda line: line.line_id)
        return contents_digest(
            *(
                part
                for line in ordered
                for part in (line.line_id, line.warehouse_id, line.sku, str(line.quantity))
            )
        )


@value_class(frozen=True, slots=True)
class PaymentApproved:
    """An order was paid."""

    account: str
    order_id: str
    approved_at_ms: int
    payment_id: str | None
    reacquire: bool
    """The account's late-payment policy: hold expired or denied units again (else refund)."""
    cause: Cause


@value_class(frozen=True, slots=True)
class OrderInvoiced:
    """Units were handed to delivery; no lines: every unit that can still be moved."""

    account: str
    order_id: str
    invoiced_at_ms: int
    """The invoice's own date, which is published."""
    compared_at_ms: int
    """When the goods had left at the latest, as far as the invoice tells: a count from then on no
    longer has them.
    """
    invoice_id: str | None
    """None only where no lines are named: then it is *the* whole invoice."""
    lines: tuple[LineUnits, ...]
    cause: Cause

    @property
    def digest(self) -> str:
        """Stands for the lines: many senders stamp each delivery of an invoice anew."""
        return contents_digest(*_units_parts(self.lines))


@value_class(frozen=True, slots=True)
class OrderCanceled:
    """Units were given back; no lines: every unit that can still be moved."""

    account: str
    order_id: str
    canceled_at_ms: int
    cancellation_id: str | None
    """None only where no lines are named: then it is *the* whole cancellation."""
    lines: tuple[LineUnits, ...]
    cause: Cause

    @property
    def digest(self) -> str:
        """Stands for the lines: the time of a cancellation has no effect on anything."""
        return contents_digest(*_units_parts(self.lines))


@value_class(frozen=True, slots=True)
class BalanceCounted:
    """The ERP or the store counted a stock."""

    account: str
    warehouse_id: str
    sku: str
    on_hand: int
    counted_at_ms: int
    limit: int | None
    """None leaves the stored limit as it is."""
    unlimited: bool | None
    """None leaves the stored mark as it is."""
    cause: Cause


@value_class(frozen=True, slots=True)
class DeadlineReached:
    """An unpaid order's deadline has passed; names the deadline it was decided for."""

    account: str
    order_id: str
    expires_at_ms: int


@value_class(frozen=True, slots=True)
class RetentionReached:
    """A reservation that is over, or whose order never came, has been kept long enough.

    Names the version it was decided for.
    """

    account: str
    order_id: str
    version: int
    reached_at_ms: int
    """When the retention ended, however much later that was seen."""


@value_class(frozen=True, slots=True)
class StockSettlementDue:
    """A balance covered more acknowledged entries than one step may settle: continue."""

    account: str
    warehouse_id: str
    sku: str


@value_class(frozen=True, slots=True)
class ReservationSettlementDue:
    """A balance took acknowledged units of an order out of a stock: mark them settled."""

    account: str
    warehouse_id: str
    sku: str
    order_id: str


InputFact = OrderCompleted | PaymentApproved | OrderInvoiced | OrderCanceled | BalanceCounted
"""Facts that input records state."""
Settlement = StockSettlementDue | ReservationSettlementDue
TimedFact = DeadlineReached | RetentionReached | Settlement
"""Facts that the owner of a shard states: time, and what a balance left to do."""
Fact = InputFact | TimedFact


def reservation_id_of(
    fact: OrderCompleted
    | PaymentApproved
    | OrderInvoiced
    | OrderCanceled
    | DeadlineReached
    | RetentionReached
    | ReservationSettlementDue,
) -> ReservationId:
    """Return the reservation that a fact speaks of."""
    return ReservationId(fact.account, fact.order_id)


def stock_id_of(
    fact: BalanceCounted | StockSettlementDue | ReservationSettlementDue,
) -> StockId:
    """Return the stock that a fact speaks of."""
    return StockId(fact.account, fact.warehouse_id, fact.sku)


def _units_parts(lines: tuple[LineUnits, ...]) -> tuple[str, ...]:
    ordered = sorted(lines, key=lambda line: line.line_id)
    return tuple(part for line in ordered for part in (line.line_id, str(line.quantity)))
