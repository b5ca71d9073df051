"""A whole pass over a shard in memory, to which something happens at a chosen moment."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from reservation_worker.adapters.redis.books import read_reservation, read_stock, read_version
from reservation_worker.adapters.redis.published import (
    pack_published_reservation,
    pack_published_stock,
    pack_reservation_body,
    pack_stock_body,
)
from reservation_worker.verification import (
    Packing,
    ReadingParts,
    ShardVerdict,
    Unpacking,
    VerificationConfig,
    VerificationParts,
    verify_shard,
)
from tests.clocks import StandingClock
from tests.verification.books import MemoryBooks
from tests.verification.topics import (
    SHARD,
    SHARDS_TOTAL,
    MemoryTopics,
    line,
    reservation,
    stock,
)

PATIENCE_MS = 1_000
ATTEMPTS_MAX = 3
ONE, TWO = (
    (reservation("A", version, [line(held=2)]), stock(version, (2, 0, 0))) for version in (1, 2)
)


@dataclass(slots=True)
class Shop:
    """A shard, and what happens while a verification waits."""

    books: MemoryBooks
    topics: MemoryTopics
    clock: StandingClock
    directory: Path
    while_waiting: Callable[[], None] = lambda: None

    def verdict(self) -> ShardVerdict:
        """Verify it."""
        parts = VerificationParts(
            books=self.books,
            reading=ReadingParts(
                *(self.topics, self.topics, Packing(pack_reservation_body, pack_stock_body)),
                progress=lambda _line: None,
            ),
            unpacking=Unpacking(
                read_reservation,
                read_stock,
                pack_published_reservation,
                pack_published_stock,
                read_version,
            ),
            clock=self.clock,
            wait=self._wait,
            notebook=self.directory,
        )
        config = VerificationConfig(SHARDS_TOTAL, PATIENCE_MS, attempts_max=ATTEMPTS_MAX)
        verdict = verify_shard(config, parts, SHARD)
        assert [] == list(self.directory.iterdir()), "its file is removed"
        return verdict

    def _wait(self, duration_ms: int) -> None:
        self.clock.advance(duration_ms)
        self.while_waiting()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give a shard of which one step is published."""
    shop = Shop(MemoryBooks(), MemoryTopics(), StandingClock(), tmp_path)
    shop.books.put(1, *ONE)
    shop.topics.publish(1, *ONE)
    return shop


def test_what_agrees_agrees(shop: Shop) -> None:
    """One pass is enough."""
    assert shop.verdict().agrees
    assert 1 == shop.books.scans


def test_what_is_published_while_it_waits_is_no_difference(shop: Shop) -> None:
    """Redis is a step ahead, as it always is."""
    shop.books.put(2, *TWO)
    shop.while_waiting = lambda: shop.topics.publish(2, *TWO) if shop.topics.step == 1 else None
    assert shop.verdict().agrees


def test_what_is_never_published_cannot_be_verified(shop: Shop) -> None:
    """For as long as it is patient; then it says so."""
    shop.books.put(2, *TWO)
    verdict = shop.verdict()
    assert verdict.unverified is not None
    assert "Is a worker running?" in verdict.unverified
    assert 0 == verdict.findings.differences_total
    assert shop.clock.monotonic_ms() > PATIENCE_MS


def test_what_differs_at_its_own_step_is_named_with_both_values(shop: Shop) -> None:
    """However much is published meanwhile."""
    shop.books.reservations["shop/A"] = pack_reservation_body(reservation("A", 1, [line(held=1)]))
    verdict = shop.verdict()
    assert [
        ("reservation shop/A", "lines[0].quantity", "2", "1"),
        ("reservation shop/A", "lines[0].held", "2", "1"),
    ] == [(one.subject, one.field, one.expected, one.found) for one in verdict.findings.differences]


def test_a_pass_begins_again_when_the_shard_is_dropped_in_the_middle(shop: Shop) -> None:
    """What is gone while it is being rebuilt is no difference, and what was seen before is old."""
    kept = dict(shop.books.reservations)

    def drop() -> None:
        if shop.books.scans == 1:
            shop.topics.minted = shop.books.epoch = 10
            shop.books.torn = True
            shop.books.reservations.clear()

    def restore() -> None:
        shop.books.torn = False
        shop.books.reservations.update(kept)

    shop.books.before_look, shop.while_waiting = drop, restore
    assert shop.verdict().agrees
    assert 2 == shop.books.scans


def test_a_shard_that_gets_another_owner_each_time_cannot_be_verified(shop: Shop) -> None:
    """It does not try for ever."""

    def change_owner() -> None:
        shop.books.epoch += 1

    shop.books.before_look = change_owner
    verdict = shop.verdict()
    assert (ATTEMPTS_MAX, 0) == (shop.books.scans, verdict.findings.differences_total)
    assert verdict.unverified is not None
    assert "another owner" in verdict.unverified


def test_a_position_that_is_gone_is_a_difference(shop: Shop) -> None:
    """Something is published, so there was one; where nothing is, there need be none."""
    shop.topics.step = None
    (difference,) = shop.verdict().findings.differences
    assert "position" == difference.field
    empty = Shop(MemoryBooks(), MemoryTopics(), StandingClock(), shop.directory)
    empty.topics.step, empty.books.epoch = None, 0
    assert empty.verdict().agrees
