"""Shards whose facts wait because nobody may write to them, and what is to be said of it."""

from collections.abc import Callable, Collection, Mapping
from typing import Final

import structlog

from reservation_worker.ports import ShardState, StepRefusal
from reservation_worker.ports.foreign import foreign_state
from reservation_worker.telemetry.log_events import (
    SHARD_FOREIGN,
    SHARD_UNVERIFIED,
    SHARD_VERIFIED_AT_LAST,
    STEP_REFUSED,
)
from reservation_worker.telemetry.metrics import Metrics

Progress = tuple[int, int] | None
"""Epoch and step that are known to be published."""
UNPUBLISHED_AFTER_INTERVALS: Final = 2
"""A transaction waits for more than a verification does."""
UNVERIFIED: Final = frozenset({StepRefusal.SERVER, StepRefusal.EPOCH})
"""Nobody has taken the shard over on this server: an owner does so within moments, if it looks
there at all."""


class SetAside:
    """Remembers since when each shard refuses steps; an age is computed when it is asked for."""

    def __init__(
        self, metrics: Metrics, monotonic_ms: Callable[[], int], unverified_after_ms: int
    ) -> None:
        """Begin with none."""
        self._metrics = metrics
        self._now_ms = monotonic_ms
        self._unverified_after_ms = unverified_after_ms
        self._logger = structlog.get_logger()
        self._refusals: dict[int, tuple[StepRefusal, int]] = {}
        """Why each is set aside, and since when."""
        self._foreign: dict[int, str] = {}
        self._told: set[int] = set()
        self._told_unpublished: set[int] = set()
        self._unpublished: dict[int, tuple[Progress, int]] = {}
        """How far each shard is published whose steps wait for it, and since when only so far."""

    def refuse(self, shard: int, reason: StepRefusal, foreign: str = "") -> None:
        """Note that a shard refuses its steps; said once."""
        before = self._refusals.get(shard)
        is_as_before = before is not None and (
            before[0] is reason or {before[0], reason} <= UNVERIFIED
        )
        if not is_as_before:
            self._refusals[shard] = (reason, self._now_ms())
            self._logger.warning(STEP_REFUSED, shard=shard, reason=reason.value)
        if reason is not StepRefusal.FOREIGN:
            self._foreign.pop(shard, None)
        if foreign and self._foreign.get(shard) != foreign:
            self._foreign[shard] = foreign
            self._logger.error(SHARD_FOREIGN, shard=shard, reason=foreign_state(foreign))

    def inspected(self, shard: int, state: ShardState) -> None:
        """Note whose a shard is, or that it is nobody's."""
        if state.foreign:
            self.refuse(shard, StepRefusal.FOREIGN, state.foreign)
        elif not state.epoch:
            self.refuse(shard, StepRefusal.EPOCH)

    def admit(self, shard: int) -> None:
        """Note that a shard takes steps."""
        if self._refusals.pop(shard, None) is None:
            return
        self._foreign.pop(shard, None)
        if shard in self._told:
            self._told.remove(shard)
            self._logger.info(SHARD_VERIFIED_AT_LAST, shard=shard)

    def wait_for_publication(self, progress: Mapping[int, Progress]) -> None:
        """Note which shards have steps that are not published, and how far each is by now."""
        now_ms = self._now_ms()
        before = self._unpublished
        self._unpublished = {
            shard: before[shard]
            if shard in before and before[shard][0] == known
            else (known, now_ms)
            for shard, known in progress.items()
        }

    def problems(self, waiting: Collection[int], *, has_uncommitted: bool) -> tuple[str, ...]:
        """Say what keeps input waiting, a sentence each, given the shards whose facts wait."""
        for shard in [one for one in self._refusals if one not in waiting]:
            self.admit(shard)
        if not has_uncommitted:
            self._unpublished.clear()
        now_ms = self._now_ms()
        unverified = {
            shard: now_ms - since_ms
            for shard, (reason, since_ms) in sorted(self._refusals.items())
            if reason in UNVERIFIED and now_ms - since_ms >= self._unverified_after_ms
        }
        unpublished = {
            shard: now_ms - since_ms
            for shard, (_, since_ms) in sorted(self._unpublished.items())
            if now_ms - since_ms >= UNPUBLISHED_AFTER_INTERVALS * self._unverified_after_ms
        }
        self._metrics.unverified_shards.set(len(unverified.keys() | unpublished.keys()))
        self._metrics.foreign_shards.set(len(self._foreign))
        for shard in unverified.keys() - self._told:
            self._told.add(shard)
            why = unverified_here([shard], unverified[shard])
            self._logger.error(SHARD_UNVERIFIED, shard=shard, reason=why)
        for shard in unpublished.keys() - self._told_unpublished:
            why = unpublished_from_here([shard], unpublished[shard])
            self._logger.error(SHARD_UNVERIFIED, shard=shard, reason=why)
        self._told_unpublished = set(unpublished)
        by_deployment: dict[str, list[int]] = {}
        for shard, deployment in sorted(self._foreign.items()):
            by_deployment.setdefault(deployment, []).append(shard)
        sentences = [
            f"{_named(shards)}: {foreign_state(deployment)}"
            for deployment, shards in by_deployment.items()
        ]
        if unverified:
            sentences.append(unverified_here(list(unverified), max(unverified.values())))
        if unpublished:
            sentences.append(unpublished_from_here(list(unpublished), max(unpublished.values())))
        return tuple(sentences)


def unverified_here(shards: list[int], for_ms: int) -> str:
    """Say that no owner looks at shards on the Redis that this worker looks at."""
    return (
        f"{_named(shards)}: no owner has verified this Redis for {for_ms // 1_000} s, so their "
        "input waits; nothing of it is lost. Either no worker that publishes is running, or their "
        "owner cannot take them over (its own log and probe say why), or it looks at another Redis "
        "than this one: compare redis.url and redis.key_prefix of all workers of the group."
    )


def unpublished_from_here(shards: list[int], for_ms: int) -> str:
    """Say that no owner publishes what this worker has applied on the Redis that it looks at."""
    return (
        f"{_named(shards)}: nothing of what this worker applied is published for "
        f"{for_ms // 1_000} s, so its input cannot be committed; nothing of it is lost. Either "
        "their owner does not run or cannot publish (its own log and probe say why), or it "
        "publishes from another Redis than this one: compare redis.url and redis.key_prefix of "
        "all workers of the group."
    )


def _named(shards: list[int]) -> str:
    numbers = ", ".join(map(str, shards))
    return f"Shard {numbers}" if len(shards) == 1 else f"Shards {numbers}"
