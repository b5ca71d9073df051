"""The Lua on a real server must do what the ledger says: fact by fact, byte by byte published."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import cast

import pytest
import redis

from reservation_worker.adapters.in_memory.store import InMemoryStore
from reservation_worker.adapters.redis.store import RedisStore
from reservation_worker.contracts.records import OutputRecord
from reservation_worker.domain.facts import Fact, reservation_id_of
from reservation_worker.domain.keys import ReservationId, StockId
from reservation_worker.domain.ledger import Ledger, apply
from reservation_worker.domain.outcome import OutcomeKind, ReservationChanged, StockChanged
from reservation_worker.domain.reservation import REMOVABLE, Reservation
from reservation_worker.domain.stock import Stock
from reservation_worker.ports import (
    OutboxEntry,
    RetentionAt,
    ShardEpoch,
    ShardStep,
    StepRefused,
    StepReply,
)
from tests.clocks import StandingClock
from tests.published import events_of, removed_by
from tests.store.conftest import Bounds, in_memory_store, redis_store
from tests.store.random_facts import NOW_MS, random_facts

SHARD = 5
EPOCH = NOW_MS
STEPS = 100
FAR_FUTURE_MS = NOW_MS + 1_000_000
BOUNDS = (
    Bounds(facts_per_step_max=1),
    Bounds(),
    Bounds(settled_entries_max=1),
    Bounds(settled_entries_max=2, event_bytes_max=3_300),
)


class Comparison:
    """One shard in Lua, in memory, and as nothing but the ledger's values."""

    def __init__(self, client: redis.Redis, bounds: Bounds) -> None:
        self.client = client
        self.bounds = bounds
        self.clock = StandingClock(NOW_MS)
        self.lua: RedisStore = redis_store(client, bounds, self.clock)
        self.memory: InMemoryStore = in_memory_store(bounds, self.clock)
        self.removed_total = 0
        self.ledger = Ledger()
        self.published_reservations: dict[ReservationId, Reservation] = {}
        self.published_stocks: dict[StockId, Stock] = {}
        for store in (self.lua, self.memory):
            assert store.claim(SHARD, store.inspect(SHARD), EPOCH)

    def step(self, facts: list[Fact]) -> int:
        """Apply facts everywhere and compare; returns how many of them were taken."""
        self.clock.advance(1)
        step_before = self.lua.inspect(SHARD).step
        reply = self.lua.step(SHARD, EPOCH, facts)
        assert isinstance(reply, StepReply)
        taken = len(reply.outcomes)
        assert self.memory.step(SHARD, EPOCH, facts[:taken]) == reply
        for fact, outcome in zip(facts[:taken], reply.outcomes, strict=True):
            self._apply_to_ledger(fact, outcome)
        self._compare_published(step_before)
        return taken

    def _apply_to_ledger(self, fact: Fact, outcome: OutcomeKind) -> None:
        after, expected = apply(
            self.ledger, fact, settled_entries_max=self.bounds.settled_entries_max
        )
        if outcome is OutcomeKind.OUT_OF_BOUNDS:
            return  # A bound of the store; that both stores see it alike, the replies say.
        assert expected.kind == outcome
        self.ledger = after

    def _compare_published(self, step_before: int) -> None:
        expected = self.memory.read_outbox([ShardStep(SHARD, EPOCH, step_before)], 10)[0]
        entries = self.lua.read_outbox([ShardStep(SHARD, EPOCH, step_before)], 10)[0]
        assert not isinstance(entries, StepRefused)
        assert not isinstance(expected, StepRefused)
        for expected_entry, entry in zip(expected, entries, strict=True):
            for expected_event, event in zip(
                events_of(expected_entry), events_of(entry), strict=True
            ):
                assert expected_event == event
        assert expected == entries
        self._restore(entries)

    def _restore(self, entries: tuple[OutboxEntry[OutputRecord], ...]) -> None:
        for entry in entries:
            for event in events_of(entry):
                if isinstance(event, ReservationChanged):
                    self.published_reservations[event.reservation.id] = event.reservation
                elif isinstance(event, StockChanged):
                    self.published_stocks[event.stock.id] = event.stock
            for removed in removed_by(entry):
                del self.published_reservations[removed]
                self.removed_total += 1

    def compare_state(self) -> None:
        """Hold what Redis has stored, and what could be restored, against the ledger."""
        ledger = self.ledger
        assert dict(ledger.reservations) == self.published_reservations
        stored = {one: self.lua.reservation(SHARD, one) for one in ledger.reservations}
        assert dict(ledger.reservations) == stored
        stocks = {one.id: replace(one, entries=()) for one in ledger.stocks.values()}
        stocks = {one.id: one for one in stocks.values() if one != Stock(id=one.id)}
        assert stocks == {one: self.lua.stock(SHARD, one) for one in stocks}
        assert stocks == {one: self.published_stocks[one] for one in stocks}
        assert expected_entries(ledger.stocks) == self._stored_entries()
        expected_due = self.memory.due([ShardEpoch(SHARD, EPOCH)], FAR_FUTURE_MS, 1_000)[0]
        assert expected_due == self.lua.due([ShardEpoch(SHARD, EPOCH)], FAR_FUTURE_MS, 1_000)[0]
        assert not isinstance(expected_due, StepRefused)
        assert set(ledger.settlements) == set(expected_due.settlements)
        self._compare_what_may_leave()

    def _compare_what_may_leave(self) -> None:
        shards, now_ms = [ShardEpoch(SHARD, EPOCH)], self.clock.now_ms()
        for retention in (RetentionAt(now_ms, 0, 0), RetentionAt(now_ms, 3, 7)):
            for facts_max in (2, 1_000):
                expected = self.memory.removable(shards, retention, facts_max)
                assert expected == self.lua.removable(shards, retention, facts_max)
        (everything,) = self.lua.removable(shards, RetentionAt(now_ms, 0, 0), 1_000)
        assert not isinstance(everything, StepRefused)
        assert {
            one.id: one.version
            for one in self.ledger.reservations.values()
            if one.status in REMOVABLE
        } == {reservation_id_of(fact): fact.version for fact in everything}

    def _stored_entries(self) -> dict[str, list[tuple[str, float]]]:
        prefix = f"{{s{SHARD}}}:a:"
        stored: dict[str, list[tuple[str, float]]] = {}
        for key in self.client.scan_iter(prefix + "*", count=1_000):
            found = self.client.zrange(key, 0, -1, withscores=True)
            entries = cast("list[tuple[bytes, float]]", found)
            stored[key.decode().removeprefix(prefix)] = [
                (member.decode(), score) for member, score in entries
            ]
        return stored


def expected_entries(
    stocks: Mapping[StockId, Stock],
) -> dict[str, list[tuple[str, float]]]:
    """Return the acknowledged entries as the sorted sets hold them."""
    return {
        stock.id.key: [
            (f"{entry.member}/{entry.compared_at_ms}", float(entry.compared_at_ms))
            for entry in stock.entries
        ]
        for stock in stocks.values()
        if stock.entries
    }


@pytest.mark.parametrize("seed", range(20))
def test_lua_decides_stores_and_publishes_what_the_ledger_says(
    client: redis.Redis, seed: int
) -> None:
    """The ledger is the specification; the seed in the test's name repeats a failure."""
    random = Random(seed)
    comparison = Comparison(client, BOUNDS[seed % len(BOUNDS)])
    seen: list[Fact] = []
    for number in range(STEPS):
        facts = random_facts(random, number, random.choice((1, 1, 2, 5, 12)), seen)
        if random.random() < 0.3:
            due = comparison.lua.due([ShardEpoch(SHARD, EPOCH)], FAR_FUTURE_MS, 1_000)[0]
            assert not isinstance(due, StepRefused)
            work: list[Fact] = [*due.settlements, *due.deadlines]
            facts += random.sample(work, min(len(work), random.randrange(1, 4)))
        if random.random() < 0.3:
            kept = RetentionAt(comparison.clock.now_ms(), 2, 4)
            (removable,) = comparison.lua.removable([ShardEpoch(SHARD, EPOCH)], kept, 3)
            assert not isinstance(removable, StepRefused)
            facts += removable
            random.shuffle(facts)
        taken = comparison.step(facts)
        comparison.compare_state()
        seen += facts[:taken]
    assert comparison.removed_total > 0
