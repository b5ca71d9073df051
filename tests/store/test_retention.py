"""What has been kept long enough leaves a store; each test runs on a real server and in memory."""

from dataclasses import replace

import pytest
import redis

from reservation_worker.contracts.dead_letters import (
    CODE_HEADER,
    FAILED_AT_HEADER,
    FINGERPRINT_HEADER,
    ID_HEADER,
    MESSAGE_HEADER,
    OFFSET_HEADER,
    PARTITION_HEADER,
    TOPIC_HEADER,
)
from reservation_worker.contracts.instants import instant_text
from reservation_worker.contracts.records import ANY_PARTITION, OutputRecord, OutputTopic
from reservation_worker.domain.facts import Fact, RetentionReached
from reservation_worker.domain.outcome import OutcomeKind, RemovalRemark
from reservation_worker.domain.reservation import Status
from reservation_worker.ports import RetentionAt, ShardEpoch, StepRefusal, StepRefused, Store
from tests.clocks import StandingClock
from tests.published import removed_by
from tests.store.conftest import Bounds, in_memory_store, redis_store
from tests.store.facts import ACCOUNT, canceled, counted, invoiced, ordered, paid, reservation_id
from tests.store.random_facts import NOW_MS
from tests.store.shard import EPOCH, SHARD, apply_all, claim, due, events, outbox, step

CHANGED, REPEAT = OutcomeKind.CHANGED, OutcomeKind.REPEAT
OVER_MS, AWAITING_MS = 1_000, 3_000


@pytest.fixture
def clock() -> StandingClock:
    """Give the clock of whoever has steps run."""
    return StandingClock(NOW_MS)


@pytest.fixture(params=["redis", "in_memory"])
def store(request: pytest.FixtureRequest, clock: StandingClock) -> Store[OutputRecord]:
    """Give the claimed store under test."""
    made: Store[OutputRecord] = in_memory_store(Bounds(), clock)
    if request.param == "redis":
        client: redis.Redis = request.getfixturevalue("client")
        made = redis_store(client, Bounds(), clock)
    claim(made)
    return made


def removable(
    store: Store[OutputRecord], now_ms: int, facts_max: int = 100
) -> tuple[RetentionReached, ...]:
    """Return what may leave."""
    at = RetentionAt(now_ms, OVER_MS, AWAITING_MS)
    (found,) = store.removable([ShardEpoch(SHARD, EPOCH)], at, facts_max)
    assert not isinstance(found, StepRefused)
    return found


def orders_of(facts: tuple[RetentionReached, ...]) -> list[str]:
    """Return the orders that facts speak of, in order."""
    return [fact.order_id for fact in facts]


def test_each_kind_is_kept_for_its_own_time_since_it_changed_last(
    store: Store[OutputRecord], clock: StandingClock
) -> None:
    """By the caller's clock: the facts' own times say nothing of when they may be read again."""
    apply_all(store, [ordered("denied"), paid("early"), canceled("early")])
    assert () == removable(store, NOW_MS + OVER_MS - 1)
    denied = RetentionReached(ACCOUNT, "denied", 1, NOW_MS + OVER_MS)
    early = RetentionReached(ACCOUNT, "early", 2, NOW_MS + AWAITING_MS)
    assert (denied,) == removable(store, NOW_MS + OVER_MS)
    assert (denied,) == removable(store, NOW_MS + AWAITING_MS - 1)
    assert (denied, early) == removable(store, NOW_MS + AWAITING_MS)
    clock.advance(700)
    apply_all(store, [canceled("denied"), canceled("early")])
    changed = replace(denied, version=2, reached_at_ms=denied.reached_at_ms + 700)
    assert (changed, early) == removable(store, NOW_MS + AWAITING_MS)


def test_what_comes_back_to_life_is_not_looked_for(
    store: Store[OutputRecord], clock: StandingClock
) -> None:
    """A late payment holds expired units again; the order of an early payment has come."""
    apply_all(store, [counted(9), ordered("expired"), paid("early")])
    apply_all(store, due(store).deadlines)
    assert ["expired", "early"] == orders_of(removable(store, NOW_MS + AWAITING_MS))
    apply_all(store, [paid("expired"), ordered("early")])
    assert () == removable(store, NOW_MS + AWAITING_MS)
    clock.advance(50)
    apply_all(store, [canceled("expired")])
    assert ["expired"] == orders_of(removable(store, NOW_MS + 50 + OVER_MS))


def test_the_oldest_leave_first_and_so_many_at_a_time(
    store: Store[OutputRecord], clock: StandingClock
) -> None:
    """Work of a turn is bounded, and the rest comes next."""
    for number in range(5):
        apply_all(store, [ordered(f"denied-{number}")])
        clock.advance(10)
    later_ms = NOW_MS + AWAITING_MS
    assert ["denied-0", "denied-1"] == orders_of(removable(store, later_ms, 2))
    apply_all(store, removable(store, later_ms, 2))
    assert ["denied-2", "denied-3", "denied-4"] == orders_of(removable(store, later_ms))


def test_a_removal_leaves_nothing_but_a_tombstone(store: Store[OutputRecord]) -> None:
    """Readers see a null value under the reservation's key, with a step like any other record."""
    apply_all(store, [ordered("denied")])
    before = store.inspect(SHARD).step
    (fact,) = removable(store, NOW_MS + OVER_MS)
    assert (CHANGED,) == step(store, [fact]).outcomes
    assert store.reservation(SHARD, reservation_id("denied")) is None
    assert () == removable(store, NOW_MS + AWAITING_MS)
    (entry,) = outbox(store, before)
    (tombstone,) = entry.records
    assert (OutputTopic.RESERVATION_CHANGED, SHARD, b"acme/denied", None) == (
        *(tombstone.topic, tombstone.partition, tombstone.key, tombstone.value),
    )
    assert {
        "ce_specversion": b"1.0",
        "ce_id": f"{SHARD}-{before + 1}-0".encode(),
        "ce_source": b"/reservation-worker",
        "ce_type": b"reservation.removed.v1",
        "ce_subject": b"acme/denied",
        "ce_time": instant_text(NOW_MS + OVER_MS).encode(),
        "ce_partitionkey": b"acme",
    } == dict(tombstone.headers)
    assert (RemovalRemark(Status.DENIED, None),) == entry.remarks
    assert (REPEAT,) == step(store, [fact]).outcomes
    assert before + 1 == store.inspect(SHARD).step


def test_an_orphan_leaves_with_a_dead_letter_that_names_its_facts(
    store: Store[OutputRecord],
) -> None:
    """Its records may be gone from their topics; where they stood is all that can be told."""
    apply_all(store, [paid("ghost"), invoiced("ghost")])
    before = store.inspect(SHARD).step
    apply_all(store, removable(store, NOW_MS + AWAITING_MS))
    (entry,) = outbox(store, before)
    assert (reservation_id("ghost"),) == removed_by(entry)
    letter = entry.records[-1]
    assert (OutputTopic.DEAD_LETTER, ANY_PARTITION, b"acme/ghost") == (
        *(letter.topic, letter.partition, letter.key),
    )
    assert (
        b'{"dead_letter_stub":{"account":"acme","order_id":"ghost","facts":['
        b'{"topic":"some-topic","partition":0,"offset":2},'
        b'{"topic":"some-topic","partition":0,"offset":3}]}}'
    ) == letter.value
    headers = dict(letter.headers)
    assert {
        ID_HEADER: headers[ID_HEADER],
        TOPIC_HEADER: b"some-topic",
        PARTITION_HEADER: b"0",
        OFFSET_HEADER: b"2",
        MESSAGE_HEADER: b"The order that these facts speak of never came.",
        CODE_HEADER: b"ORPHANED",
        FINGERPRINT_HEADER: headers[FINGERPRINT_HEADER],
        FAILED_AT_HEADER: instant_text(NOW_MS + AWAITING_MS).encode(),
    } == headers
    assert (RemovalRemark(Status.AWAITING, "some-topic"),) == entry.remarks


def test_a_removal_has_its_reservation_to_itself_in_a_step(store: Store[OutputRecord]) -> None:
    """What comes before or behind it in the same batch is another step's."""
    apply_all(store, [ordered("denied"), ordered("other")])
    facts: list[Fact] = [*removable(store, NOW_MS + OVER_MS), ordered("denied"), ordered("third")]
    assert 2 == len(step(store, facts).outcomes)
    assert (OutcomeKind.REFUSED, OutcomeKind.REFUSED) == apply_all(store, facts[2:])
    again = store.reservation(SHARD, reservation_id("denied"))
    assert again is not None
    assert 1 == again.version
    facts = [canceled("denied"), RetentionReached(ACCOUNT, "denied", 2, NOW_MS)]
    assert 1 == len(step(store, facts).outcomes)
    assert (CHANGED,) == step(store, facts[1:]).outcomes


def test_tombstones_stand_behind_everything_else_of_their_step(
    store: Store[OutputRecord],
) -> None:
    """The index of an event is part of its id: dead letters have none, and come last."""
    apply_all(store, [counted(5), ordered("denied", quantity=9), paid("ghost")])
    before = store.inspect(SHARD).step
    denied, ghost = sorted(removable(store, NOW_MS + AWAITING_MS), key=lambda fact: fact.order_id)
    step(store, [ghost, ordered("held"), denied])
    (entry,) = outbox(store, before)
    assert [b"acme/held", b"acme/main/chair", b"acme/ghost", b"acme/denied", b"acme/ghost"] == [
        record.key for record in entry.records
    ]
    assert [f"{SHARD}-{before + 1}-{index}".encode() for index in range(4)] == [
        dict(record.headers)["ce_id"] for record in entry.records[:4]
    ]


def test_what_is_live_never_leaves(store: Store[OutputRecord]) -> None:
    """Not even by a fact of its very version."""
    apply_all(store, [counted(9), ordered("held"), ordered("sold"), invoiced("sold")])
    facts = [
        RetentionReached(ACCOUNT, order, 1 + (order == "sold"), 1) for order in ("held", "sold")
    ]
    published = len(events(store))
    assert (REPEAT, REPEAT) == apply_all(store, facts)
    assert published == len(events(store))


def test_another_owner_is_refused(store: Store[OutputRecord]) -> None:
    """Like everything else that is asked of a shard."""
    at = RetentionAt(NOW_MS, 0, 0)
    refused = StepRefused(StepRefusal.EPOCH, EPOCH)
    assert (refused,) == store.removable([ShardEpoch(SHARD, EPOCH + 1)], at, 1)
