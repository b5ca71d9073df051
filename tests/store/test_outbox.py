"""The outbox of a shard: read in order, trimmed when it is published, bounded."""

from reservation_worker.contracts.records import OutputRecord
from reservation_worker.domain.outcome import (
    OutcomeKind,
)
from reservation_worker.ports import (
    ShardStep,
    StepRefusal,
    StepRefused,
    Store,
)
from tests.store.conftest import Bounds, StoreFactory
from tests.store.facts import (
    ordered,
)
from tests.store.shard import EPOCH, SHARD, claim, outbox, step

CHANGED, REPEAT, REFUSED = OutcomeKind.CHANGED, OutcomeKind.REPEAT, OutcomeKind.REFUSED


INCOMPLETE = StepRefused(StepRefusal.INCOMPLETE, EPOCH)


def test_the_outbox_is_read_in_order_without_gaps_and_trimmed(store: Store[OutputRecord]) -> None:
    """Each entry is published once, after all earlier ones."""
    claim(store)
    for number in range(5):
        step(store, [ordered(f"v{number}")])
    entries = store.read_outbox([ShardStep(SHARD, EPOCH, 1)], 2)[0]
    assert not isinstance(entries, StepRefused)
    assert [2, 3] == [entry.step for entry in entries]
    assert store.mark_published([ShardStep(SHARD, EPOCH, 3)])[0] is None
    assert 3 == store.inspect(SHARD).published
    assert [4, 5] == [entry.step for entry in outbox(store, 3)]
    assert () == outbox(store, 5)
    assert store.mark_published([ShardStep(SHARD, EPOCH, 2)])[0] is None
    assert 3 == store.inspect(SHARD).published


def test_an_entry_that_must_be_there_and_is_not_is_said(store: Store[OutputRecord]) -> None:
    """Going on behind a gap would lose changes."""
    claim(store)
    for number in range(3):
        step(store, [ordered(f"v{number}")])
    store.mark_published([ShardStep(SHARD, EPOCH, 2)])[0]
    assert INCOMPLETE == store.read_outbox([ShardStep(SHARD, EPOCH, 0)], 10)[0]


def test_more_published_than_there_is_is_said(store: Store[OutputRecord]) -> None:
    """Redis has lost published steps: the shard must be rebuilt."""
    claim(store)
    step(store, [ordered()])
    assert INCOMPLETE == store.mark_published([ShardStep(SHARD, EPOCH, 2)])[0]


def test_a_full_outbox_refuses_steps_until_it_is_published(make_store: StoreFactory) -> None:
    """Redis must not fill up while Kafka is away."""
    store = make_store(Bounds(outbox_steps_max=2))
    claim(store)
    step(store, [ordered("v1")])
    step(store, [ordered("v2")])
    full = StepRefused(StepRefusal.OUTBOX_FULL, EPOCH)
    assert full == store.step(SHARD, EPOCH, [ordered("v3")])
    store.mark_published([ShardStep(SHARD, EPOCH, 1)])[0]
    assert (REFUSED,) == step(store, [ordered("v3")]).outcomes


def test_what_is_marked_is_out_of_the_outbox_up_to_the_last_of_it(
    store: Store[OutputRecord],
) -> None:
    """An entry that stayed would stay for ever."""
    claim(store)
    for number in range(3):
        step(store, [ordered(f"v{number}")])
    store.mark_published([ShardStep(SHARD, EPOCH, 2)])
    assert (INCOMPLETE,) == store.read_outbox([ShardStep(SHARD, EPOCH, 1)], 10)
    assert [3] == [entry.step for entry in outbox(store, 2)]
