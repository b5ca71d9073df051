"""A shard that was lost is restored from what it has published: key by key what it was."""

from dataclasses import replace
from random import Random

import pytest
import redis

from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.restoring import RECORDS_PER_CALL, RedisRestoring
from reservation_worker.contracts.records import OutputRecord, OutputTopic, PublishedRecord
from reservation_worker.domain.facts import Fact, StockSettlementDue, stock_id_of
from reservation_worker.domain.outcome import OutcomeKind
from reservation_worker.embedded.valkey import EmbeddedValkey
from reservation_worker.ports import (
    DueWork,
    FatallyBroken,
    Restoring,
    RetentionAt,
    ShardEpoch,
    ShardStep,
    StepRefusal,
    StepRefused,
    StepReply,
    Store,
    Turn,
)
from tests.published import removed_by
from tests.store.conftest import Bounds, client_of, redis_store
from tests.store.facts import STOCK_ID, counted, invoiced, ordered, paid, reservation_id
from tests.store.random_facts import AFTERWARDS_MS, NOW_MS, random_facts
from tests.store.restored import begin, contents, published
from tests.store.shard import (
    EPOCH,
    FAR_FUTURE_MS,
    SHARD,
    apply_all,
    claim,
    outbox,
    step,
)

DAYS = 10
STEPS = 60
NEXT = EPOCH + 1
LAST = EPOCH + 2
KEYS = [f"{{s{SHARD}}}:s:any".encode()]


def records_of(store: Store[OutputRecord]) -> list[OutputRecord]:
    """Return everything that was published so far."""
    return [record for entry in outbox(store) for record in entry.records]


class Day:
    """A random day on a real server, lost and restored again and again."""

    def __init__(self, client: redis.Redis, random: Random) -> None:
        self._client = client
        self._random = random
        self._store = redis_store(client, Bounds(settled_entries_max=random.choice((1, 2, 500))))
        self._restoring = RedisRestoring(client, StoreConfig())
        self._epoch = EPOCH
        self._seen: list[Fact] = []
        self._records: list[OutputRecord] = []
        self.removed_total = 0
        self.kinds: set[str] = set()
        """Of the keys that have been restored."""
        claim(self._store)

    def go_on(self, number: int) -> None:
        """Run a step of facts of all kinds, and publish it."""
        random = self._random
        facts = random_facts(random, number, random.choice((1, 2, 5, 12)), self._seen)
        if random.random() < 0.3:
            work = self._store.due([ShardEpoch(SHARD, self._epoch)], FAR_FUTURE_MS, 100)[0]
            assert isinstance(work, DueWork)
            waiting: list[Fact] = [*work.settlements, *work.deadlines]
            facts += random.sample(waiting, min(len(waiting), 2))
            at = RetentionAt(AFTERWARDS_MS, 0, 0)
            (removable,) = self._store.removable([ShardEpoch(SHARD, self._epoch)], at, 3)
            assert not isinstance(removable, StepRefused)
            facts += removable
        before = ShardStep(SHARD, self._epoch, self._store.inspect(SHARD).step)
        self._seen += facts[: len(step(self._store, facts, self._epoch).outcomes)]
        for entry in outbox(self._store, before.step, self._epoch):
            self._records += entry.records
            self.removed_total += len(removed_by(entry))

    def lose_and_restore(self) -> None:
        """Drop everything, and find every key again as it was."""
        self._state_what_is_outdated()
        whole, last = contents(self._client, SHARD), self._store.inspect(SHARD).step
        self._epoch += 1
        rebuilding = begin(self._store, self._restoring, SHARD, self._epoch)
        assert {} == contents(self._client, SHARD)
        rebuilding.restore_all(self._records, self._random)
        rebuilding.finish(last)
        assert whole == contents(self._client, SHARD)
        state = self._store.inspect(SHARD)
        assert (self._epoch, last, last, False) == (
            *(state.epoch, state.step, state.published, state.torn),
        )
        self.kinds |= {name.split(":")[0] for name in whole}

    def _state_what_is_outdated(self) -> None:
        """A later count may have done what a settlement waits for: nobody restores that."""
        (work,) = self._store.due([ShardEpoch(SHARD, self._epoch)], 0, 100)
        assert isinstance(work, DueWork)
        for one in work.settlements:
            if isinstance(one, StockSettlementDue):
                stock = self._store.stock(SHARD, stock_id_of(one))
                if stock is None or stock.settled_through is None:
                    reply = step(self._store, [one], self._epoch)
                    assert (OutcomeKind.REPEAT,) == reply.outcomes


def test_on_random_days_every_key_is_what_it_was(client: redis.Redis) -> None:
    """Reservations with early facts, kept invoices and remembered ids, buckets, every index."""
    kinds: set[str] = set()
    for seed in range(DAYS):
        client.flushdb()
        random = Random(seed)
        day = Day(client, random)
        for number in range(STEPS):
            day.go_on(number)
            if random.random() < 0.2:
                day.lose_and_restore()
        kinds |= day.kinds
        assert day.removed_total > 0
    assert {"r", "s", "a", "due", "settle", "over", "awaiting"} == kinds


def test_what_is_restored_goes_on_as_before(
    store: Store[OutputRecord], restoring: Restoring[PublishedRecord]
) -> None:
    """Deadlines come due, repeats are repeats, counts settle what was acknowledged before."""
    claim(store)
    facts: list[Fact] = [
        counted(10),
        ordered("held"),
        ordered("sold"),
        invoiced("sold", invoice_id="i"),
    ]
    apply_all(store, [*facts, paid("early")])
    records = records_of(store)
    rebuilding = begin(store, restoring, SHARD, NEXT)
    rebuilding.restore_all(records, Random(1))
    rebuilding.finish(5)
    repeats = store.step(SHARD, NEXT, [*facts, paid("early")])
    assert isinstance(repeats, StepReply)
    assert {OutcomeKind.REPEAT} == set(repeats.outcomes)
    work = store.due([ShardEpoch(SHARD, NEXT)], FAR_FUTURE_MS, 10)[0]
    assert isinstance(work, DueWork)
    assert ["held"] == [one.order_id for one in work.deadlines]
    store.step(SHARD, NEXT, [counted(9, at_ms=FAR_FUTURE_MS)])
    stock = store.stock(SHARD, STOCK_ID)
    assert stock is not None
    assert (9, 1, 0) == (stock.on_hand, stock.authorized, stock.acknowledged)


def test_nothing_but_the_restoring_is_done_in_between(
    store: Store[OutputRecord], restoring: Restoring[PublishedRecord]
) -> None:
    """Half of a shard must not be decided upon, published or taken for whole."""
    claim(store)
    apply_all(store, [counted(5)])
    begin(store, restoring, SHARD, NEXT)
    torn = StepRefused(StepRefusal.TORN, NEXT)
    assert torn == store.step(SHARD, NEXT, [ordered()])
    assert torn == store.due([ShardEpoch(SHARD, NEXT)], FAR_FUTURE_MS, 10)[0]
    assert store.inspect(SHARD).torn
    assert not store.claim(SHARD, store.inspect(SHARD), LAST)


def test_an_owner_that_was_asleep_changes_nothing(
    store: Store[OutputRecord], restoring: Restoring[PublishedRecord]
) -> None:
    """Another one has begun the same in a newer epoch, or has even ended it."""
    claim(store)
    apply_all(store, [counted(5), ordered()])
    stocks = published(records_of(store), OutputTopic.STOCK_CHANGED)
    asleep = store.inspect(SHARD)
    begun = begin(store, restoring, SHARD, NEXT)
    rebuilding = begin(store, restoring, SHARD, LAST)
    refused = StepRefused(StepRefusal.EPOCH, LAST)
    assert not restoring.begin(SHARD, asleep, NEXT)
    assert not restoring.begin(SHARD, store.inspect(SHARD), NEXT)
    assert refused == restoring.drop(begun.turn, KEYS)
    assert refused == restoring.restore(begun.turn, stocks)
    assert refused == restoring.finish(begun.turn, 1)
    rebuilding.restore(stocks)
    rebuilding.finish(1)
    for turn in (begun.turn, replace(rebuilding.turn, number=rebuilding.number + 1)):
        assert refused == restoring.restore(turn, stocks)
        assert refused == restoring.finish(turn, 0)
        assert refused == restoring.drop(turn, KEYS)
    assert store.reservation(SHARD, reservation_id()) is None


def test_beginning_twice_with_the_same_epoch_is_one_beginning(
    store: Store[OutputRecord], restoring: Restoring[PublishedRecord]
) -> None:
    """The reply to the first may have been lost."""
    inspected = store.inspect(SHARD)
    assert restoring.begin(SHARD, inspected, EPOCH)
    assert restoring.begin(SHARD, inspected, EPOCH)
    assert restoring.finish(Turn(SHARD, EPOCH, 1), 7) is None
    assert not restoring.begin(SHARD, inspected, EPOCH)
    assert 7 == store.inspect(SHARD).published


def test_a_record_that_no_worker_has_written_is_refused(
    store: Store[OutputRecord], restoring: Restoring[PublishedRecord]
) -> None:
    """Nothing is guessed: the shard stays marked."""
    rebuilding = begin(store, restoring, SHARD, EPOCH)
    for topic in (OutputTopic.STOCK_CHANGED, OutputTopic.RESERVATION_CHANGED):
        with pytest.raises(FatallyBroken, match="not what a worker writes"):
            restoring.restore(rebuilding.turn, [PublishedRecord(topic, b"k", b"{}", 0, NOW_MS)])
    assert store.inspect(SHARD).torn


def test_more_than_one_call_takes_is_restored_whole_or_refused(
    store: Store[OutputRecord], restoring: Restoring[PublishedRecord]
) -> None:
    """A write is several calls, and a bad record among them leaves the client as it was."""
    orders = 2 * RECORDS_PER_CALL + 1
    claim(store)
    apply_all(store, [counted(orders), *(ordered(f"{number}") for number in range(orders))])
    records = records_of(store)
    reservations = published(records, OutputTopic.RESERVATION_CHANGED)
    assert orders == len(reservations)
    rebuilding = begin(store, restoring, SHARD, NEXT)
    (stock,) = published(records, OutputTopic.STOCK_CHANGED)[-1:]
    rebuilding.restore([stock])
    bad = replace(reservations[-1], value=b"{}")
    with pytest.raises(FatallyBroken, match="not what a worker writes"):
        restoring.restore(rebuilding.turn, [*reservations[:-1], bad])
    rebuilding.restore(reservations)
    rebuilding.finish(5)
    for number in range(orders):
        assert store.reservation(SHARD, reservation_id(f"{number}")) is not None
    asleep = restoring.restore(Turn(SHARD, EPOCH, 1), reservations)
    assert StepRefused(StepRefusal.EPOCH, NEXT) == asleep


def test_a_tombstone_takes_a_reservation_and_its_indexes_away(
    store: Store[OutputRecord], restoring: Restoring[PublishedRecord]
) -> None:
    """What was removed after its retention must not come back with its deadline."""
    claim(store)
    apply_all(store, [counted(5), ordered()])
    records = records_of(store)
    rebuilding = begin(store, restoring, SHARD, NEXT)
    rebuilding.restore_all(records, Random(1))
    (key,) = {one.key for one in published(records, OutputTopic.RESERVATION_CHANGED)}
    tombstone = PublishedRecord(OutputTopic.RESERVATION_CHANGED, key, None, 9, NOW_MS)
    rebuilding.restore([tombstone])
    rebuilding.finish(1)
    assert store.reservation(SHARD, reservation_id()) is None
    kept_for_ever = RetentionAt(FAR_FUTURE_MS, 0, 0)
    assert ((),) == store.removable([ShardEpoch(SHARD, NEXT)], kept_for_ever, 10)
    work = store.due([ShardEpoch(SHARD, NEXT)], FAR_FUTURE_MS, 10)[0]
    assert not isinstance(work, StepRefused)
    assert () == work.deadlines


def test_what_is_restored_is_kept_from_when_it_was_published(
    store: Store[OutputRecord], restoring: Restoring[PublishedRecord]
) -> None:
    """That is later than it was applied: nothing leaves early because a shard was rebuilt."""
    claim(store)
    apply_all(store, [ordered("denied"), paid("early")])
    records = records_of(store)
    rebuilding = begin(store, restoring, SHARD, NEXT)
    late = [
        replace(one, timestamp_ms=NOW_MS + 500)
        for one in published(records, OutputTopic.RESERVATION_CHANGED)
    ]
    rebuilding.restore(late)
    rebuilding.finish(1)
    shards = [ShardEpoch(SHARD, NEXT)]
    early = RetentionAt(NOW_MS + 500 + 99, 100, 100)
    assert ((),) == store.removable(shards, early, 10)
    in_time = RetentionAt(NOW_MS + 500 + 100, 100, 100)
    (removable,) = store.removable(shards, in_time, 10)
    assert not isinstance(removable, StepRefused)
    found = {(one.order_id, one.version, one.reached_at_ms) for one in removable}
    assert {("denied", 1, NOW_MS + 600), ("early", 1, NOW_MS + 600)} == found


def test_a_shard_of_another_layout_is_not_read_but_restored(client: redis.Redis) -> None:
    """Another release wrote it: what stands where is not known, and guessing would sell twice."""
    store, restoring = redis_store(client, Bounds()), RedisRestoring(client, StoreConfig())
    claim(store)
    apply_all(store, [counted(5), ordered()])
    records, meta = records_of(store), f"{{s{SHARD}}}:meta"
    for layout in ("1", None):
        if layout is None:
            client.hdel(meta, "layout")
        else:
            client.hset(meta, "layout", layout)
        inspected = store.inspect(SHARD)
        assert inspected.torn
        assert StepRefused(StepRefusal.TORN, inspected.epoch) == store.step(
            SHARD, inspected.epoch, [paid()]
        )
        assert not store.claim(SHARD, inspected, inspected.epoch + 1)
        rebuilding = begin(store, restoring, SHARD, inspected.epoch + 1)
        rebuilding.restore_all(records, Random(1))
        rebuilding.finish(2)
        assert not store.inspect(SHARD).torn
        assert store.reservation(SHARD, reservation_id()) is not None


def test_other_shards_keep_what_they_have(
    store: Store[OutputRecord], restoring: Restoring[PublishedRecord]
) -> None:
    """Shard 7 begins like shard 70."""
    neighbour = SHARD * 10
    assert store.claim(neighbour, store.inspect(neighbour), EPOCH)
    for fact in (counted(5), ordered()):
        store.step(neighbour, EPOCH, [fact])
    claim(store)
    begin(store, restoring, SHARD, NEXT)
    assert store.reservation(neighbour, reservation_id()) is not None
    assert 2 == store.inspect(neighbour).step


def test_another_server_is_not_written_to(own_valkey: EmbeddedValkey) -> None:
    """What was restored before is on the other one, or nowhere."""
    with client_of(own_valkey.url) as client:
        store, restoring = redis_store(client, Bounds()), RedisRestoring(client, StoreConfig())
        claim(store)
        apply_all(store, [counted(5), ordered()])
        records = records_of(store)
        rebuilding = begin(store, restoring, SHARD, NEXT)
        inspected = store.inspect(SHARD)
        own_valkey.restart()
        assert not restoring.begin(SHARD, inspected, LAST)
        refused = StepRefused(StepRefusal.SERVER, NEXT)
        stocks = published(records, OutputTopic.STOCK_CHANGED)
        assert refused == restoring.restore(rebuilding.turn, stocks)
        assert refused == restoring.drop(rebuilding.turn, KEYS)
        assert refused == restoring.finish(rebuilding.turn, 2)
        assert {} == contents(client, SHARD)
        # The next owner begins again, and says which server it has looked at.
        rebuilding = begin(store, restoring, SHARD, LAST)
        rebuilding.restore_all(records, Random(1))
        rebuilding.finish(2)
        assert store.reservation(SHARD, reservation_id()) is not None
