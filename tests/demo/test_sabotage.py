"""Each sabotage does what it says, on a real server: one without effect would prove nothing."""

from collections.abc import Iterator, Mapping, Sequence

import pytest
from redis import Redis

from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.scripts import load_scripts
from reservation_worker.contracts.records import DeadLetter, OutputRecord, Record
from reservation_worker.demo.sabotage import (
    SCRIPT_PATCHES,
    EarlyCommittingLog,
    Sabotage,
    sabotaged_scripts,
    sabotaged_store,
)
from reservation_worker.domain.facts import Fact
from reservation_worker.domain.outcome import OutcomeKind
from reservation_worker.domain.reservation import Status
from reservation_worker.ports import (
    DueWork,
    Membership,
    OutboxEntry,
    Partition,
    Polled,
    ShardEpoch,
    ShardStep,
    Store,
)
from reservation_worker.ports import StepReply as Reply
from tests.clocks import StandingClock
from tests.domain.shop import balance, line, order, reservation_id
from tests.published import events_of

SHARD, EPOCH, GRACE_MS, STEPS_MAX = 3, 7, 1_000, 10
PARTITION: Partition = ("order-completed", 0)


@pytest.fixture
def client(empty_valkey: str) -> Iterator[Redis]:
    """Give a client of a real, empty server."""
    with Redis.from_url(empty_valkey) as client:
        yield client


def _store(sabotage: Sabotage, client: Redis) -> Store[OutputRecord]:
    clock = StandingClock(now_ms=50_000)
    store = sabotaged_store(sabotage, client, StoreConfig(), clock, GRACE_MS)
    assert store.claim(SHARD, store.inspect(SHARD), EPOCH)
    return store


def _outcomes(store: Store[OutputRecord], *facts: Fact) -> tuple[OutcomeKind, ...]:
    outcomes: list[OutcomeKind] = []
    while len(outcomes) < len(facts):
        reply = store.step(SHARD, EPOCH, facts[len(outcomes) :])
        assert isinstance(reply, Reply)
        outcomes += reply.outcomes
    return tuple(outcomes)


@pytest.mark.parametrize("sabotage", list(SCRIPT_PATCHES))
def test_patches_find_their_place_in_the_script(sabotage: Sabotage) -> None:
    """When the script changes, its sabotage must follow."""
    scripts = load_scripts()
    assert scripts["step"].text != sabotaged_scripts(sabotage, scripts)["step"].text


def test_refusal_leaves_no_trace(client: Redis) -> None:
    """The order is refused, and nothing is remembered or published."""
    store = _store(Sabotage.REFUSAL_NOT_RECORDED, client)
    facts = (balance("mug", 1), order(line("1", 5, "mug")))
    assert (OutcomeKind.CHANGED, OutcomeKind.REFUSED) == _outcomes(store, *facts)
    assert store.reservation(SHARD, reservation_id()) is None


def test_refused_order_is_held_when_it_is_read_again(client: Redis) -> None:
    """What was not recorded is decided anew: the bug that a shop would meet."""
    store = _store(Sabotage.REFUSAL_NOT_RECORDED, client)
    wanted = order(line("1", 5, "mug"))
    _outcomes(store, balance("mug", 1), wanted, balance("mug", 9, counted_at_ms=2))
    assert (OutcomeKind.CHANGED,) == _outcomes(store, wanted)


def test_lines_of_one_stock_pass_one_by_one(client: Redis) -> None:
    """Together they take more than there is."""
    store = _store(Sabotage.PER_LINE_STOCK_CHECK, client)
    facts = (balance("mug", 3), order(line("1", 2, "mug"), line("2", 2, "mug")))
    assert (OutcomeKind.CHANGED, OutcomeKind.CHANGED) == _outcomes(store, *facts)
    reservation = store.reservation(SHARD, reservation_id())
    assert reservation is not None
    assert Status.AUTHORIZED == reservation.status


def test_neighboring_steps_are_given_in_each_others_place(client: Redis) -> None:
    """Their numbers stay in order: only what they publish is exchanged."""
    store = _store(Sabotage.OUTBOX_OUT_OF_ORDER, client)
    _outcomes(store, balance("mug", 3))
    _outcomes(store, balance("lamp", 3))
    entries = store.read_outbox([ShardStep(SHARD, EPOCH, 0)], STEPS_MAX)[0]
    assert isinstance(entries, tuple)
    assert [1, 2] == [entry.step for entry in entries]
    assert ["lamp", "mug"] == [_sku(entry) for entry in entries]


def test_deadlines_are_due_by_the_clock(client: Redis) -> None:
    """Nobody has asked how far payments were read."""
    store = _store(Sabotage.FRONTIER_FROM_THE_CLOCK, client)
    _outcomes(store, balance("mug", 3), order(line("1", 2, "mug"), expires_at_ms=49_000))
    due = store.due([ShardEpoch(SHARD, EPOCH)], 0, STEPS_MAX)[0]
    assert isinstance(due, DueWork)
    assert 1 == len(due.deadlines)


def test_offsets_are_committed_when_they_are_read() -> None:
    """A crash right after the poll forgets the record."""
    log = ListedLog()
    early = EarlyCommittingLog(log)
    polled = early.poll(0, 10)
    assert 1 == len(polled.records)
    assert [{PARTITION: 1}] == log.commits


def test_later_commits_do_not_go_back() -> None:
    """Or the loop's own commit would heal what the sabotage broke."""
    log = ListedLog()
    early = EarlyCommittingLog(log)
    early.poll(0, 10)
    early.commit({PARTITION: 0}, (), None)
    assert {PARTITION: 1} == log.commits[-1]


class ListedLog:
    """An input log of one record that lists its commits."""

    def __init__(self) -> None:
        self.commits: list[Mapping[Partition, int]] = []

    def poll(self, _timeout_ms: int, _records_max: int, _linger_ms: int = 0) -> Polled[Record]:
        """Return the record."""
        record = Record(*PARTITION, 0, 0, None, b"{}", ())
        return Polled((record,), {PARTITION: 1}, frozenset(), None)

    def held(self) -> frozenset[Partition]:
        """Return its partition."""
        return frozenset({PARTITION})

    def set_paused(self, topics: frozenset[str]) -> None:
        """Do nothing: there is nothing more to read."""

    def seek(self, offsets: Mapping[Partition, int]) -> None:
        """Do nothing: there is nothing more to read."""

    def commit(
        self,
        offsets: Mapping[Partition, int],
        _dead_letters: Sequence[DeadLetter],
        _membership: Membership | None,
    ) -> None:
        """List the offsets."""
        self.commits.append(dict(offsets))

    def seek_to_committed(self) -> None:
        """Do nothing: there is nothing more to read."""

    def close(self) -> None:
        """Do nothing: nothing is open."""


def _sku(entry: OutboxEntry[OutputRecord]) -> str:
    (event,) = events_of(entry)
    return str(event.stock.id.sku) if hasattr(event, "stock") else ""
