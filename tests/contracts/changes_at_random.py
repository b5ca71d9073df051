"""Any reservation, any stock, and any event of them, lawful or not: writing does not judge."""

from hypothesis import strategies as st

from reservation_worker.domain.deadline import INSTANT_MAX_MS
from reservation_worker.domain.facts import Cause, LineUnits
from reservation_worker.domain.keys import ReservationId, StockId
from reservation_worker.domain.outcome import (
    AcknowledgedLine,
    Conflict,
    PublishedEvent,
    Reason,
    ReservationChanged,
    Shortage,
    StockChanged,
    UnitsAcknowledged,
)
from reservation_worker.domain.reservation import (
    AcknowledgedUnits,
    KeptCancellation,
    KeptInvoice,
    Line,
    Remembered,
    Reservation,
    Status,
)
from reservation_worker.domain.stock import Stock

IDS = st.text(
    st.characters(exclude_categories=("Cc", "Cs")) | st.sampled_from('/%"\\{}:'),
    min_size=1,
    max_size=12,
)
INSTANTS_MS = st.integers(-62_135_596_800_000, INSTANT_MAX_MS) | st.integers(0, 2**41).map(
    lambda second: second // 1000 * 1000
)
MAYBE_INSTANTS_MS = st.none() | INSTANTS_MS
QUANTITIES = st.integers(1, 1_000_000)
UNITS = st.integers(0, 1_000_000)
STOCK_UNITS = st.integers(-(10**12), 10**12)
BUCKET_UNITS = st.integers(0, 10**13)
DIGESTS = st.text("0123456789abcdef", min_size=16, max_size=16)
TRACEPARENTS = st.none() | st.from_regex(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", fullmatch=True)
CAUSES = st.builds(
    Cause,
    st.sampled_from(["order-completed", "shop.payments"]),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**63 - 1),
    st.none() | IDS,
    TRACEPARENTS,
)
LINES = st.builds(Line, IDS, IDS, IDS, QUANTITIES, UNITS, UNITS, UNITS, UNITS, UNITS, UNITS)
LINE_UNITS = st.lists(st.builds(LineUnits, IDS, QUANTITIES), max_size=2).map(tuple)
REMEMBERED = st.lists(st.builds(Remembered, st.none() | IDS, DIGESTS), max_size=2).map(tuple)
KEPT = st.builds(KeptInvoice, st.none() | IDS, INSTANTS_MS, INSTANTS_MS, LINE_UNITS) | st.builds(
    KeptCancellation, st.none() | IDS, LINE_UNITS
)
RESERVATIONS = st.builds(
    Reservation,
    id=st.builds(ReservationId, IDS, IDS),
    version=st.integers(1, 10**15 - 1),
    completed_at_ms=MAYBE_INSTANTS_MS,
    expires_at_ms=MAYBE_INSTANTS_MS,
    paid_at_ms=MAYBE_INSTANTS_MS,
    payment_id=st.none() | IDS,
    order_digest=st.none() | DIGESTS,
    lines=st.lists(LINES, max_size=3).map(tuple),
    acknowledged=st.lists(
        st.builds(AcknowledgedUnits, st.integers(0, 499), INSTANTS_MS, QUANTITIES), max_size=2
    ).map(tuple),
    invoices=REMEMBERED,
    cancellations=REMEMBERED,
    conflicts=st.lists(IDS, max_size=2).map(tuple),
    kept=st.lists(KEPT, max_size=3).map(tuple),
    early_facts=st.lists(
        st.tuples(IDS, st.integers(0, 99), st.integers(0, 10**12)), max_size=2
    ).map(tuple),
)
STOCKS = st.builds(
    Stock,
    id=st.builds(StockId, IDS, IDS, IDS),
    on_hand=STOCK_UNITS,
    authorized=BUCKET_UNITS,
    confirmed=BUCKET_UNITS,
    acknowledged=BUCKET_UNITS,
    limit=STOCK_UNITS,
    unlimited=st.booleans(),
    counted_at_ms=MAYBE_INSTANTS_MS,
    limit_counted_at_ms=MAYBE_INSTANTS_MS,
    unlimited_counted_at_ms=MAYBE_INSTANTS_MS,
    counted_by=st.none() | CAUSES,
    settled_through=st.none() | st.tuples(INSTANTS_MS, IDS),
    entries=st.just(()),
)


@st.composite
def reservation_changes(draw: st.DrawFn) -> ReservationChanged:
    """Draw a change whose shortages are of the reservation's own account."""
    reservation = draw(RESERVATIONS)
    stock_ids = st.builds(StockId, st.just(reservation.id.account), IDS, IDS)
    shortages = st.builds(
        Shortage, stock_ids, st.integers(0, 10**9), st.integers(0, 10**12), st.booleans()
    )
    return ReservationChanged(
        reservation,
        draw(st.none() | st.sampled_from(Status)),
        draw(st.sampled_from(Reason)),
        draw(INSTANTS_MS),
        tuple(draw(st.lists(shortages, max_size=2))),
        tuple(draw(st.lists(st.sampled_from(Conflict), unique=True, max_size=3))),
        draw(st.none() | CAUSES),
    )


ACKNOWLEDGED_LINES = st.lists(
    st.builds(AcknowledgedLine, IDS, IDS, IDS, QUANTITIES), max_size=3
).map(tuple)
UNITS_ACKNOWLEDGED = st.builds(
    UnitsAcknowledged,
    account=IDS,
    order_id=IDS,
    version=st.integers(1, 10**6),
    acknowledged_at_ms=INSTANTS_MS,
    invoice_id=st.none() | IDS,
    lines=ACKNOWLEDGED_LINES,
    already_counted=ACKNOWLEDGED_LINES,
    cause=st.none() | CAUSES,
)
STOCK_CHANGES = st.builds(
    StockChanged,
    stock=STOCKS,
    version=st.integers(1, 10**6),
    occurred_at_ms=INSTANTS_MS,
    cause=st.none() | CAUSES,
    traceparent=TRACEPARENTS,
)
EVENTS: st.SearchStrategy[PublishedEvent] = (
    reservation_changes() | UNITS_ACKNOWLEDGED | STOCK_CHANGES
)
