"""Both topics are noted up to one step, and what cannot be is told."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from reservation_worker.adapters.redis.published import pack_reservation_body, pack_stock_body
from reservation_worker.verification import (
    Check,
    Findings,
    Packing,
    ReadingParts,
    VerificationConfig,
)
from reservation_worker.verification.awaited import AwaitedLook
from reservation_worker.verification.events import digest_of
from reservation_worker.verification.notebook import Notebook
from reservation_worker.verification.parts import CannotVerify
from reservation_worker.verification.reading import Reading
from tests.verification.topics import (
    RESERVATIONS,
    SHARD,
    SHARDS_TOTAL,
    STOCK_KEY,
    STOCKS,
    MemoryTopics,
    line,
    reservation,
    reservation_key,
    stock,
)

A = reservation_key("A")


@dataclass(frozen=True, slots=True)
class Desk:
    """A reading, and what it reads, notes and finds."""

    topics: MemoryTopics
    notebook: Notebook
    findings: Findings
    reading: Reading

    def version_of_a(self) -> int | None:
        """The version that is noted of the order A."""
        row = self.notebook.reservations([A]).get(A)
        return None if row is None else row.version

    @property
    def differing(self) -> list[tuple[Check, str]]:
        """The checks and fields that differ."""
        return [(one.check, one.field) for one in self.findings.differences]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give a reading of empty topics."""
    topics, findings = MemoryTopics(), Findings(SHARD)
    packing = Packing(pack_reservation_body, pack_stock_body)
    parts = ReadingParts(topics, topics, packing, progress=lambda _line: None)
    config = VerificationConfig(SHARDS_TOTAL, patience_ms=0)
    with closing(Notebook(tmp_path / "notebook")) as notebook:
        yield Desk(topics, notebook, findings, Reading(config, parts, notebook, findings))


def test_what_is_published_is_noted_up_to_the_position(desk: Desk) -> None:
    """A transaction that ended while the topics were read would be noted in one of them only."""
    desk.topics.publish(1, reservation("A", 1, [line(held=2)]), stock(1, (2, 0, 0)))
    desk.topics.write(f"{SHARD}-2-0", reservation("A", 2, [line(held=2)]))
    desk.reading.advance()
    assert (1, 1) == (desk.reading.cut, desk.version_of_a())
    desk.topics.step = 2
    desk.reading.advance()
    assert (2, 2) == (desk.reading.cut, desk.version_of_a())
    assert [] == desk.differing


def test_what_stands_behind_a_held_back_event_waits_with_it(desk: Desk) -> None:
    """The order of a partition is the order of steps."""
    desk.topics.publish(1, reservation("A", 1))
    desk.topics.write(f"{SHARD}-2-0", reservation("A", 2))
    desk.topics.write(f"{SHARD}-2-1", reservation("B", 1))
    desk.reading.advance()
    assert [] == list(desk.notebook.reservations([reservation_key("B")]))
    desk.topics.publish(3, reservation("A", 3))
    desk.reading.advance()
    assert 3 == desk.version_of_a()
    assert [] == desk.differing


def test_a_step_that_is_never_published_is_told(desk: Desk) -> None:
    """What is committed is covered by the position that is read later."""
    desk.topics.publish(1, reservation("A", 1))
    desk.topics.write(f"{SHARD}-7-0", reservation("A", 2))
    desk.reading.advance()
    desk.reading.advance()
    assert [(Check.EVENT_IDS, "step of the event at offset 1")] == desk.differing
    assert 2 == desk.version_of_a()


def test_nothing_overtakes_an_event_of_no_step(desk: Desk) -> None:
    """What was published behind it, and read later, is newer all the same."""
    desk.topics.publish(1, reservation("A", 1), reservation("B", 1))
    desk.topics.write(f"{SHARD}-7-0", reservation("A", 2))
    desk.topics.publish(2, reservation("A", 3))
    desk.reading.advance()
    desk.reading.advance()
    assert [(Check.EVENT_IDS, "step of the event at offset 2")] == desk.differing
    assert 3 == desk.version_of_a()


def test_event_ids_that_do_not_grow_are_told(desk: Desk) -> None:
    """An event that was published again stands behind itself."""
    desk.topics.publish(2, reservation("A", 1), reservation("B", 1))
    desk.topics.write(f"{SHARD}-2-1", reservation("C", 1))
    desk.topics.write(f"{SHARD}-1-9", reservation("D", 1))
    desk.reading.advance()
    fields = [(Check.EVENT_IDS, f"event id at offset {offset}") for offset in (2, 3)]
    assert fields == desk.differing


def test_a_version_that_does_not_follow_is_told(desk: Desk) -> None:
    """Skipped, repeated or fallen: while the one before still stands, nothing was compacted."""
    for step, version in enumerate((1, 2, 4, 4, 3), start=1):
        desk.topics.publish(step, reservation("A", version), stock(step))
    desk.reading.advance()
    told = [(one.expected, one.found) for one in desk.findings.differences]
    assert [("3", "4"), ("5", "4"), ("5", "3")] == told
    assert {Check.VERSIONS} == {check for check, _ in desk.differing}


def test_versions_that_compaction_took_are_not_missed(desk: Desk) -> None:
    """It took the older record first: before it was read, or while the newer ones were."""
    for step in range(1, 5):
        desk.topics.publish(step, reservation("A", step))
    desk.topics.compact(RESERVATIONS, 0)
    desk.reading.advance()
    assert 4 == desk.version_of_a()
    # Offset 3 was read as the newest; then the cleaner came by.
    desk.topics.publish(6, reservation("A", 6))
    desk.topics.compact(RESERVATIONS, 3)
    desk.reading.advance()
    assert [] == desk.differing


def test_a_tombstone_removes_and_versions_begin_anew(desk: Desk) -> None:
    """Of the order that was removed nothing is left, nor of what it held."""
    desk.topics.publish(1, reservation("A", 1, [line(held=2)]))
    desk.topics.put(RESERVATIONS, A, None, step=2)
    desk.topics.step = 2
    desk.reading.advance()
    assert desk.version_of_a() is None
    assert not any(any(one.lines) for one in desk.notebook.sums())
    desk.topics.publish(3, reservation("A", 1))
    desk.reading.advance()
    assert 1 == desk.version_of_a()
    assert [] == desk.differing


def test_a_tombstone_waits_for_its_step(desk: Desk) -> None:
    """Without a body it is a header that names it."""
    desk.topics.publish(1, reservation("A", 1))
    desk.topics.put(RESERVATIONS, A, None, step=2)
    desk.reading.advance()
    assert 1 == desk.version_of_a()
    desk.topics.step = 2
    desk.reading.advance()
    assert desk.version_of_a() is None


def test_a_look_is_compared_at_its_step(desk: Desk) -> None:
    """Neither what was before nor what came later is what Redis had at that moment."""
    desk.topics.publish(1, reservation("A", 1), stock(1))
    desk.reading.advance()
    bodies = [reservation("A", version) for version in (2, 3, 4)]
    right = digest_of(pack_reservation_body(bodies[1]))
    wrong = digest_of(pack_reservation_body(bodies[0]))
    desk.reading.awaited.add(RESERVATIONS, AwaitedLook(3, A, right))
    desk.reading.awaited.add(RESERVATIONS, AwaitedLook(3, A, wrong))
    desk.reading.awaited.add(STOCKS, AwaitedLook(3, STOCK_KEY, None))
    for step, body in enumerate(bodies, start=2):
        desk.topics.publish(step, body)
    desk.reading.advance()
    assert not len(desk.reading.awaited)
    (mismatch,) = desk.reading.mismatches[RESERVATIONS]
    assert (A, 3) == (mismatch.key, mismatch.row and mismatch.row.version)
    assert [STOCK_KEY] == [one.key for one in desk.reading.mismatches[STOCKS]]


def test_a_look_waits_until_its_step_is_published(desk: Desk) -> None:
    """What Redis has decided and nobody has published yet is in flight."""
    desk.reading.awaited.add(RESERVATIONS, AwaitedLook(2, A, b"digest"))
    desk.topics.publish(1, reservation("A", 1))
    desk.reading.advance()
    assert (1, []) == (len(desk.reading.awaited), desk.reading.mismatches[RESERVATIONS])
    desk.topics.publish(2, reservation("A", 2))
    desk.reading.advance()
    assert (0, 1) == (len(desk.reading.awaited), len(desk.reading.mismatches[RESERVATIONS]))


def test_events_that_contradict_themselves_are_told(desk: Desk) -> None:
    """Units that are nowhere, buckets that do not add up, what no worker writes, wrong places."""
    short = stock(1)
    short = msgspec.structs.replace(short, available=99)
    desk.topics.publish(1, reservation("A", 1, [line(held=1, extra=1)]), short)
    desk.topics.put(STOCKS, STOCK_KEY, b"{}")
    desk.topics.write(f"{SHARD + 1}-1-5", reservation("B", 1))
    desk.reading.advance()
    assert {
        (Check.LINES, f"units of line 1 in event {SHARD}-1-0"),
        (Check.BUCKETS, f"on_hand in event {SHARD}-1-1"),
        (Check.EVENT_IDS, "stock-changed-0, offset 1".replace("-0,", f"-{SHARD},")),
        (Check.EVENT_IDS, "place"),
    } == set(desk.differing)


def test_a_position_that_is_gone_ends_the_reading(desk: Desk) -> None:
    """How far the topics are of one step nobody knows any more."""
    desk.topics.step = None
    with pytest.raises(CannotVerify):
        desk.reading.advance()
