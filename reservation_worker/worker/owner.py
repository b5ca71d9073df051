"""The loop of a shards' owner: take over, publish, and state what time has left to do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from reservation_worker.deadlines import Schedule, Scheduled
from reservation_worker.ports import (
    BrokerUnavailable,
    Clock,
    CommitFateUnknown,
    FatallyBroken,
    Membership,
    OwnedShards,
    OwnershipLost,
    Position,
    ShardEpoch,
    ShardGroup,
    StepRefusal,
    StoreUnavailable,
    Unavailable,
)
from reservation_worker.publish import Publication, Publisher
from reservation_worker.recovery import LACKS_SOMETHING, Recovery, TakeOver
from reservation_worker.telemetry.dependencies import Dependencies
from reservation_worker.telemetry.labels import Dependency, EpochReason
from reservation_worker.telemetry.log_events import (
    OWNERSHIP_LOST,
    SERVER_CHANGED,
    SHARD_HELD,
    SHARD_RELEASED,
    TRANSACTION_ABORTED,
    TRANSACTION_FATE_LOST,
)
from reservation_worker.telemetry.metrics import Metrics
from reservation_worker.worker.configuration import OwnerConfig

LOOP: Final = "publish"
PASSING_REFUSALS = frozenset({StepRefusal.OUTBOX_FULL, StepRefusal.MOVES})
"""They end without the owner's doing anything; the schedule looks again."""


@dataclass(frozen=True, slots=True)
class OwnerParts:
    """What an owner's loop is built from; it alone uses ``group`` and what publishes."""

    group: ShardGroup
    recovery: Recovery
    publisher: Publisher
    schedule: Schedule
    clock: Clock
    metrics: Metrics
    dependencies: Dependencies
    wait_for_work: Callable[[int], None]
    """Wait so many milliseconds at most, less if there is something to publish."""
    close_producer: Callable[[], None]
    unreachable_shards: Callable[[], Mapping[int, str]] = dict
    """Those of which nothing can be published or read back now, and why."""


@dataclass(frozen=True, slots=True)
class OwnerStatus:
    """How the loop is doing, as probes see it."""

    turned_at_ms: int
    """Monotonic."""
    in_group: bool
    assigned_shards: int
    """By the group; those that are not owned yet are being taken over."""
    owned_shards: int
    rebuilding_shards: int
    held_shards: Mapping[int, str]
    problems: tuple[str, ...] = ()
    """What else keeps the loop from its work, a sentence each; while there is one it is not ready.
    """


class OwnerLoop:
    """Publishes the outboxes of the shards that the group assigns to this process."""

    def __init__(self, config: OwnerConfig, parts: OwnerParts) -> None:
        self._config = config
        self._parts = parts
        self._now_ms = parts.clock.monotonic_ms
        self._logger = structlog.get_logger()
        self._tenures: dict[int, int] = {}
        self._owned: dict[int, Position] = {}
        self._held: dict[int, str] = {}
        self._epoch_reasons: dict[int, EpochReason] = {}
        self._scan_at_ms: dict[int, int] = {}
        self._remove_at_ms: dict[int, int] = {}
        self._retry_at_ms = 0
        self._publish_at_ms = 0
        self._retry_held_at_ms = 0
        self._fenced_in_a_row = 0
        self._in_group = False
        self._group_problem = ""
        self._is_settled = False
        self._unreachable: frozenset[int] = frozenset()
        self._draining = False
        self._drains_up_to: dict[int, int] | None = None
        """Per shard that is not published so far, where its outbox ended when a drain began."""
        self.idle = False
        """Whether a drain has done what it can."""
        self.status = self._look()

    def drain(self) -> None:
        """State nothing more; further turns publish what the outboxes hold by now.

        What another process adds meanwhile is the next owner's. So is everything if a server does
        not answer: nothing of it is lost, and a process that shall end does not wait for it.
        """
        self._draining = True

    def turn(self) -> None:
        """Serve the group, take over what is new, publish what waits, state what is due.

        Raises:
            FatallyBroken: the worker slot is in use twice, or a record cannot be written.
        """
        ownership = self._parts.group.poll()
        self._release(ownership)
        self._set_apart()
        worked = False
        if ownership.membership is not None and self._now_ms() >= self._retry_at_ms:
            worked = self._work(ownership, ownership.membership)
        self.idle = self._draining and not worked
        self.status = self._look()
        if not worked and not self._draining:
            pause_ms = self._publish_at_ms - self._now_ms()
            longest_ms = self._config.poll_interval_ms
            self._parts.wait_for_work(min(longest_ms, pause_ms) if pause_ms > 0 else longest_ms)

    def close(self) -> None:
        """Leave the group; another member takes the shards over."""
        self._parts.group.close()
        self._parts.close_producer()

    def _work(self, ownership: OwnedShards, membership: Membership) -> bool:
        """Do what there is to do; tell whether there may be more at once."""
        try:
            self._take_over(ownership, membership)
            rebuilds = bool(self._parts.recovery.rebuilding)
            self._take(self._parts.recovery.rebuild_further(membership))
            if self._now_ms() < self._publish_at_ms and not self._draining:
                return rebuilds
            publication = self._parts.publisher.publish(self._owned, membership)
            self._owned.update(publication.positions)
            self._give_up(publication.refused)
            more = not self._draining and (self._run_schedule() or rebuilds)
        except StoreUnavailable as error:
            self._wait_for(Dependency.REDIS, error)
            return False
        except BrokerUnavailable as error:
            self._logger.warning(TRANSACTION_ABORTED, reason=str(error))
            self._wait_for(Dependency.KAFKA, error)
            return False
        except OwnershipLost as error:
            self._logger.warning(OWNERSHIP_LOST, reason=str(error))
            self._retry_at_ms = self._now_ms() + self._config.retry_interval_ms
            return False
        except CommitFateUnknown as error:
            self._meet_unknown_fate(error)
            return False
        self._hear_from_both()
        if publication.positions:
            self._fenced_in_a_row = 0
            if publication.records_total < self._config.small_transaction_records:
                self._publish_at_ms = self._now_ms() + self._config.small_transaction_pause_ms
            self._parts.metrics.last_progress_timestamp.set(self._parts.clock.now_ms() / 1000)
        if self._draining:
            return self._drain_further(publication)
        return more or bool(publication.positions)

    def _drain_further(self, publication: Publication) -> bool:
        """Tell whether anything was published that the drain is for: the next look tells Redis."""
        if self._drains_up_to is None:
            self._drains_up_to = dict(publication.outbox_ends)
        moved = self._drains_up_to.keys() & publication.positions.keys()
        for shard in moved:
            if publication.positions[shard].step >= self._drains_up_to[shard]:
                del self._drains_up_to[shard]
        return bool(moved)

    def _release(self, ownership: OwnedShards) -> None:
        """Forget shards that are no longer assigned, or were assigned anew."""
        for shard, tenure in list(self._tenures.items()):
            if ownership.tenures.get(shard) != tenure:
                self._parts.recovery.forget((shard,))
                del self._tenures[shard]
                self._owned.pop(shard, None)
                self._held.pop(shard, None)
                self._epoch_reasons.pop(shard, None)
                self._logger.info(SHARD_RELEASED, shard=shard)
        for shard, tenure in ownership.tenures.items():
            if shard not in self._tenures:
                self._tenures[shard] = tenure
                self._epoch_reasons[shard] = EpochReason.ASSIGNED
        if self._is_settled and not ownership.is_settled:
            # The group was lost, so the brokers were: a producer that has sat through an outage may
            # wait for ever for an answer of before, and a new one costs a few milliseconds.
            self._parts.close_producer()
        self._is_settled = ownership.is_settled
        self._in_group = ownership.membership is not None and ownership.is_settled
        self._group_problem = ownership.problem

    def _set_apart(self) -> None:
        """Hold shards whose partitions cannot be reached: in a transaction they stop all others."""
        unreachable = self._parts.unreachable_shards()
        for shard in unreachable.keys() & self._tenures.keys():
            self._parts.recovery.forget((shard,))
            self._hold(shard, unreachable[shard])
        back = self._unreachable - unreachable.keys()
        if back & self._held.keys():
            self._retry_held_at_ms = self._now_ms()
        self._unreachable = frozenset(unreachable)

    def _take_over(self, ownership: OwnedShards, membership: Membership) -> None:
        if self._held and self._now_ms() >= self._retry_held_at_ms:
            self._retry_held_at_ms = self._now_ms() + self._config.retry_held_interval_ms
            retried: Mapping[int, str] = dict(self._held)
        else:
            retried = {}
        shards = [
            shard
            for shard in sorted(ownership.tenures)
            if not (shard in self._owned or shard in self._parts.recovery.rebuilding)
            and shard not in self._unreachable
            and (shard not in self._held or shard in retried)
        ]
        if not shards:
            return
        self._take(self._parts.recovery.take_over(shards, membership))

    def _take(self, taken: TakeOver) -> None:
        self._owned.update(taken.owned)
        for shard in taken.owned:
            self._held.pop(shard, None)
            reason = self._epoch_reasons.pop(shard, EpochReason.REFUSED)
            self._parts.metrics.epochs.labels(reason=reason).inc()
        for shard, problem in taken.held.items():
            self._hold(shard, problem)

    def _hold(self, shard: int, reason: str) -> None:
        self._owned.pop(shard, None)
        if self._held.get(shard) != reason:
            self._logger.error(SHARD_HELD, shard=shard, reason=reason)
        if not self._held:
            self._retry_held_at_ms = self._now_ms() + self._config.retry_held_interval_ms
        self._held[shard] = reason

    def _give_up(self, refused: Mapping[int, StepRefusal]) -> None:
        """Stop publishing shards until they are taken over again, and rebuilt if need be."""
        for shard, reason in refused.items():
            self._owned.pop(shard, None)
            if reason is StepRefusal.INCOMPLETE:
                self._parts.recovery.distrust(shard, LACKS_SOMETHING)
            changed = reason is StepRefusal.SERVER
            self._epoch_reasons[shard] = (
                EpochReason.SERVER_CHANGED if changed else EpochReason.REFUSED
            )
            self._logger.warning(SERVER_CHANGED if changed else OWNERSHIP_LOST, shard=shard)

    def _run_schedule(self) -> bool:
        """State what is due; then, for no deadline waits for it, remove what may leave."""
        schedule, config = self._parts.schedule, self._config
        more = self._look_for(schedule.run, self._scan_at_ms, config.scan_interval_ms)
        removed = self._look_for(
            schedule.remove, self._remove_at_ms, config.retention_scan_interval_ms
        )
        return more or removed

    def _look_for(
        self,
        work: Callable[[Sequence[ShardEpoch]], Mapping[int, Scheduled]],
        look_at_ms: dict[int, int],
        interval_ms: int,
    ) -> bool:
        more = False
        refused: dict[int, StepRefusal] = {}
        now_ms = self._now_ms()
        due = [
            ShardEpoch(shard, position.minted)
            for shard, position in self._owned.items()
            if now_ms >= look_at_ms.get(shard, 0)
        ]
        for shard, scheduled in work(due).items():
            look_at_ms[shard] = now_ms if scheduled.more else now_ms + interval_ms
            more = more or scheduled.stepped
            if scheduled.refusal is not None and scheduled.refusal not in PASSING_REFUSALS:
                refused[shard] = scheduled.refusal
        self._give_up(refused)
        return more

    def _meet_unknown_fate(self, error: CommitFateUnknown) -> None:
        """Take every shard over again: only the positions in Kafka tell what was committed."""
        self._logger.warning(TRANSACTION_FATE_LOST, reason=str(error))
        self._parts.metrics.producer_recreations.inc()
        self._fenced_in_a_row += 1
        if self._fenced_in_a_row > self._config.fenced_in_a_row_max:
            raise FatallyBroken(
                "Transactions are fenced again and again: another process has the same group and "
                "worker slot. Give each process a slot of its own."
            ) from error
        for shard in self._owned:
            self._epoch_reasons[shard] = EpochReason.COMMIT_FATE_UNKNOWN
        self._owned.clear()
        self._parts.recovery.forget(self._parts.recovery.rebuilding)
        self._parts.publisher.forget()
        self._retry_at_ms = self._now_ms() + self._config.retry_interval_ms

    def _hear_from_both(self) -> None:
        for dependency in Dependency:
            self._parts.dependencies.heard(dependency, LOOP)

    def _wait_for(self, dependency: Dependency, error: Unavailable) -> None:
        self._parts.dependencies.lost(dependency, LOOP, error.reason, str(error))
        self._retry_at_ms = self._now_ms() + self._config.retry_interval_ms

    def _look(self) -> OwnerStatus:
        self._parts.metrics.owned_shards.set(len(self._owned))
        self._parts.metrics.held_shards.set(len(self._held))
        return OwnerStatus(
            turned_at_ms=self._now_ms(),
            in_group=self._in_group,
            assigned_shards=len(self._tenures),
            owned_shards=len(self._owned),
            rebuilding_shards=len(self._parts.recovery.rebuilding),
            held_shards=dict(self._held),
            problems=(self._group_problem,) if self._group_problem else (),
        )
