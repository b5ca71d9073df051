"""Worker processes of a test, each with its log."""

import json
import os
import signal
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from reservation_worker.embedded.port_claims import LOOPBACK
from reservation_worker.telemetry.log_events import HTTP_SERVER_STARTED, SHARD_REBUILT
from reservation_worker.worker import Role
from tests.integration import worker_process
from tests.integration.worker_process import Fate
from tests.waiting import wait_until

END_TIMEOUT_MS = 30_000
START_TIMEOUT_MS = 30_000
HTTP_TIMEOUT_SECONDS = 20

_FORKS = get_context("forkserver")
# Importing everything anew for each worker took a sixth of all that the tests compute.
_FORKS.set_forkserver_preload([worker_process.__name__])


class WorkerProcess:
    """One worker, from its start to its end."""

    def __init__(
        self,
        environment: Mapping[str, str],
        log_path: Path,
        *,
        role: Role = Role.ALL,
        fate: Fate | None = None,
        is_checked: bool = True,
        clock_offset_ms: int = 0,
    ) -> None:
        """Start it; unchecked, it may keep reservations shorter than topics keep records.

        Its clock may be ahead of the machine's, or behind (below 0).
        """
        self.log_path = log_path
        log_path.touch()
        self._process = _FORKS.Process(
            target=worker_process.run,
            args=(dict(environment), log_path, role, fate),
            kwargs={"is_checked": is_checked, "clock_offset_ms": clock_offset_ms},
            # Those that a test forgets end with it.
            daemon=True,
        )
        self._process.start()

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.is_alive()

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self._process.kill()
        self.exit_code()

    def wait_until_asleep(self) -> None:
        """Wait until it has frozen itself (SIGSTOP)."""
        status = Path(f"/proc/{self._process.pid}/stat")

        def is_asleep() -> bool:
            assert self.runs, self.log_path.read_text("utf-8")[-3_000:]
            return status.read_text("utf-8").rpartition(")")[2].split()[0] == "T"

        wait_until(is_asleep, timeout_ms=START_TIMEOUT_MS, what=f"{self.log_path} is asleep")

    def freeze(self) -> None:
        """Stop it where it is (SIGSTOP)."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        self.wait_until_asleep()

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def ask_to_end(self) -> None:
        """Ask it to finish what it has in hand (SIGTERM)."""
        self._process.terminate()

    def drain(self) -> int:
        """Ask it to end (SIGTERM), and return its exit code."""
        self.ask_to_end()
        return self.exit_code()

    def exit_code(self) -> int:
        """Wait for its end; below 0: the signal that ended it."""
        wait_until(
            lambda: not self.runs, timeout_ms=END_TIMEOUT_MS, what=f"the end of {self.log_path}"
        )
        code = self._process.exitcode
        assert code is not None
        return code

    def log(self) -> list[dict[str, Any]]:
        """Return what it logged so far; an incomplete last line is left out."""
        lines = self.log_path.read_text("utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}\n")]

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return its log lines of one event."""
        return [line for line in self.log() if line["event"] == event]

    def rebuilt_shards(self) -> set[int]:
        """Return the shards that it says to have rebuilt."""
        return {line["shard"] for line in self.logged(SHARD_REBUILT)}

    def problems(self) -> tuple[str, ...] | None:
        """Ask ``/readyz``: what is said to be wrong, nothing if it is ready; None: no answer."""
        answer = self._ask("/readyz")
        return None if answer is None else tuple(json.loads(answer).get("problems", ()))

    def facts_total(self) -> int:
        """Ask ``/metrics`` how many facts it has applied, whatever came of them; 0: no answer."""
        text = (self._ask("/metrics") or b"").decode()
        return sum(
            int(sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "reservation_facts_total"
        )

    def gauge(self, name: str, **labels: str) -> float | None:
        """Ask ``/metrics`` for one sample; None: there is none, or no answer."""
        text = (self._ask("/metrics") or b"").decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return float(sample.value)
        return None

    def is_live(self) -> bool:
        """Ask ``/livez``."""
        return json.loads(self._ask("/livez") or b"{}").get("ok") is True

    def shown(self) -> str:
        """Return what anybody sees of it while it runs: its log, all probes, all metrics."""
        answers = [self._ask(path) for path in ("/livez", "/readyz", "/startupz", "/metrics")]
        assert all(answers), f"{self.log_path} does not answer"
        texts = [answer.decode() for answer in answers if answer]
        return "\n".join((self.log_path.read_text("utf-8"), *texts))

    def _ask(self, path: str) -> bytes | None:
        started = self.logged(HTTP_SERVER_STARTED)
        if not started:
            return None
        connection = HTTPConnection(LOOPBACK, started[0]["port"], timeout=HTTP_TIMEOUT_SECONDS)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()

    def wait_until_ready(self) -> None:
        """Wait until it holds partitions and shards and its servers answer."""

        def ready() -> bool:
            assert self.runs, self.log_path.read_text("utf-8")[-3_000:]
            return self.problems() == ()

        wait_until(ready, timeout_ms=START_TIMEOUT_MS, what=f"{self.log_path} is ready")
