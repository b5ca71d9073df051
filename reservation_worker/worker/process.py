"""The threads of one process, from the start to the end of its drain."""

import gc
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event, Thread

import structlog

from reservation_worker.apply import ApplyLoop
from reservation_worker.deadlines import PaymentFrontier
from reservation_worker.ports import (
    UNWATCHED,
    BrokerUnavailable,
    CallWatch,
    Clock,
    FatallyBroken,
    StoreUnavailable,
    Topics,
    Unavailable,
)
from reservation_worker.telemetry.dependencies import Dependencies
from reservation_worker.telemetry.labels import Dependency, Invariant, LostReason
from reservation_worker.telemetry.log_events import (
    CALL_STUCK,
    CREDENTIALS_OUTDATED,
    DRAIN_BEGAN,
    DRAIN_TIMED_OUT,
    GROUP_NOT_JOINED,
    LOOP_FAILED,
    WORKER_STARTED,
    WORKER_STOPPED,
)
from reservation_worker.telemetry.metrics import Metrics
from reservation_worker.worker.configuration import WorkerConfig
from reservation_worker.worker.health import Health, judge
from reservation_worker.worker.heartbeat import Heartbeat
from reservation_worker.worker.owner import OwnerLoop
from reservation_worker.worker.question import RegularQuestion
from reservation_worker.worker.rejoining import Rejoining
from reservation_worker.worker.signals import StopSignals

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_UNREACHABLE = 4
"""As of all commands (`cli.exit_codes`): a dependency cannot be reached."""
SECRETS_INTERVAL_MS = 1_000
"""Time between two looks at files of secrets; they are small, and few."""
NOT_BELIEVED = frozenset({LostReason.AUTHENTICATION, LostReason.NOT_TRUSTED, LostReason.EXPIRED})
"""Reasons that another secret, certificate or authority would remove."""
WATCH_INTERVAL_MS = 50
"""How often the main thread looks for signals and for loops that ended."""
GARBAGE_THRESHOLDS = (100_000, 50, 100)
"""Batches hold tens of thousands of values that are never part of a cycle: with the defaults the
collector looks through them over and over, for a fifth of the publish loop's time."""


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What a process runs; a loop of a role that it does not have is None."""

    apply: ApplyLoop | None
    owner: OwnerLoop | None
    frontier: PaymentFrontier | None
    """Wherever there is an owner."""
    frontier_interval_ms: int
    topics: Topics
    topics_interval_ms: int
    signals: StopSignals
    clock: Clock
    metrics: Metrics
    dependencies: Dependencies
    watch: CallWatch = UNWATCHED
    changed_secrets: Callable[[], str] = lambda: ""
    """Names what has changed that only new clients of Kafka would read."""
    questions: Sequence[RegularQuestion] = ()
    """Asked all the time, so that an idle worker notices an outage as well."""
    about: Mapping[str, object] = field(default_factory=dict)
    """What the log is told of this process at its start; no secret."""


class Worker:
    """Runs the loops, each in a thread of its own, until a signal or a failure."""

    def __init__(self, config: WorkerConfig, parts: WorkerParts) -> None:
        self._config = config
        self._parts = parts
        self._logger = structlog.get_logger()
        self._draining = Event()
        self._input_finished = Event()
        self._ended = Event()
        self._failed = Event()
        self._abandoned = Event()
        self._threads: list[Thread] = []
        self._rejoining = {
            name: Rejoining(parts.clock.monotonic_ms, config.rejoin_timeout_ms)
            for name in ("apply", "publish")
        }
        self._look_at_secrets_at_ms = 0

    def run(self) -> int:
        """Run to the end, and return the exit code.

        A thread that did not end in time may still be inside a client: leave by ``os._exit``.
        """
        gc.freeze()
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        self._logger.info(WORKER_STARTED, role=self._config.role.value, **self._parts.about)
        apply_thread = self._start("apply", self._run_apply, has_role=self._parts.apply is not None)
        owner_thread = self._start(
            "publish", self._run_owner, has_role=self._parts.owner is not None
        )
        self._start("frontier", self._run_frontier, has_role=self._parts.frontier is not None)
        self._start("topics", self._run_topics, has_role=True)
        for question in self._parts.questions:
            self._start(question.dependency, partial(question.run, self._ended), has_role=True)
        code = self._watch()
        if code is not None:
            self._abandon()
            return code
        self._logger.info(DRAIN_BEGAN)
        deadline_ms = self._parts.clock.monotonic_ms() + self._config.drain_timeout_ms
        self._draining.set()
        self._join(apply_thread, deadline_ms)
        # Only now: what the input caused must be published before it can be committed.
        self._input_finished.set()
        self._join(owner_thread, deadline_ms)
        self._ended.set()
        if self._failed.is_set():
            self._abandon()
            return EXIT_FAILED
        if any(thread.is_alive() for thread in (apply_thread, owner_thread) if thread):
            lost = self._parts.dependencies.problems()
            self._logger.error(
                DRAIN_TIMED_OUT, budget_ms=self._config.drain_timeout_ms, lost=list(lost)
            )
            self._abandon()
            return EXIT_UNREACHABLE if lost else EXIT_FAILED
        self._logger.info(WORKER_STOPPED)
        return EXIT_OK

    def _outside(self) -> list[str]:
        """Return the loops that will not come back to their group."""
        broker_answers = self._parts.dependencies.is_up(Dependency.KAFKA)
        apply, owner = self._parts.apply, self._parts.owner
        is_in = {
            "apply": apply is None or apply.status.in_group,
            "publish": owner is None or owner.status.in_group,
        }
        return [
            name
            for name, rejoining in self._rejoining.items()
            if rejoining.is_given_up(is_in=is_in[name], broker_answers=broker_answers)
        ]

    def _watch(self) -> int | None:
        """Wait for a signal; return the exit code if something else ends the process."""
        heartbeat = Heartbeat(
            self._parts.metrics, self.health, self._parts.clock, self._config.heartbeat_interval_ms
        )
        while self._parts.signals.received is None:
            self._failed.wait(WATCH_INTERVAL_MS / 1000)
            if self._failed.is_set():
                return EXIT_FAILED
            stuck = self._parts.watch.stuck()
            if stuck is not None:
                self._logger.critical(
                    CALL_STUCK,
                    call=stuck.what,
                    lasts_ms=stuck.lasts_ms,
                    bound_ms=stuck.bound_ms,
                    reason="It will not come back, and its thread cannot be freed: the process "
                    "ends. Nothing is lost: what is not committed is read again.",
                )
                return EXIT_UNREACHABLE
            outside = self._outside()
            if outside:
                self._logger.critical(GROUP_NOT_JOINED, loops=outside)
                return EXIT_UNREACHABLE
            if self._secrets_are_outdated():
                return EXIT_UNREACHABLE
            heartbeat.beat_if_due()
        return None

    def _secrets_are_outdated(self) -> bool:
        """Tell whether Kafka would believe another process, and does not believe this one."""
        now_ms = self._parts.clock.monotonic_ms()
        if now_ms < self._look_at_secrets_at_ms:
            return False
        self._look_at_secrets_at_ms = now_ms + SECRETS_INTERVAL_MS
        refused = self._parts.dependencies.reasons(Dependency.KAFKA) & NOT_BELIEVED
        changed = self._parts.changed_secrets() if refused else ""
        if not changed:
            return False
        self._logger.critical(
            CREDENTIALS_OUTDATED,
            changed=changed,
            refused=sorted(refused),
            reason="Kafka refuses what its clients read at their start; that has changed since: "
            "a new process reads it. Nothing is lost: what is not committed is read again.",
        )
        return True

    def health(self) -> Health:
        """Say how the process is doing."""
        health = judge(
            self._parts.apply.status if self._parts.apply else None,
            self._parts.owner.status if self._parts.owner else None,
            frontier=self._parts.frontier,
            lost=self._parts.dependencies.problems(),
            draining=self._draining.is_set(),
            now_ms=self._parts.clock.monotonic_ms(),
            loop_stalled_after_ms=self._config.loop_stalled_after_ms,
        )
        problems = self._parts.topics.problems()
        if not problems:
            return health
        return replace(health, ready=False, problems=(*health.problems, *problems))

    def _start(self, name: str, run: Callable[[], None], *, has_role: bool) -> Thread | None:
        if not has_role:
            return None
        thread = Thread(target=self._guard, args=(name, run), name=name, daemon=True)
        thread.start()
        return thread

    def _guard(self, name: str, run: Callable[[], None]) -> None:
        try:
            run()
        except FatallyBroken as error:
            self._logger.critical(LOOP_FAILED, loop=name, reason=str(error))
            self._failed.set()
        except Exception:
            # A crash is safe at any moment, and going on after a surprise is not.
            self._logger.critical(LOOP_FAILED, loop=name, exc_info=True)
            self._parts.metrics.invariant_violations.labels(
                invariant=Invariant.LOOP_UNSURPRISED
            ).inc()
            self._failed.set()

    def _run_apply(self) -> None:
        loop = self._parts.apply
        assert loop is not None
        while not self._draining.is_set():
            loop.turn()
        loop.drain()
        while not loop.idle and not self._abandoned.is_set():
            loop.turn()
        loop.close()

    def _run_owner(self) -> None:
        loop = self._parts.owner
        assert loop is not None
        while not self._input_finished.is_set():
            loop.turn()
        loop.drain()
        while not loop.idle and not self._abandoned.is_set():
            loop.turn()
        loop.close()

    def _run_frontier(self) -> None:
        frontier = self._parts.frontier
        dependencies = self._parts.dependencies
        assert frontier is not None
        while not self._input_finished.wait(self._parts.frontier_interval_ms / 1000):
            try:
                frontier.advance()
            except StoreUnavailable as error:
                # The frontier stays where it is: expiry is late, and never early.
                dependencies.lost(Dependency.REDIS, "frontier", error.reason, str(error))
            except BrokerUnavailable as error:
                dependencies.lost(Dependency.KAFKA, "frontier", error.reason, str(error))
            else:
                for dependency in Dependency:
                    dependencies.heard(dependency, "frontier")

    def _run_topics(self) -> None:
        while True:
            with suppress(Unavailable):
                # What was found last still counts; the loops say that Kafka does not answer.
                self._parts.topics.look()
            if self._input_finished.wait(self._parts.topics_interval_ms / 1000):
                return

    def _abandon(self) -> None:
        """Let every loop that still turns end where it is: that is safe at any moment."""
        self._abandoned.set()
        self._draining.set()
        self._input_finished.set()
        self._ended.set()

    def _join(self, thread: Thread | None, deadline_ms: int) -> None:
        while thread is not None and thread.is_alive():
            remaining_ms = deadline_ms - self._parts.clock.monotonic_ms()
            if remaining_ms <= 0 or self._secrets_are_outdated():
                return
            thread.join(min(remaining_ms, WATCH_INTERVAL_MS) / 1000)
