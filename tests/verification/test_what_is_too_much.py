"""What only Redis has is a difference as well: it may hold units for ever."""

from pathlib import Path

from reservation_worker.adapters.redis.published import pack_reservation_body
from tests.clocks import StandingClock
from tests.verification.books import MemoryBooks
from tests.verification.test_shard import ONE, Shop
from tests.verification.topics import MemoryTopics, line, reservation


def test_a_reservation_that_nobody_has_published_is_named(tmp_path: Path) -> None:
    """No record will ever take it away."""
    shop = Shop(MemoryBooks(), MemoryTopics(), StandingClock(), tmp_path)
    shop.books.put(1, *ONE)
    shop.topics.publish(1, *ONE)
    shop.books.reservations["shop/ghost"] = pack_reservation_body(
        reservation("ghost", 1, [line(held=2)])
    )
    differences = shop.verdict().findings.differences
    assert {"reservation shop/ghost"} == {one.subject for one in differences}
