"""G1 from the published events alone, without the ledger: every unit is in exactly one place."""

from collections import Counter
from dataclasses import dataclass

from reservation_worker.audit.topics import Published, Removal, Step
from reservation_worker.audit.verdict import Findings, Law
from reservation_worker.contracts.outputs import ReservationChangedBody, StockChangedBody
from reservation_worker.domain.keys import ReservationId, StockId


@dataclass(frozen=True, slots=True)
class _Units:
    """Units that reservations hold of one stock."""

    authorized: int = 0
    confirmed: int = 0
    acknowledged: int = 0


class _Holders:
    """What the published reservations hold, added up per stock."""

    def __init__(self) -> None:
        self._of_reservation: dict[ReservationId, Counter[tuple[StockId, str]]] = {}
        self._total: Counter[tuple[StockId, str]] = Counter()

    def put(self, reservation_id: ReservationId, body: ReservationChangedBody) -> set[StockId]:
        """Take a reservation's newest state; return the stocks that it names."""
        units: Counter[tuple[StockId, str]] = Counter()
        bucket = "authorized" if body.paid_at_ms is None else "confirmed"
        for line in body.lines:
            stock_id = StockId(body.account, line.warehouse_id, line.sku)
            units[stock_id, bucket] += line.held
            units[stock_id, "acknowledged"] += line.acknowledged
        self._total.subtract(self._of_reservation.get(reservation_id, Counter()))
        self._total.update(units)
        self._of_reservation[reservation_id] = units
        return {stock_id for stock_id, _ in units}

    def forget(self, reservation_id: ReservationId) -> set[StockId]:
        """Take a reservation out; return the stocks that it named."""
        units = self._of_reservation.pop(reservation_id, Counter())
        self._total.subtract(units)
        return {stock_id for stock_id, _ in units}

    def units(self, stock_id: StockId) -> _Units:
        """Return what all reservations together hold of a stock."""
        return _Units(
            self._total[stock_id, "authorized"],
            self._total[stock_id, "confirmed"],
            self._total[stock_id, "acknowledged"],
        )


def judge_buckets(steps: list[Step], findings: Findings) -> None:
    """Hold the buckets of each stock against its count, its limit and its reservations."""
    holders = _Holders()
    stocks: dict[StockId, StockChangedBody] = {}
    for step in steps:
        touched: dict[StockId, None] = {}
        for published in step.events:
            body = published.body
            if isinstance(body, ReservationChangedBody):
                _judge_lines(published, body, findings)
                reservation_id = ReservationId(body.account, body.order_id)
                touched.update(dict.fromkeys(holders.put(reservation_id, body)))
            elif isinstance(body, Removal):
                reservation_id = ReservationId(body.account, body.order_id)
                touched.update(dict.fromkeys(holders.forget(reservation_id)))
            elif isinstance(body, StockChangedBody):
                stock_id = StockId(body.account, body.warehouse_id, body.sku)
                _judge_stock(published, body, findings)
                _judge_limit(published, stocks.get(stock_id), body, findings)
                stocks[stock_id] = body
                touched[stock_id] = None
        for stock_id in touched:
            _judge_holders(step, stock_id, stocks.get(stock_id), holders.units(stock_id), findings)
    _judge_acknowledged(stocks, holders, findings)


def _judge_lines(published: Published, body: ReservationChangedBody, findings: Findings) -> None:
    for line in body.lines:
        places = line.held + line.acknowledged + line.settled
        places += line.canceled + line.expired + line.denied
        findings.check(
            Law.SOLD_ONCE,
            "order lines, each unit in one place",
            holds=places == line.quantity,
            violation=f"event {published.event_id}: line {line.line_id} of "
            f"{published.subject.key} has {line.quantity} units, but {places} in its places",
        )


def _judge_stock(published: Published, body: StockChangedBody, findings: Findings) -> None:
    buckets = body.available + body.authorized + body.confirmed + body.acknowledged
    findings.check(
        Law.SOLD_ONCE,
        "stocks, each unit in one bucket",
        holds=buckets == body.on_hand,
        violation=f"event {published.event_id}: {published.subject.key} has {body.on_hand} units "
        f"on hand, but {buckets} in its buckets",
    )


def _judge_limit(
    published: Published,
    before: StockChangedBody | None,
    body: StockChangedBody,
    findings: Findings,
) -> None:
    if body.unlimited or body.internal.cause is not None:
        return
    available_before = 0 if before is None else before.available
    findings.check(
        Law.SOLD_ONCE,
        "stocks never sold below their limit",
        holds=body.available >= body.limit or body.available >= available_before,
        violation=f"event {published.event_id}: {published.subject.key} was sold down to "
        f"{body.available} available units, below its limit of {body.limit}",
    )


def _judge_holders(
    step: Step, stock_id: StockId, body: StockChangedBody | None, units: _Units, findings: Findings
) -> None:
    authorized = 0 if body is None else body.authorized
    confirmed = 0 if body is None else body.confirmed
    findings.check(
        Law.SOLD_ONCE,
        "stocks that equal the sum of their reservations",
        holds=(authorized, confirmed) == (units.authorized, units.confirmed),
        violation=f"step {step.shard}-{step.number}: {stock_id.key} says {authorized} authorized "
        f"and {confirmed} confirmed units, its reservations hold {units.authorized} and "
        f"{units.confirmed}",
    )


def _judge_acknowledged(
    stocks: dict[StockId, StockChangedBody], holders: _Holders, findings: Findings
) -> None:
    """At the end every settlement has followed: the acknowledged bucket is a sum as well."""
    for stock_id, body in stocks.items():
        units = holders.units(stock_id).acknowledged
        findings.check(
            Law.SOLD_ONCE,
            "acknowledged buckets at the end",
            holds=body.acknowledged == units and body.internal.settled_through is None,
            violation=f"{stock_id.key} ends with {body.acknowledged} acknowledged units, its "
            f"reservations with {units}",
        )
