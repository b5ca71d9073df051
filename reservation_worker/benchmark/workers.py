"""Real worker processes, and what they say of themselves."""

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

from prometheus_client.parser import text_string_to_metric_families

from reservation_worker.benchmark.place import Place
from reservation_worker.embedded.port_claims import LOOPBACK, claim_port

READY_TIMEOUT_SECONDS = 60
READY_INTERVAL_SECONDS = 0.05
END_TIMEOUT_SECONDS = 60
REQUEST_TIMEOUT_SECONDS = 5
HTTP_OK = 200


class NotReady(Exception):
    """A worker ended by itself, or did not become ready."""


@dataclass(frozen=True, slots=True)
class Workers:
    """The processes that run, each with its probes on a port of the loopback."""

    processes: tuple["subprocess.Popen[bytes]", ...]
    ports: tuple[int, ...]

    @property
    def process_ids(self) -> tuple[int, ...]:
        """Of all processes, in the order of their start."""
        return tuple(process.pid for process in self.processes)

    def wait_until_ready(self) -> None:
        """Wait until each process holds partitions and owns shards.

        Raises:
            NotReady: one ended, or took longer than a minute.
        """
        give_up_at = time.monotonic() + READY_TIMEOUT_SECONDS
        for process, port in zip(self.processes, self.ports, strict=True):
            while _asked(port, "/readyz") is None:
                if process.poll() is not None:
                    raise NotReady(f"A worker ended by itself with exit code {process.returncode}.")
                if time.monotonic() > give_up_at:
                    raise NotReady(f"A worker was not ready after {READY_TIMEOUT_SECONDS} s.")
                time.sleep(READY_INTERVAL_SECONDS)

    def counted(self) -> Mapping[str, float]:
        """Return the counters of all processes together, without their labels but `result`."""
        totals: Counter[str] = Counter()
        for port in self.ports:
            text = _asked(port, "/metrics") or ""
            for family in text_string_to_metric_families(text):
                if family.type != "counter":
                    continue
                for sample in family.samples:
                    result = sample.labels.get("result")
                    name = sample.name if result is None else f"{sample.name}:{result}"
                    totals[name] += sample.value  # type: ignore[assignment]  # floats add up too
        return totals


@contextmanager
def workers(
    found: Place,
    total: int = 1,
    *,
    apart: bool = False,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Workers]:
    """Run so many workers, or as many pairs of a process for each role, until SIGTERM."""
    roles = ("apply", "publish") if apart else ("all",)
    with ExitStack() as stack:
        log = stack.enter_context((found.directory / "worker.log").open("ab"))
        processes: list[subprocess.Popen[bytes]] = []
        ports: list[int] = []
        # Entered before they start, so that they end in the order of their start: what was
        # applied must be published before it can be committed.
        stack.callback(_end, processes)
        for role in roles * total:
            claim = claim_port()
            stack.callback(claim.release)
            ports.append(claim.port)
            own = {**(variables or {}), "RESERVATION_HTTP__PORT": str(claim.port)}
            processes.append(
                subprocess.Popen(
                    [*found.run_command(), "--role", role],
                    env={**found.environment, **own},
                    stdout=log,
                    stderr=log,
                )
            )
        yield Workers(tuple(processes), tuple(ports))


def _end(processes: list["subprocess.Popen[bytes]"]) -> None:
    for process in processes:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _asked(port: int, path: str) -> str | None:
    """Return what a process answers; None if it does not, or says that all is not well."""
    connection = HTTPConnection(LOOPBACK, port, timeout=REQUEST_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.read().decode() if answer.status == HTTP_OK else None
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
