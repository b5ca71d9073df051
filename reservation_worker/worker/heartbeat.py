"""A line each minute: what a worker did since the last one, and how it is."""

from collections.abc import Callable
from math import isinf

import structlog

from reservation_worker.ports import Clock
from reservation_worker.telemetry.log_events import HEARTBEAT
from reservation_worker.telemetry.metrics import Metrics, sum_of
from reservation_worker.worker.health import Health


class Heartbeat:
    """Says so whatever happens: its absence tells as well."""

    def __init__(
        self, metrics: Metrics, health: Callable[[], Health], clock: Clock, interval_ms: int
    ) -> None:
        self._metrics = metrics
        self._health = health
        self._now_ms = clock.monotonic_ms
        self._interval_ms = interval_ms
        self._logger = structlog.get_logger()
        self._beat_at_ms = self._now_ms() + interval_ms
        self._read_total = 0.0
        self._published_total = 0.0

    def beat_if_due(self) -> None:
        """Log the line if it is time."""
        if self._now_ms() < self._beat_at_ms:
            return
        self._beat_at_ms = self._now_ms() + self._interval_ms
        read_total = sum_of(self._metrics.records_consumed)
        published_total = sum_of(self._metrics.events_published)
        health = self._health()
        self._logger.info(
            HEARTBEAT,
            read=int(read_total - self._read_total),
            published=int(published_total - self._published_total),
            lag_records=int(sum_of(self._metrics.consumer_lag_records)),
            lag_is_known=self._metrics.consumer_lag_records.is_known(),
            frontier_age_seconds=self._frontier_age_seconds(),
            owned_shards=health.owned_shards,
            held_shards=len(health.held_shards),
            ready=health.ready,
            problems=list(health.problems),
            remarks=list(health.remarks),
        )
        self._read_total, self._published_total = read_total, published_total

    def _frontier_age_seconds(self) -> float | None:
        """JSON has no infinity: None says that nothing is known."""
        age_seconds = sum_of(self._metrics.payment_frontier_age)
        return None if isinf(age_seconds) else age_seconds
