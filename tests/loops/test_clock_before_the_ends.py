"""The payment frontier is a moment before its ends were asked for, never one behind them."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from reservation_worker.adapters.in_memory.broker import InMemoryBroker
from reservation_worker.adapters.in_memory.log import InMemoryPaymentOffsets
from reservation_worker.adapters.in_memory.store import InMemoryStore
from reservation_worker.deadlines import PaymentFrontier
from reservation_worker.ports import PaymentEnds
from reservation_worker.telemetry.metrics import Metrics
from tests.clocks import StandingClock

TOPIC = "payment-approved"
STARTED_AT_MS = 1_000_000


class SlowOffsets(InMemoryPaymentOffsets):
    """A broker that takes its time; meanwhile a payment is made, in time, and not counted yet."""

    def __init__(self, broker: InMemoryBroker, let_time_pass: Callable[[], None]) -> None:
        super().__init__(broker, TOPIC)
        self._let_time_pass = let_time_pass

    def ends(self) -> PaymentEnds:
        """Return the ends as they were when the question came."""
        ends = super().ends()
        self._let_time_pass()
        return ends


def test_a_payment_made_while_the_ends_are_asked_for_is_not_taken_for_applied() -> None:
    """It lies behind the ends: a clock that is read after them would say that it was awaited."""
    clock = StandingClock(STARTED_AT_MS)
    broker = InMemoryBroker({TOPIC: 1}, 1, clock)
    broker.committed[TOPIC, 0] = 0
    frontier = PaymentFrontier(
        SlowOffsets(broker, lambda: clock.advance(5_000)),
        InMemoryStore(clock),
        clock,
        Metrics(CollectorRegistry()),
    )
    frontier.advance()
    assert STARTED_AT_MS == frontier.reached_ms
