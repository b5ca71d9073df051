"""Whether Kafka and Redis answer: the one owner of what is said of it in log, probe and metric.

Each loop tells what it hears by its own clients; a dependency is up while no loop misses it. An
idle loop hears nothing, so there is a regular question as well, and one that lasts too long counts
as no answer before it ends.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Final

import structlog

from reservation_worker.telemetry.labels import Dependency, LostReason
from reservation_worker.telemetry.log_events import DEPENDENCY_LOST, DEPENDENCY_RECOVERED
from reservation_worker.telemetry.metrics import Metrics

QUESTION: Final = "question"
"""What the regular question is called among the loops."""


@dataclass(frozen=True, slots=True)
class Lost:
    """What one loop says of a dependency that it misses."""

    loop: str
    reason: LostReason
    detail: str
    since_ms: int
    """Monotonic; when the first of the loops began to miss it."""


class Dependencies:
    """What all loops of a process hear; called by all their threads."""

    def __init__(self, metrics: Metrics, now_ms: Callable[[], int], silent_after_ms: int) -> None:
        """Begin with nothing lost; `now_ms` never goes backwards."""
        self._now_ms = now_ms
        self._silent_after_ms = silent_after_ms
        self._retries = metrics.retries
        self._logger = structlog.get_logger()
        self._lock = Lock()
        self._lost: dict[tuple[Dependency, str], Lost] = {}
        self._asked_at_ms: dict[Dependency, int] = {}
        """Since when a regular question is under way."""
        for dependency in Dependency:
            child = metrics.dependency_up.labels(dependency=dependency)
            child.set_function(partial(self.is_up, dependency))
        metrics.consumer_lag_records.is_known = partial(self.is_up, Dependency.KAFKA)

    def is_up(self, dependency: Dependency) -> bool:
        """Tell whether every loop that needs a dependency hears it, as far as is known now."""
        self.notice_silence()
        return not self._of(dependency)

    def reasons(self, dependency: Dependency) -> frozenset[LostReason]:
        """Return why the loops that miss a dependency say they do; none while it is up."""
        return frozenset(one.reason for one in self._of(dependency))

    def problems(self) -> tuple[str, ...]:
        """Return a sentence for each loop that misses a dependency."""
        self.notice_silence()
        now_ms = self._now_ms()
        return tuple(
            f"{dependency.value.capitalize()} is lost for {(now_ms - one.since_ms) // 1000} s "
            f"({one.reason.value}, {one.loop}): {one.detail}"
            for (dependency, _loop), one in sorted(self._lost.copy().items())
        )

    def asks(self, dependency: Dependency) -> None:
        """A regular question begins; `heard` or `lost` by `QUESTION` ends it."""
        self._asked_at_ms[dependency] = self._now_ms()

    def heard(self, dependency: Dependency, loop: str) -> None:
        """A loop got an answer, or needs none any more."""
        if loop == QUESTION:
            self._asked_at_ms.pop(dependency, None)
        if (dependency, loop) not in self._lost:
            return
        with self._lock:
            one = self._lost.pop((dependency, loop), None)
            if one is not None and not self._of(dependency):
                self._logger.info(
                    DEPENDENCY_RECOVERED,
                    dependency=dependency.value,
                    reason=one.reason.value,
                    lasted_ms=self._now_ms() - one.since_ms,
                )

    def lost(self, dependency: Dependency, loop: str, reason: LostReason, detail: str) -> None:
        """A loop got no answer, or was refused; it will try again."""
        if loop == QUESTION:
            self._asked_at_ms.pop(dependency, None)
        self._retries.labels(dependency=dependency, reason=reason).inc()
        self._miss(dependency, loop, reason, detail)

    def notice_silence(self) -> None:
        """Count a regular question as lost that is not answered for too long, and say so."""
        now_ms = self._now_ms()
        for dependency, asked_at_ms in self._asked_at_ms.copy().items():
            silent_ms = now_ms - asked_at_ms
            if silent_ms >= self._silent_after_ms and (dependency, QUESTION) not in self._lost:
                detail = f"A question is not answered since {silent_ms} ms."
                self._miss(dependency, QUESTION, LostReason.TIMED_OUT, detail)

    def _miss(self, dependency: Dependency, loop: str, reason: LostReason, detail: str) -> None:
        with self._lock:
            known = self._of(dependency)
            since_ms = min((one.since_ms for one in known), default=self._now_ms())
            self._lost[dependency, loop] = Lost(loop, reason, detail, since_ms)
        if reason not in {one.reason for one in known}:
            self._logger.warning(
                DEPENDENCY_LOST,
                dependency=dependency.value,
                reason=reason.value,
                loop=loop,
                detail=detail,
            )

    def _of(self, dependency: Dependency) -> list[Lost]:
        return [one for (which, _loop), one in self._lost.copy().items() if which is dependency]
