"""Whether the store answers the apply loop, and how to find out without deciding anything."""

from collections.abc import Callable, Sequence

from reservation_worker.apply.parts import LOOP, ApplyParts
from reservation_worker.ports import StepCall, StoreUnavailable
from reservation_worker.telemetry.labels import Dependency, ScriptResult

NO_EPOCH = 0
"""Is never in force: a step of it is refused by any server that would take it."""


class StoreOutage:
    """An outage from the first call that failed to the first probe that was answered.

    What waited while it lasted is not sent to find out whether it is over: an order would be
    decided before the counts that came meanwhile.
    """

    def __init__(self, parts: ApplyParts, retry_interval_ms: int) -> None:
        """Believe that the store answers until it does not."""
        self._store = parts.store
        self._now_ms = parts.clock.monotonic_ms
        self._metrics = parts.metrics
        self._dependencies = parts.dependencies
        self._retry_interval_ms = retry_interval_ms
        self._retry_at_ms = 0
        self._probe: Callable[[], object] = parts.store.now_ms
        self.lasts = False

    def begin(
        self, error: StoreUnavailable, failed: Sequence[StepCall] = (), shard: int | None = None
    ) -> None:
        """Take note of a call that failed: of steps, or of a look at a shard."""
        self._dependencies.lost(Dependency.REDIS, LOOP, error.reason, str(error))
        self.lasts = True
        self._retry_at_ms = self._now_ms() + self._retry_interval_ms
        self._metrics.script_calls.labels(result=ScriptResult.UNAVAILABLE).inc()
        if failed:
            # A server that is full, read-only or short of replicas refuses these as it does any
            # step; one that would take a step refuses them for their epoch.
            probes = [StepCall(one.shard, NO_EPOCH, one.facts[:1]) for one in failed]
            self._probe = lambda: self._store.begin_steps(probes).replies()
        elif shard is not None:
            self._probe = lambda: self._store.inspect(shard)

    def is_over(self) -> bool:
        """Ask the store what failed, if it is time to; tell whether it answers."""
        if not self.lasts:
            return True
        if self._now_ms() < self._retry_at_ms:
            return False
        try:
            self._probe()
        except StoreUnavailable as error:
            self.begin(error)
            return False
        self.lasts = False
        self._dependencies.heard(Dependency.REDIS, LOOP)
        return True
