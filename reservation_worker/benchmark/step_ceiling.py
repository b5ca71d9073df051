"""The step script alone: what Redis does if nothing else is to be done.

The production store packs the steps beforehand; then one connection sends them one behind the
other, some turns ahead of the replies. They run in shards that nobody owns, on the server that
the worker has used, and are removed afterwards. Their outbox is neither read nor trimmed while
the clock runs: a pass makes fewer steps than the store lets wait.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from redis import Redis

from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.pipeline import Reply
from reservation_worker.adapters.redis.records import unpack_outcomes
from reservation_worker.adapters.redis.store import RedisStore
from reservation_worker.apply.batches import WaitingFact
from reservation_worker.benchmark.packed_steps import (
    EPOCH,
    PackedTurn,
    PlannedStep,
    StepLimits,
    Turn,
    pack_turns,
    plan_turns,
)
from reservation_worker.benchmark.place import Place
from reservation_worker.benchmark.seen import Poll
from reservation_worker.composition import build_clock, build_redis_client, store_config
from reservation_worker.domain.facts import BalanceCounted
from reservation_worker.domain.keys import shard_of
from reservation_worker.domain.outcome import OutcomeKind
from reservation_worker.ports import ShardStep

TURNS_AHEAD = 2
KEYS_PER_CALL = 1_000
CHANGES = frozenset({OutcomeKind.CHANGED, OutcomeKind.REFUSED, OutcomeKind.CONFLICT})
"""Outcomes that publish a change of a reservation."""
SLOW_COMMANDS_KEPT = 100_000
SLOW_MICROSECONDS = 200
"""Shorter ones are not kept: no longest step is as short."""
SCRIPT = b"EVALSHA"


@dataclass(frozen=True, slots=True)
class Passed:
    """One pass over all facts of a backlog."""

    changes: int
    """Of reservations."""
    seconds: float
    longest_step_ms: float | None
    first_steps: dict[int, int]
    """By shard, the last step of those that counted the stocks."""
    steps: dict[int, int]
    """By shard, the last step of all."""


@dataclass(frozen=True, slots=True)
class StepCeilingMeasure:
    """Runs passes on the server of a place."""

    client: Redis
    config: StoreConfig
    limits: StepLimits
    shift: int
    """What is added to a shard's number: nobody owns those."""
    is_own: bool
    """The server is the benchmark's own: it may be asked to time its commands."""

    def plan(self, polls: Sequence[Poll], balances: Sequence[WaitingFact]) -> list[Turn]:
        """Find out which steps the facts take, and leave nothing behind."""
        with self._begun(balances) as store:
            return plan_turns(store, polls, self.limits, self.shift)

    @contextmanager
    def run(self, turns: Sequence[Turn], balances: Sequence[WaitingFact]) -> Iterator[Passed]:
        """Count every stock, then run all steps on the clock; what they wrote ends with the block.

        Raises:
            AssertionError: a step did not take what it takes.
        """
        packed = pack_turns(turns, self.config, self.shift)
        shards = sorted({step.shard for turn in turns for step in turn})
        with self._begun(balances) as store:
            first_steps = self._steps(store, shards)
            with self._timed_commands() as longest:
                begun = time.perf_counter()
                replies = self._send(packed)
                seconds = time.perf_counter() - begun
            changes = sum(_changes(step, reply) for step, reply in replies)
            yield Passed(
                changes,
                seconds,
                longest[0] if longest else None,
                first_steps,
                self._steps(store, shards),
            )

    def mark_published(self, passed: Passed) -> None:
        """Trim the outboxes as the owner of the shards does."""
        store = RedisStore(self.client, self.config, build_clock())
        marks = [ShardStep(shard + self.shift, EPOCH, step) for shard, step in passed.steps.items()]
        assert not any(store.mark_published(marks))

    @contextmanager
    def _begun(self, balances: Sequence[WaitingFact]) -> Iterator[RedisStore]:
        """Give a store in which every stock is counted; at the end all keys are removed."""
        shards = {shard_of(one.fact.account, self.limits.shards_total) for one in balances}
        store = RedisStore(self.client, self.config, build_clock())
        try:
            for shard in shards:
                inspected = store.inspect(shard + self.shift)
                assert inspected.epoch == 0, f"shard {shard + self.shift} is in use"
                assert store.claim(shard + self.shift, inspected, EPOCH)
            plan_turns(store, [tuple(balances)], self.limits, self.shift)
            yield store
        finally:
            for shard in shards:
                self._remove(shard + self.shift)

    def _remove(self, shard: int) -> None:
        batch: list[bytes] = []
        for key in self.client.scan_iter(f"{{s{shard}}}:*", KEYS_PER_CALL):
            batch.append(key)
            if len(batch) == KEYS_PER_CALL:
                self.client.unlink(*batch)
                batch.clear()
        if batch:
            self.client.unlink(*batch)

    def _steps(self, store: RedisStore, shards: Iterable[int]) -> dict[int, int]:
        return {shard: store.inspect(shard + self.shift).step for shard in shards}

    def _send(self, packed: Sequence[PackedTurn]) -> list[tuple[PlannedStep, Reply]]:
        """Send all, and take the replies some turns later."""
        connection = self.client.connection_pool.get_connection()
        waiting: deque[PackedTurn] = deque()
        replies: list[tuple[PlannedStep, Reply]] = []

        def take() -> None:
            steps = waiting.popleft().steps
            replies.extend([(step, connection.read_response()) for step in steps])

        try:
            for turn in packed:
                connection.send_packed_command([turn.sent])  # type: ignore[no-untyped-call]  # shipped so
                waiting.append(turn)
                while len(waiting) > TURNS_AHEAD:
                    take()
            while waiting:
                take()
        finally:
            self.client.connection_pool.release(connection)
        return replies

    @contextmanager
    def _timed_commands(self) -> Iterator[list[float]]:
        """Give a list to which the longest script of the block is added, in milliseconds."""
        longest: list[float] = []
        if not self.is_own:
            yield longest
            return
        with timed_scripts(self.client) as found:
            yield longest
        longest += found


@contextmanager
def timed_scripts(client: Redis) -> Iterator[list[float]]:
    """Give a list to which, at the end, the longest script of the block is added, in ms."""
    found: list[float] = []
    client.config_set("slowlog-max-len", SLOW_COMMANDS_KEPT)
    client.config_set("slowlog-log-slower-than", SLOW_MICROSECONDS)
    client.slowlog_reset()
    yield found
    entries = client.slowlog_get(SLOW_COMMANDS_KEPT)
    durations = [one["duration"] for one in entries if one["command"].startswith(SCRIPT)]
    found.append(max(durations, default=0) / 1_000)


def measure_at(found: Place) -> StepCeilingMeasure | None:
    """Return what measures on the Redis of a place; None on a cluster, which has several."""
    settings = found.settings()
    client = build_redis_client(settings)
    if not isinstance(client, Redis):
        return None
    limits = StepLimits(
        shards_total=settings.topics.shards_total,
        facts_per_step_max=settings.apply.facts_per_step_max,
        lines_per_step_max=settings.apply.lines_per_step_max,
        queued_facts_max=settings.apply.records_per_poll_max,
    )
    config = store_config(settings)
    return StepCeilingMeasure(client, config, limits, limits.shards_total, bool(found.process_ids))


def in_steps_of(measuring: StepCeilingMeasure, size: int) -> StepCeilingMeasure:
    """Return what measures with steps of so many facts, whatever the settings say."""
    return replace(
        measuring,
        config=replace(measuring.config, facts_per_step_max=size),
        limits=replace(measuring.limits, facts_per_step_max=size),
    )


def _changes(step: PlannedStep, reply: Reply) -> int:
    assert reply[0] == 1, f"a step was refused: {reply}"
    outcomes = unpack_outcomes(reply[3])
    assert len(outcomes) == step.taken, "a step took more, or less, than it takes"
    return sum(
        outcome in CHANGES and not isinstance(fact, BalanceCounted)
        for fact, outcome in zip(step.facts, outcomes, strict=False)
    )
