"""One claimed shard of a store, as tests use it."""

from collections.abc import Sequence

from reservation_worker.contracts.records import OutputRecord
from reservation_worker.domain.facts import Fact
from reservation_worker.domain.outcome import OutcomeKind, PublishedEvent
from reservation_worker.ports import (
    DueWork,
    OutboxEntry,
    ShardEpoch,
    ShardStep,
    StepRefused,
    StepReply,
    Store,
)
from tests.published import events_of
from tests.store.random_facts import NOW_MS

SHARD = 7
EPOCH = NOW_MS
FAR_FUTURE_MS = NOW_MS + 10_000_000
STEPS_MAX = 100


def claim(store: Store[OutputRecord], epoch: int = EPOCH) -> None:
    """Make this process the owner that has verified the server."""
    assert store.claim(SHARD, store.inspect(SHARD), epoch)


def step(store: Store[OutputRecord], facts: Sequence[Fact], epoch: int = EPOCH) -> StepReply:
    """Run one step that must not be refused."""
    reply = store.step(SHARD, epoch, facts)
    assert isinstance(reply, StepReply)
    return reply


def apply_all(store: Store[OutputRecord], facts: Sequence[Fact]) -> tuple[OutcomeKind, ...]:
    """Run steps until every fact has been taken."""
    outcomes: list[OutcomeKind] = []
    for _ in range(STEPS_MAX):
        if len(outcomes) == len(facts):
            return tuple(outcomes)
        outcomes += step(store, facts[len(outcomes) :]).outcomes
    raise AssertionError(f"not within {STEPS_MAX} steps")


def outbox(
    store: Store[OutputRecord], after_step: int = 0, epoch: int = EPOCH
) -> tuple[OutboxEntry[OutputRecord], ...]:
    """Return all entries behind a step."""
    entries = store.read_outbox([ShardStep(SHARD, epoch, after_step)], 1_000)[0]
    assert not isinstance(entries, StepRefused)
    return entries


def events(store: Store[OutputRecord]) -> tuple[PublishedEvent, ...]:
    """Return all events that wait to be published."""
    return tuple(event for entry in outbox(store) for event in events_of(entry))


def due(store: Store[OutputRecord], expired_up_to_ms: int = FAR_FUTURE_MS) -> DueWork:
    """Return the facts that the owner must state."""
    work = store.due([ShardEpoch(SHARD, EPOCH)], expired_up_to_ms, 1_000)[0]
    assert not isinstance(work, StepRefused)
    return work
