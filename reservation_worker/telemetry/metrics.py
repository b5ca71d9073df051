"""Every metric, registered in the registry passed in."""

from collections.abc import Callable, Iterable
from itertools import product
from math import inf
from typing import Final, assert_never

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
)
from prometheus_client.metrics_core import Metric

from reservation_worker.domain.outcome import (
    AnyRemark,
    Conflict,
    Reason,
    Remark,
    RemovalRemark,
    ShortfallRemark,
)
from reservation_worker.telemetry.labels import (
    DEAD_LETTER_CODES,
    GONE,
    INPUT_TOPICS,
    OUTPUT_TOPICS,
    REFUSABLE,
    REMOVAL_KINDS,
    Dependency,
    EpochReason,
    FactLabel,
    Invariant,
    LostReason,
    OutcomeLabel,
    RebalanceKind,
    ScriptResult,
    TopicProblem,
    TransactionResult,
)

SCRIPT_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30)
LATENESS_SECONDS: Final = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200)
BATCH_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
OPEN_LABELS: Final = {"reservation_consumer_lag_records": ("topic", "partition")}
"""Labels whose values come and go, by metric."""


class KnownGauge(Gauge):
    """A gauge whose values are shown only while they are known: none is better than an old one."""

    is_known: Callable[[], bool] = staticmethod(lambda: True)

    def collect(self) -> Iterable[Metric]:
        """Return what is known."""
        metrics = list(super().collect())
        if not self.is_known():
            for metric in metrics:
                metric.samples.clear()
        return metrics


class Metrics:
    """Every metric of the worker, in the registry passed in.

    Every combination of labels from closed sets exists from the start, at 0: an alert on a rate
    needs the first increment to be one. Labels of partitions come and go with assignments.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        input_topics: tuple[str, ...] = INPUT_TOPICS,
        output_topics: tuple[str, ...] = OUTPUT_TOPICS,
    ) -> None:
        """Register all metrics; the topics are the names in use."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # shipped so
        self.registry = registry
        self._input_topics = input_topics
        self._register_input_counters()
        self._register_output_counters(output_topics)
        self._register_safety_counters()
        self._register_histograms()
        self._register_gauges()

    def _register_input_counters(self) -> None:
        topics = self._input_topics
        self.records_consumed = self._counter(
            "records_consumed", "Input records read.", topic=topics
        )
        self.facts = self._counter(
            "facts",
            "Facts and what became of them.",
            fact=FactLabel,
            outcome=OutcomeLabel,
        )
        self.dead_letters = self._counter(
            "dead_letters",
            "Dead letters: input records that could not be used, and orders that never came.",
            topic=topics,
            code=DEAD_LETTER_CODES,
        )
        self.script_calls = self._counter(
            "script_calls", "Calls of the step script.", result=ScriptResult
        )
        self.offset_seek_backs = self._counter(
            "offset_seek_backs", "Times that uncommitted input was read again."
        )

    def _register_output_counters(self, output_topics: tuple[str, ...]) -> None:
        self.events_published = self._counter(
            "events_published", "Events in committed transactions.", topic=output_topics
        )
        self.events_oversized = self._counter(
            "events_oversized",
            "Published events above event_bytes_max: of deadlines and settlements alone.",
            topic=output_topics,
        )
        self.refusals = self._counter(
            "refusals", "Changes that could not hold what they wanted.", reason=REFUSABLE
        )
        self.conflicts = self._counter(
            "conflicts", "Facts that contradict what already stands.", kind=Conflict
        )
        self.refunds_needed = self._counter(
            "refunds_needed", "Paid orders that ended up with nothing for it."
        )
        self.shortfalls = self._counter(
            "shortfalls", "Stocks of which a balance counted less than is held."
        )
        self.expired = self._counter("expired", "Reservations that were given back unpaid.")
        self.removed = self._counter(
            "removed",
            "Reservations that left after their retention, by their last status.",
            kind=REMOVAL_KINDS,
        )
        self.transactions = self._counter(
            "transactions", "Transactions of the publishers.", result=TransactionResult
        )
        self.producer_recreations = self._counter(
            "producer_recreations", "Transactional producers that had to be given up."
        )

    def _register_safety_counters(self) -> None:
        self.retries = self._counter(
            "retries",
            "Attempts that had to be repeated, by why they failed.",
            dependency=Dependency,
            reason=LostReason,
        )
        self.rebalances = self._counter(
            "rebalances", "What rebalances did to this member.", kind=RebalanceKind
        )
        self.epochs = self._counter(
            "epochs", "New epochs of shards owned here.", reason=EpochReason
        )
        self.shard_rebuilds = self._counter(
            "shard_rebuilds", "Shards that were restored from the topics."
        )
        self.invariant_violations = self._counter(
            "invariant_violations", "Must stay 0: anything else is a bug.", invariant=Invariant
        )

    def _register_histograms(self) -> None:
        self.script_duration = self._histogram(
            "script_duration_seconds", "Time waited for the steps of one turn.", SCRIPT_SECONDS
        )
        self.batch_records = self._histogram(
            "batch_records", "Input records read at once.", BATCH_SIZES
        )
        self.expiry_lateness = self._histogram(
            "expiry_lateness_seconds",
            "From the deadline plus grace to the reservation being given back.",
            LATENESS_SECONDS,
        )

    def _register_gauges(self) -> None:
        self.consumer_lag_records = KnownGauge(
            "reservation_consumer_lag_records",
            "Input records of an assigned partition that are not read yet; absent while Kafka is "
            "lost, for nobody knows.",
            ("topic", "partition"),
            registry=self.registry,
        )
        self.assigned_partitions = self._gauge(
            "assigned_partitions", "Input partitions assigned.", topic=self._input_topics
        )
        self.paused_partitions = self._gauge(
            "paused_partitions", "Assigned input partitions paused.", topic=self._input_topics
        )
        self.payment_frontier_age = self._gauge(
            "payment_frontier_age_seconds",
            "Age of the moment up to which all payments are known; infinite while none is.",
        )
        self.payment_frontier_age.set(inf)
        self.owned_shards = self._gauge("owned_shards", "Shards that this process owns.")
        self.foreign_shards = self._gauge(
            "foreign_shards", "Shards that are another deployment's in the Redis that is used."
        )
        self.unverified_shards = self._gauge(
            "unverified_shards",
            "Shards whose input waits: no owner verifies or publishes them on this Redis.",
        )
        self.held_shards = self._gauge(
            "held_shards", "Shards stopped: their state cannot be trusted, or is on its way."
        )
        self.rebuilding_shards = self._gauge(
            "rebuilding_shards", "Shards that are being restored from the topics, or wait for it."
        )
        self.rebuild_records_left = self._gauge(
            "rebuild_records_left", "Published records that rebuilds under way must still read."
        )
        self.outbox_steps = self._gauge(
            "outbox_steps", "Steps not published, of owned shards, when they were last looked at."
        )
        self.outbox_oldest = self._gauge(
            "outbox_oldest_seconds",
            "For how long the outbox of an owned shard has held a step that is not published.",
        )
        self.dependency_up = self._gauge(
            "dependency_up",
            "1 while every loop that needs it hears it, else 0.",
            dependency=Dependency,
        )
        self.topic_problems = self._gauge(
            "topic_problems", "Topics that are not as they must be.", problem=TopicProblem
        )
        self.last_progress_timestamp = self._gauge(
            "last_progress_timestamp_seconds", "When a batch or a transaction last got done."
        )
        self.build = Info("reservation_build", "What is running.", registry=self.registry)

    def count_published(self, remark: AnyRemark) -> None:
        """Count what a committed change means to the shop."""
        match remark:
            case RemovalRemark():
                self._count_removal(remark)
            case ShortfallRemark():
                self.shortfalls.inc(remark.stocks_total)
            case Remark():
                self._count_change(remark)
            case _:
                assert_never(remark)

    def _count_change(self, remark: Remark) -> None:
        if remark.is_short and remark.reason in REFUSABLE:
            self.refusals.labels(reason=remark.reason).inc()
        for conflict in remark.conflicts:
            self.conflicts.labels(kind=conflict).inc()
        if remark.reason is Reason.DEADLINE_REACHED:
            self.expired.inc()
        if not remark.refund_needed:
            return
        paid_before = (
            remark.reason is not Reason.PAYMENT_APPROVED or Conflict.PAID_TWICE in remark.conflicts
        )
        if not (paid_before and remark.previous_status in GONE):
            self.refunds_needed.inc()

    def _count_removal(self, remark: RemovalRemark) -> None:
        self.removed.labels(kind=remark.status.lower()).inc()
        if remark.orphan_topic is not None:
            self.dead_letters.labels(topic=remark.orphan_topic, code="ORPHANED").inc()

    def forget_frontier(self) -> None:
        """Show no frontier: this process does not look for it."""
        self.registry.unregister(self.payment_frontier_age)

    def forget_partition(self, topic: str, partition: int) -> None:
        """Drop the series of a partition that is no longer assigned."""
        self.consumer_lag_records.remove_by_labels({"topic": topic, "partition": str(partition)})

    def _counter(self, name: str, documentation: str, **labels: Iterable[str]) -> Counter:
        metric = Counter(f"reservation_{name}", documentation, labels, registry=self.registry)
        _create_all(metric, labels)
        return metric

    def _gauge(self, name: str, documentation: str, **labels: Iterable[str]) -> Gauge:
        metric = Gauge(f"reservation_{name}", documentation, labels, registry=self.registry)
        _create_all(metric, labels)
        return metric

    def _histogram(
        self,
        name: str,
        documentation: str,
        buckets: tuple[float, ...],
        **labels: Iterable[str],
    ) -> Histogram:
        metric = Histogram(
            f"reservation_{name}", documentation, labels, buckets=buckets, registry=self.registry
        )
        _create_all(metric, labels)
        return metric


def sum_of(metric: Counter | Gauge) -> float:
    """Return the sum over all labels."""
    samples = [sample for family in metric.collect() for sample in family.samples]
    return sum(sample.value for sample in samples)


def _create_all(metric: Counter | Gauge | Histogram, labels: dict[str, Iterable[str]]) -> None:
    if not labels:
        return
    for values in product(*labels.values()):
        metric.labels(*values)
