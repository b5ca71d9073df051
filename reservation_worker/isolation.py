"""Finding the fact on which a step's script breaks, whatever the reason, so that it stops nobody.

A step is all or nothing, so one such fact would keep all others of its shard from being applied,
on every worker in turn. The steps of that shard take half as many facts each time one fails, until
a fact stands alone.
"""

from typing import Final, TypeVar

import structlog

from reservation_worker.domain.facts import DeadlineReached, TimedFact
from reservation_worker.ports import Clock, DueWork, FatallyBroken, StepCall, StepFailed, Store
from reservation_worker.telemetry.labels import Invariant, ScriptResult, fact_label
from reservation_worker.telemetry.log_events import FACT_UNDECIDABLE
from reservation_worker.telemetry.metrics import Metrics

FactT = TypeVar("FactT", bound=TimedFact)
"""One kind of what time states."""

SUSPECTS_TOTAL: Final = 2_000
"""So many facts are stated in small steps after a failure, if none of them fails alone: more than
one step takes, for after a rebuild they may come in another order."""
SET_ASIDE_MAX: Final = 1_000
"""Of one shard: one more, and the oldest is tried again."""
TRY_AGAIN_AFTER_MS: Final = 600_000
"""Before a fact of time's own that failed alone is stated again: a newer release may know how."""
_NOBODYS: Final = DeadlineReached("-", "-", 0)
"""No reservation has this deadline: a repeat, which changes nothing."""


class Suspects:
    """How many facts the next step of each shard may take, where one has failed."""

    def __init__(self) -> None:
        """Suspect nothing."""
        self._facts_max: dict[int, int] = {}
        self._left: dict[int, int] = {}

    def facts_max(self, shard: int, otherwise: int) -> int:
        """Return how many facts the next step of a shard may take."""
        return min(self._facts_max.get(shard, otherwise), otherwise)

    def failed(self, shard: int, facts_total: int) -> bool:
        """Take note of a step that failed; tell whether its fact stood alone: then it is found."""
        if facts_total == 1:
            self._facts_max.pop(shard, None)
            return True
        self._facts_max[shard] = facts_total // 2
        self._left[shard] = SUSPECTS_TOTAL
        return False

    def passed(self, shard: int, facts_total: int) -> None:
        """Take note of facts that a step has taken."""
        if shard not in self._facts_max:
            return
        self._left[shard] -= facts_total
        if self._left[shard] <= 0:
            del self._facts_max[shard]


class TimedIsolation(Suspects):
    """Likewise for facts of time's own: there is no record that could become a dead letter.

    Such a fact stays due. It is set aside for a while, so that the others go on.
    """

    def __init__(self, store: Store[object], clock: Clock, metrics: Metrics) -> None:
        """Set nothing aside."""
        super().__init__()
        self._store = store
        self._now_ms = clock.monotonic_ms
        self._metrics = metrics
        self._logger = structlog.get_logger()
        self._retry_at_ms: dict[int, dict[TimedFact, int]] = {}

    def set_aside_max(self) -> int:
        """Return how many are set aside of the shard that has the most."""
        return max(map(len, self._retry_at_ms.values()), default=0)

    def still_to_do(self, shard: int, facts: tuple[FactT, ...]) -> tuple[FactT, ...]:
        """Return what is not set aside."""
        set_aside = self._retry_at_ms.get(shard)
        if not set_aside:
            return facts
        now_ms = self._now_ms()
        for fact in [fact for fact, retry_at_ms in set_aside.items() if now_ms >= retry_at_ms]:
            del set_aside[fact]
        return tuple(fact for fact in facts if fact not in set_aside)

    def without_set_aside(self, shard: int, due: DueWork) -> DueWork:
        """Return what is due and not set aside."""
        return DueWork(
            self.still_to_do(shard, due.deadlines), self.still_to_do(shard, due.settlements)
        )

    def meet_failure(self, call: StepCall, failed: StepFailed) -> None:
        """Halve the next step; set a fact aside that stands alone.

        Raises:
            FatallyBroken: it is not the fact's fault.
            StoreUnavailable: nobody can tell yet.
        """
        self._metrics.script_calls.labels(result=ScriptResult.FAILED).inc()
        if not self.failed(call.shard, len(call.facts)):
            return
        check_script(self._store, call.shard, call.epoch, failed)
        (fact,) = call.facts
        assert isinstance(fact, TimedFact)
        set_aside = self._retry_at_ms.setdefault(call.shard, {})
        set_aside[fact] = self._now_ms() + TRY_AGAIN_AFTER_MS
        if len(set_aside) > SET_ASIDE_MAX:
            del set_aside[next(iter(set_aside))]
        self._metrics.invariant_violations.labels(invariant=Invariant.FACT_DECIDABLE).inc()
        self._logger.error(
            FACT_UNDECIDABLE,
            shard=call.shard,
            fact=fact_label(fact).value,
            where=failed.where,
            retry_after_ms=TRY_AGAIN_AFTER_MS,
        )


def check_script(store: Store[object], shard: int, epoch: int, failed: StepFailed) -> None:
    """Refuse to blame a fact for what breaks on every fact: all input would be dead letters.

    Raises:
        FatallyBroken: the step's script does not even run on a fact that changes nothing.
        StoreUnavailable: the store does not answer; nobody is to be blamed yet.
    """
    if isinstance(store.step(shard, epoch, (_NOBODYS,)), StepFailed):
        raise FatallyBroken(
            f"Every step fails on this Redis ({failed.where}): check that it is 7.0 or newer "
            "(Valkey 7.2), that its user may run the worker's commands, and that nothing else "
            "writes to the worker's keys. Nothing is lost: no input was dead-lettered for it."
        )
