"""A payment in time is never expired: the frontier waits, and never guesses."""

from math import inf

import pytest
from prometheus_client import CollectorRegistry

from reservation_worker.adapters.in_memory.broker import InMemoryBroker
from reservation_worker.adapters.in_memory.log import InMemoryPaymentOffsets
from reservation_worker.adapters.in_memory.store import InMemoryStore
from reservation_worker.deadlines import NOTHING_EXPIRES_MS, PaymentFrontier
from reservation_worker.telemetry.metrics import Metrics
from tests.clocks import StandingClock
from tests.loops.small_shop import SmallShop

TOPIC = "payment-approved"
STARTED_AT_MS = 1_000_000


class Payments:
    """A payment topic of two partitions, and a frontier that looks at it."""

    def __init__(self) -> None:
        self.clock = StandingClock(STARTED_AT_MS)
        self.store_clock = StandingClock(STARTED_AT_MS + 500)
        self.broker = InMemoryBroker({TOPIC: 2}, 1, self.clock)
        self.metrics = Metrics(CollectorRegistry())
        self.frontier = PaymentFrontier(
            InMemoryPaymentOffsets(self.broker, TOPIC),
            InMemoryStore(self.store_clock),
            self.clock,
            self.metrics,
        )

    def pay(self, partition: int) -> None:
        """Write one payment."""
        self.broker.append(TOPIC, partition, b"{}", self.clock.now_ms())

    def commit(self, *offsets: int) -> None:
        """Commit an offset per partition."""
        for number, offset in enumerate(offsets):
            self.broker.committed[TOPIC, number] = offset

    def age_seconds(self) -> float:
        """Ask the metric, as a scraper does."""
        ((sample,),) = [one.samples for one in self.metrics.payment_frontier_age.collect()]
        return sample.value

    def look(self, duration_ms: int = 1_000) -> int | None:
        """Let time pass on both clocks, and return the frontier."""
        self.clock.advance(duration_ms)
        self.store_clock.advance(duration_ms)
        self.frontier.advance()
        return self.frontier.reached_ms


@pytest.fixture
def payments() -> Payments:
    """Return a payment topic that nobody has read."""
    return Payments()


def test_the_frontier_is_unknown_until_every_partition_is_committed(payments: Payments) -> None:
    """An empty partition counts as well: nobody knows that it is empty before it is read."""
    assert payments.look() is None
    payments.commit(0)
    assert payments.look() is None
    payments.commit(0, 0)
    assert payments.look() == STARTED_AT_MS + 3_000


def test_the_frontier_is_the_slower_clock(payments: Payments) -> None:
    """A clock that runs ahead must not expire anything early."""
    payments.commit(0, 0)
    payments.store_clock.set_wall(STARTED_AT_MS - 60_000)
    assert payments.look(0) == STARTED_AT_MS - 60_000
    payments.store_clock.set_wall(STARTED_AT_MS + 3_600_000)
    assert payments.look(0) == STARTED_AT_MS


def test_an_unread_payment_holds_the_frontier_back(payments: Payments) -> None:
    """It may be the one that was made in time."""
    payments.commit(0, 0)
    before = payments.look()
    payments.pay(1)
    assert payments.look() == before
    assert payments.look() == before
    payments.commit(0, 1)
    assert payments.look() == STARTED_AT_MS + 4_000


def test_the_frontier_moves_under_constant_traffic(payments: Payments) -> None:
    """The newest end is never reached while payments keep coming; an older one is."""
    payments.commit(0, 0)
    payments.look()
    payments.pay(0)
    payments.look()
    sampled_at_ms = payments.clock.now_ms()
    payments.pay(0)
    payments.commit(1, 0)
    assert payments.look() == sampled_at_ms


def test_a_committed_offset_beyond_the_end_stops_the_frontier(payments: Payments) -> None:
    """The topic was created anew: payments below that offset will never be read."""
    payments.commit(7, 0)
    assert payments.look() is None
    assert payments.look() is None
    payments.commit(0, 0)
    assert payments.look() is not None


def test_offsets_of_a_topic_that_was_created_anew_move_nothing(payments: Payments) -> None:
    """It is filled past the old offsets: the payments below them were never read."""
    payments.commit(3, 3)
    payments.broker.committed_topic_ids[TOPIC] = "first"
    for _ in range(3):
        payments.pay(0)
        payments.pay(1)
    before = payments.look()
    assert before is not None
    payments.pay(0)
    assert payments.look() == before
    payments.broker.topic_ids[TOPIC] = "second"
    payments.commit(4, 3)
    assert payments.look() == before
    payments.broker.committed_topic_ids[TOPIC] = "second"
    payments.commit(3, 3)
    assert payments.look() == before
    payments.commit(4, 3)
    assert payments.look() != before


def test_a_sample_of_the_topic_before_says_nothing_of_the_one_after(payments: Payments) -> None:
    """Its ends are of other records, however alike the numbers are."""
    payments.commit(0, 0)
    before = payments.look()
    payments.pay(0)
    assert payments.look() == before
    payments.broker.topic_ids[TOPIC] = "second"
    payments.pay(0)
    payments.broker.committed_topic_ids[TOPIC] = "second"
    payments.commit(1, 0)
    assert payments.look() == before
    payments.commit(2, 0)
    assert payments.look() != before


def test_a_new_partition_holds_the_frontier_back_until_it_is_read(payments: Payments) -> None:
    """Partitions are asked for anew each time."""
    payments.commit(0, 0)
    before = payments.look()
    payments.broker.inputs[TOPIC, 2] = []
    assert payments.look() == before
    payments.commit(0, 0, 0)
    assert payments.look() != before


def test_the_age_of_the_frontier_is_reckoned_when_it_is_asked_for(payments: Payments) -> None:
    """In an outage nothing is sampled, and its age is what tells of it."""
    assert payments.age_seconds() == inf
    payments.commit(0, 0)
    payments.look()
    assert payments.age_seconds() == 0
    payments.clock.advance(90_000)
    assert payments.age_seconds() == 90


def test_a_frontier_that_does_not_move_says_which_partition_it_waits_for(
    payments: Payments,
) -> None:
    """Whoever is asked why nothing expires must know where to look; everything else goes on."""
    payments.commit(0, 0)
    payments.look()
    payments.pay(1)
    payments.look(59_000)
    assert payments.frontier.delay() is None
    payments.look()
    delay = payments.frontier.delay()
    assert delay is not None
    assert "1 (committed 0 of 1)" in delay
    payments.commit(0, 1)
    payments.look()
    assert payments.frontier.delay() is None


@pytest.mark.parametrize("expires_at_ms", [-86_400_000, 0, 1])
def test_no_deadline_is_so_long_ago_that_it_needs_no_frontier(expires_at_ms: int) -> None:
    """A payment made in time may still be unread, whatever date some program put into an order."""
    assert expires_at_ms > NOTHING_EXPIRES_MS


def test_an_unpaid_order_expires_after_its_deadline_and_grace() -> None:
    """Not a moment before, whatever the scan finds."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.order("A", "boots", ttl_seconds=10)
    shop.finish(worker)
    shop.clock.advance(10_000)
    shop.turn(worker)
    assert {"acme/A": "Authorized"} == shop.statuses()
    shop.clock.advance(shop.deadlines.grace_ms)
    shop.turn_until(lambda: shop.statuses() == {"acme/A": "Expired"}, "A is expired", worker)


def test_a_payment_that_nobody_reads_keeps_its_order_from_expiring() -> None:
    """The apply loop lags: expiry waits for it, and the payment wins."""
    shop = SmallShop()
    worker = shop.start()
    shop.count("boots", 5)
    shop.order("A", "boots", ttl_seconds=10)
    shop.finish(worker)
    shop.pay("A", partition=1)
    for _ in range(100):
        shop.clock.advance(1_000)
        worker.owner.turn()
        worker.frontier.advance()
    assert {"acme/A": "Authorized"} == shop.statuses()
    shop.finish(worker)
    assert {"acme/A": "Confirmed"} == shop.statuses()
