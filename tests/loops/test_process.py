"""A process from its start to the end of its drain, on the doubles, with real threads."""

import signal
from collections.abc import Callable
from threading import Thread

from reservation_worker.adapters.in_memory.topics import InMemoryTopics
from reservation_worker.cli.exit_codes import ExitCode
from reservation_worker.ports import UNWATCHED, CallWatch, FatallyBroken, Waypoint
from reservation_worker.telemetry.labels import Dependency, LostReason
from reservation_worker.telemetry.metrics import Metrics
from reservation_worker.worker import StopSignals, Worker, WorkerConfig, WorkerParts
from reservation_worker.worker.health import judge
from reservation_worker.worker.process import EXIT_UNREACHABLE
from tests.clocks import MachineClock, StandingClock
from tests.loops.assembly import Loops, no_waypoint
from tests.loops.small_shop import SmallShop
from tests.waiting import wait_until

TIMEOUT_MS = 60_000


class RunningWorker:
    """A worker that runs in a thread of the test, with signals that the test sends itself."""

    def __init__(
        self,
        shop: SmallShop,
        waypoint: Callable[[Waypoint], None] = no_waypoint,
        drain_timeout_ms: int = TIMEOUT_MS,
        rejoin_timeout_ms: int = TIMEOUT_MS,
        watch: CallWatch = UNWATCHED,
        changed_secrets: Callable[[], str] = lambda: "",
    ) -> None:
        self.exits: list[int] = []
        self.loops: Loops = shop.start(waypoint)
        self.topics = InMemoryTopics()
        self.signals = StopSignals(exit_at_once=self.exits.append)
        self.metrics: Metrics = self.loops.metrics
        self.worker = Worker(
            WorkerConfig(drain_timeout_ms=drain_timeout_ms, rejoin_timeout_ms=rejoin_timeout_ms),
            WorkerParts(
                apply=self.loops.apply,
                owner=self.loops.owner,
                frontier=self.loops.frontier,
                frontier_interval_ms=10,
                topics=self.topics,
                topics_interval_ms=10,
                signals=self.signals,
                clock=MachineClock(),
                metrics=self.metrics,
                dependencies=self.loops.dependencies,
                watch=watch,
                changed_secrets=changed_secrets,
            ),
        )
        self.codes: list[int] = []
        self._thread = Thread(target=lambda: self.codes.append(self.worker.run()), daemon=True)
        self._thread.start()

    def signal(self) -> None:
        """Send the process a SIGTERM, as far as the worker can tell."""
        self.signals._take(signal.SIGTERM, None)  # noqa: SLF001

    def exit_code(self) -> int:
        """Wait for the end, and return the exit code."""
        self._thread.join(TIMEOUT_MS / 1000)
        (code,) = self.codes
        return code


def running_shop() -> SmallShop:
    """Return a shop on the machine's clock: its workers turn by themselves."""
    shop = SmallShop(MachineClock())
    shop.count("boots", 1_000)
    return shop


def test_a_signal_drains_everything_and_leaves_the_groups() -> None:
    """Orchestrators send it on every deployment: the successor must find nothing half done."""
    shop = running_shop()
    running = RunningWorker(shop)
    for number in range(200):
        shop.order(f"A{number}", "boots")
    wait_until(lambda: bool(shop.broker.outputs), timeout_ms=TIMEOUT_MS, what="it publishes")
    running.signal()
    assert running.exit_code() == 0
    assert {} == shop.broker.apply_group.members
    assert {} == shop.broker.shard_group.members
    published = len(shop.statuses())
    assert shop.broker.committed["order-completed", 0] == published
    shop.check_order_of_publication()


def test_who_loses_all_input_partitions_to_others_stays_as_a_spare() -> None:
    """Being in the group is not holding partitions: it is ready, and does not end."""
    shop = running_shop()
    running = RunningWorker(shop, rejoin_timeout_ms=0)
    wait_until(lambda: running.worker.health().ready, timeout_ms=TIMEOUT_MS, what="it is ready")
    for number in range(len(shop.broker.apply_group.partitions)):
        shop.broker.apply_group.join(f"another-{number}")
    wait_until(
        lambda: not running.loops.apply.status.holds_partitions,
        timeout_ms=TIMEOUT_MS,
        what="it holds nothing",
    )
    health = running.worker.health()
    assert health.ready
    assert any(one.startswith("No input partition") for one in health.remarks)
    running.signal()
    assert running.exit_code() == ExitCode.OK


def test_health_follows_the_life_of_a_process() -> None:
    """Traffic is sent where it is ready, and nowhere else."""
    shop = running_shop()
    running = RunningWorker(shop)
    wait_until(lambda: running.worker.health().ready, timeout_ms=TIMEOUT_MS, what="it is ready")
    shop.store.set_available(available=False)
    shop.order("A", "boots")
    wait_until(
        lambda: not running.worker.health().ready, timeout_ms=TIMEOUT_MS, what="it is not ready"
    )
    assert running.worker.health().live
    shop.store.set_available(available=True)
    wait_until(lambda: running.worker.health().ready, timeout_ms=TIMEOUT_MS, what="it is again")
    running.signal()
    assert running.exit_code() == 0
    assert not running.worker.health().ready


def test_a_drain_that_takes_too_long_is_given_up() -> None:
    """Whatever was not committed is read again: ending is safe at any moment.

    The code says why: a dependency could not be reached.
    """
    shop = running_shop()
    running = RunningWorker(shop, drain_timeout_ms=200)
    wait_until(lambda: running.worker.health().ready, timeout_ms=TIMEOUT_MS, what="it is ready")
    shop.store.set_available(available=False)
    # A count stays in hand: an order would be put back, for counts come first afterwards.
    shop.count("boots", 1, at="00:01")
    wait_until(lambda: not running.worker.health().ready, timeout_ms=TIMEOUT_MS, what="it is stuck")
    running.signal()
    assert running.exit_code() == EXIT_UNREACHABLE
    shop.store.set_available(available=True)


def test_a_process_that_is_not_believed_ends_once_another_would_be() -> None:
    """Neither a rewritten file alone ends it, nor a refusal alone: a restart would change nothing.

    The code is that of a dependency, and a supervisor starts it again.
    """
    changes: list[str] = []
    running = RunningWorker(running_shop(), changed_secrets=lambda: "".join(changes))
    wait_until(lambda: running.worker.health().ready, timeout_ms=TIMEOUT_MS, what="it is ready")
    dependencies = running.loops.dependencies
    dependencies.lost(Dependency.KAFKA, "test", LostReason.TIMED_OUT, "nobody answers")
    changes.append("kafka.sasl_password, from a file")
    running.worker._look_at_secrets_at_ms = 0  # noqa: SLF001
    assert not running.worker._secrets_are_outdated()  # noqa: SLF001
    assert [] == running.codes
    dependencies.lost(Dependency.KAFKA, "test", LostReason.AUTHENTICATION, "nobody believes it")
    assert running.exit_code() == EXIT_UNREACHABLE


def test_a_process_that_is_not_believed_waits_while_nothing_has_changed() -> None:
    """Somebody will rewrite the file, or set the old password again."""
    running = RunningWorker(running_shop())
    dependencies = running.loops.dependencies
    dependencies.lost(Dependency.KAFKA, "test", LostReason.AUTHENTICATION, "nobody believes it")
    running.worker._look_at_secrets_at_ms = 0  # noqa: SLF001
    assert not running.worker._secrets_are_outdated()  # noqa: SLF001
    dependencies.heard(Dependency.KAFKA, "test")
    running.signal()
    assert running.exit_code() == 0


def test_a_second_signal_exits_at_once() -> None:
    """Somebody at a terminal means it."""
    exits: list[int] = []
    signals = StopSignals(exit_at_once=exits.append)
    signals._take(signal.SIGINT, None)  # noqa: SLF001
    assert [] == exits
    signals._take(signal.SIGINT, None)  # noqa: SLF001
    assert [130] == exits


def test_a_loop_that_is_fatally_broken_ends_the_process() -> None:
    """A supervisor starts a new one; going on with half of the loops would look alive."""

    def break_down(waypoint: Waypoint) -> None:
        if waypoint is Waypoint.APPLY_BEFORE_COMMIT:
            raise FatallyBroken("by a test")

    running = RunningWorker(running_shop(), break_down)
    assert running.exit_code() == 1


def test_a_call_that_never_comes_back_ends_the_process_with_the_reason() -> None:
    """Some client calls do not keep their own time-outs; only another process goes on."""
    clock = StandingClock(0)
    watch = CallWatch(clock.monotonic_ms)
    running = RunningWorker(running_shop(), watch=watch)
    with watch.call("Producer.send_offsets_to_transaction", 1_000):
        clock.advance(2_999)
        assert watch.stuck() is None
        clock.advance(1)
        assert running.exit_code() == EXIT_UNREACHABLE == ExitCode.UNREACHABLE
    assert watch.stuck() is None


def test_a_surprise_ends_the_process_and_counts_as_a_bug() -> None:
    """Nobody can tell what else is wrong by then."""

    def surprise(waypoint: Waypoint) -> None:
        if waypoint is Waypoint.PUBLISH_OUTBOX_READ:
            raise ZeroDivisionError

    running = RunningWorker(running_shop(), surprise)
    assert running.exit_code() == 1
    violations = running.metrics.invariant_violations.labels(invariant="loop_unsurprised")
    assert violations._value.get() == 1  # noqa: SLF001


def test_a_loop_that_does_not_turn_is_not_alive() -> None:
    """A client that hangs for ever is mended by a restart only."""
    loops = SmallShop().start()
    health = judge(
        loops.apply.status,
        None,
        frontier=None,
        lost=(),
        draining=False,
        now_ms=10_000,
        loop_stalled_after_ms=9_999,
    )
    assert not health.live
    assert not health.ready
    (stalled, *_others) = health.problems
    assert "apply loop" in stalled


def test_a_topic_that_is_not_as_it_must_be_keeps_the_worker_unready() -> None:
    """It is asked of the topics again and again, beside the loops."""
    running = RunningWorker(running_shop())
    wait_until(lambda: running.worker.health().ready, timeout_ms=TIMEOUT_MS, what="it is ready")
    running.topics.sentences = ("The topic orders is gone.",)
    health = running.worker.health()
    assert (False, True) == (health.ready, health.live)
    assert ("The topic orders is gone.",) == health.problems
    running.topics.sentences = ()
    assert running.worker.health().ready
    running.signal()
    assert running.exit_code() == 0
    assert running.topics.looks_total > 1
