"""Who takes part, how each is started, and the process that it is."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reservation_worker.benchmark.stage import Stage, Stalled
from reservation_worker.embedded.java_program import find_java
from tests.benchmarks.peers.given import Given

ROOT = Path(__file__).resolve().parents[3]
VENVS = ROOT / ".venv-peers"
JAVA_TARGET = Path(__file__).with_name("kafka_streams") / "target"
DRAIN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to do the job."""

    name: str
    what: str
    """In a few words, for the table."""
    command: Sequence[str]
    orders_share: float
    """Of the worker's orders: as many as take it about as long."""


def contenders() -> Sequence[Contender]:
    """Return all of them, the worker first."""
    module = "tests.benchmarks.peers"
    java = [str(find_java()), "-Xmx512m", "-XX:+UseSerialGC"]
    jars = f"{JAVA_TARGET}/kafka-streams-peer.jar{os.pathsep}{JAVA_TARGET}/lib/*"
    return (
        Contender(
            "worker",
            "this worker, exactly once",
            [sys.executable, "-m", "reservation_worker", "run"],
            1.0,
        ),
        Contender(
            "faststream",
            "FastStream, one message and one script call at a time, acknowledged by default",
            [str(VENVS / "faststream_handler/bin/python"), "-m", f"{module}.faststream_handler"],
            0.05,
        ),
        Contender(
            "loop",
            "confluent-kafka: one message, one script call, flush, commit",
            [sys.executable, "-m", f"{module}.plain_loop"],
            0.05,
        ),
        Contender(
            "quix",
            "Quix Streams, exactly once, RocksDB",
            [str(VENVS / "quix_streams/bin/python"), "-m", f"{module}.quix_streams"],
            0.25,
        ),
        Contender(
            "streams",
            "Kafka Streams (Java), exactly once, RocksDB",
            [*java, "-cp", jars, "peers.Main"],
            0.5,
        ),
    )


class Running:
    """A contender's process; it can be frozen, and killed and started again."""

    def __init__(self, found: Stage, contender: Contender, given: Given) -> None:
        self._contender = contender
        self._environment = {**os.environ, **given.environment, "PYTHONPATH": str(ROOT)}
        self._log_path = found.directory / f"{given.group_id}.log"
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        with self._log_path.open("ab") as log:
            return subprocess.Popen(
                self._contender.command, env=self._environment, cwd=ROOT, stdout=log, stderr=log
            )

    def freeze(self) -> None:
        """Let it stand still (SIGSTOP) while its backlog is written."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self.process.send_signal(signal.SIGCONT)

    def kill_and_restart(self) -> None:
        """End it at once (SIGKILL) and start it again."""
        self.process.kill()
        self.process.wait()
        self.process = self._start()

    def check(self) -> None:
        """Look whether it still runs.

        Raises:
            Stalled: it has ended by itself; names the end of its log.
        """
        code = self.process.poll()
        if code is not None:
            end = self._log_path.read_text("utf-8", "replace")[-3_000:]
            raise Stalled(f"{self._contender.name} ended by itself with code {code}:\n{end}")

    def end(self) -> None:
        """Let it drain, and end it if it does not."""
        self.thaw()
        self.process.terminate()
        try:
            self.process.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
