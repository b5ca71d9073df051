"""The machines of the day: embedded servers, two workers and an auditor, each a process."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

from reservation_worker.adapters.kafka.configuration import KafkaConfig
from reservation_worker.adapters.kafka.reader import TopicReader
from reservation_worker.adapters.kafka.sender import EventSender
from reservation_worker.audit.verdict import Verdict
from reservation_worker.demo.day import REFUNDING_ACCOUNT
from reservation_worker.demo.tally import Tally, read_report
from reservation_worker.demo.writing import EVENT_TYPES
from reservation_worker.embedded.kafka import EmbeddedKafka
from reservation_worker.embedded.port_claims import LOOPBACK, claim_port
from reservation_worker.embedded.valkey import EmbeddedValkey
from reservation_worker.ports import Clock, Unavailable

GROUP_ID = "reservation-worker"
WORKER_SLOTS = ("a", "b")
GRACE_SECONDS = 1
SESSION_TIMEOUT_MS = 6_000
"""The shortest that brokers allow by default: the day has no time to wait for a dead worker."""
TRANSACTION_TIMEOUT_MS = 5_000
INPUT_PARTITIONS = 4
UNREACHABLE_CODE = 4
"""How a worker ends that cannot reach Kafka or Valkey when it starts."""
RESTARTS_MAX = 20
READY_TIMEOUT_MS = 60_000
READY_INTERVAL_MS = 100
DRAIN_TIMEOUT_MS = 15_000
VERDICT_TIMEOUT_MS = 120_000
LOG_LINES_SHOWN = 15


class StageBroken(Unavailable):
    """A process of the stage ended, or stayed silent; the message ends with its log."""


@dataclass(frozen=True, slots=True)
class Commands:
    """How the processes of the stage are started."""

    topics: Sequence[str]
    """Creates the topics."""
    worker: Sequence[str]
    auditor: Sequence[str]


class Stage:
    """Everything that runs, as long as the `with` block lasts."""

    def __init__(
        self, directory: Path, commands: Commands, clock: Clock, say: Callable[[str], None]
    ) -> None:
        self._directory = directory
        self._commands = commands
        self._clock = clock
        self._say = say
        self._closing = ExitStack()
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._ports: dict[str, int] = {}
        self._restarts_left = RESTARTS_MAX

    def __enter__(self) -> Self:
        """Start the servers, the topics, the auditor and the workers, and wait until they work.

        Raises:
            EmbeddedError: a server did not start.
            StageBroken: another process did not start.
        """
        with self._closing:
            self._start()
            self._closing = self._closing.pop_all()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """End all processes, the workers first."""
        self._closing.close()

    def _start(self) -> None:
        enter = self._closing.enter_context
        self._say("starting Kafka")
        self._kafka = enter(EmbeddedKafka(self._directory / "kafka", progress=self._say))
        self._say("starting Valkey, on disk every second")
        self._valkey = enter(EmbeddedValkey(self._directory / "valkey", append_fsync="everysec"))
        self._say("creating the topics")
        self._run_to_end(self._commands.topics, "topics")
        config = KafkaConfig(
            bootstrap_servers=self._kafka.bootstrap_servers, group_id=GROUP_ID, worker_slot="demo"
        )
        self.sender = EventSender(config)
        self._lag_reader = TopicReader(config, tuple(EVENT_TYPES))
        self._closing.callback(self._lag_reader.close)
        self.auditor = AuditorProcess(
            self._commands.auditor, self._environment("auditor"), self._log_path("auditor")
        )
        self._closing.callback(self.auditor.close)
        self._closing.callback(self.end_workers)
        for slot in WORKER_SLOTS:
            claim = claim_port()
            self._closing.callback(claim.release)
            self._ports[slot] = claim.port
        self._say(f"starting the workers {' and '.join(WORKER_SLOTS)}")
        for slot in WORKER_SLOTS:
            self.start_worker(slot)
        for slot in WORKER_SLOTS:
            self._wait_until_ready(slot)

    # ---- what may be done to the machines

    def start_worker(self, slot: str) -> None:
        """Start a worker process, or start it again; does not wait for it."""
        with self._log_path(f"worker-{slot}").open("ab") as log:
            self._workers[slot] = subprocess.Popen(
                list(self._commands.worker),
                env=self._environment(slot),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill_worker(self, slot: str) -> None:
        """End a worker at once (SIGKILL)."""
        self._workers[slot].kill()
        self._workers[slot].wait()

    def freeze_worker(self, slot: str) -> None:
        """Let a worker stand still (SIGSTOP): it stays a member of its groups for a while."""
        self._workers[slot].send_signal(signal.SIGSTOP)

    def thaw_worker(self, slot: str) -> None:
        """Let a frozen worker go on (SIGCONT)."""
        self._workers[slot].send_signal(signal.SIGCONT)

    def end_workers(self) -> None:
        """Let the workers drain; then end those that have not ended."""
        running = [process for process in self._workers.values() if process.poll() is None]
        for process in running:
            process.terminate()
            process.send_signal(signal.SIGCONT)
        for process in running:
            try:
                process.wait(DRAIN_TIMEOUT_MS / 1000)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kill_valkey(self) -> None:
        """End Valkey at once (SIGKILL), and lose its disk."""
        self._valkey.kill()
        shutil.rmtree(self._valkey.directory / "appendonlydir")

    def restart_valkey(self) -> None:
        """Start Valkey again, with nothing."""
        self._valkey.start()

    def uncommitted_records(self) -> int:
        """Return how many input records no worker has committed yet."""
        return self._lag_reader.uncommitted_records()

    def check(self) -> None:
        """Look whether all workers still run, and start again one that found no servers.

        Raises:
            StageBroken: one ended by itself.
        """
        for slot, process in list(self._workers.items()):
            code = process.poll()
            if code == UNREACHABLE_CODE and self._restarts_left > 0:
                # As a cluster would do with a worker that starts while Valkey is down.
                self._restarts_left -= 1
                self._say(f"worker {slot} found no Valkey or Kafka, and is started again")
                self.start_worker(slot)
            elif code is not None and code != -signal.SIGKILL:
                raise StageBroken(
                    f"Worker {slot} ended by itself with exit code {code}:\n"
                    + self._log_end(f"worker-{slot}")
                )

    # ---- helpers, in the order of their callers

    def _run_to_end(self, command: Sequence[str], name: str) -> None:
        with self._log_path(name).open("wb") as log:
            code = subprocess.call(
                list(command), env=self._environment(name), stdout=log, stderr=log
            )
        if code != 0:
            raise StageBroken(f"{name} failed with exit code {code}:\n{self._log_end(name)}")

    def _environment(self, slot: str) -> Mapping[str, str]:
        own = {name: text for name, text in os.environ.items() if "RESERVATION_" not in name}
        return {
            **own,
            "RESERVATION_KAFKA__BOOTSTRAP_SERVERS": self._kafka.bootstrap_servers,
            "RESERVATION_KAFKA__GROUP_ID": GROUP_ID,
            "RESERVATION_KAFKA__SESSION_TIMEOUT_MS": str(SESSION_TIMEOUT_MS),
            "RESERVATION_KAFKA__TRANSACTION_TIMEOUT_MS": str(TRANSACTION_TIMEOUT_MS),
            "RESERVATION_REDIS__URL": self._valkey.url,
            "RESERVATION_TOPICS__INPUT_PARTITIONS": str(INPUT_PARTITIONS),
            "RESERVATION_EXPIRY__GRACE_SECONDS": str(GRACE_SECONDS),
            "RESERVATION_HTTP__PORT": str(self._ports.get(slot, 0)),
            "RESERVATION_WORKER_SLOT": slot,
            "RESERVATION_ACCOUNTS": json.dumps({REFUNDING_ACCOUNT: {"late_payment": "refund"}}),
        }

    def _wait_until_ready(self, slot: str) -> None:
        give_up_at_ms = self._clock.monotonic_ms() + READY_TIMEOUT_MS
        pause = Event()
        while not _is_ready(self._ports[slot]):
            self.check()
            if self._clock.monotonic_ms() > give_up_at_ms:
                log = self._log_end(f"worker-{slot}")
                raise StageBroken(f"Worker {slot} is not ready after a minute:\n{log}")
            pause.wait(READY_INTERVAL_MS / 1000)

    def _log_path(self, name: str) -> Path:
        return self._directory / f"{name}.log"

    def _log_end(self, name: str) -> str:
        lines = self._log_path(name).read_text("utf-8", "replace").splitlines()
        return "\n".join(lines[-LOG_LINES_SHOWN:])


class AuditorProcess:
    """The auditor, and what it has reported so far."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], log_path: Path
    ) -> None:
        self._log_path = log_path
        with log_path.open("wb") as log:
            self._process = subprocess.Popen(
                list(command),
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self.tally = Tally()
        self._verdict: Verdict | None = None
        self._listener = Thread(target=self._listen, name="auditor", daemon=True)
        self._listener.start()

    def verdict(self) -> Verdict:
        """Tell the auditor to judge, and wait for its verdict.

        Raises:
            StageBroken: it gave none.
        """
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._listener.join(VERDICT_TIMEOUT_MS / 1000)
        if self._verdict is None:
            lines = self._log_path.read_text("utf-8", "replace").splitlines()
            end = "\n".join(lines[-LOG_LINES_SHOWN:])
            raise StageBroken(f"The auditor gave no verdict:\n{end}")
        return self._verdict

    def close(self) -> None:
        """End the process if it has not ended."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._listener.join()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            report = read_report(line)
            self.tally = report.tally or self.tally
            self._verdict = report.verdict or self._verdict


def _is_ready(port: int) -> bool:
    connection = HTTPConnection(LOOPBACK, port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200  # noqa: PLR2004 -- HTTP's own "OK"
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
