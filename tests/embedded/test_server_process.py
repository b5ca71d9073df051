"""A server never outlives the process that started it."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reservation_worker.embedded import ServerDidNotStart
from reservation_worker.embedded.port_claims import claim_port
from reservation_worker.embedded.server_process import ServerProcess
from tests.waiting import wait_until

PARENT = """
import sys
from pathlib import Path
from reservation_worker.embedded.server_process import ServerProcess
server = ServerProcess("sleeper", ("/bin/sleep", "600"), Path(sys.argv[1]))
server.launch()
print(server.process_id, flush=True)
sys.stdin.read()
"""


def test_server_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    """A test run that is killed must leave no Kafka behind."""
    with subprocess.Popen(
        (sys.executable, "-c", PARENT, str(tmp_path / "log")),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        server_id = int(parent.stdout.readline())
        assert _runs(server_id)
        parent.kill()
    wait_until(lambda: not _runs(server_id), timeout_ms=5_000, what="the server has ended")


def test_stopped_server_leaves_no_watcher(tmp_path: Path) -> None:
    """A watcher left behind would kill whoever gets the process id next."""
    server = ServerProcess("sleeper", ("/bin/sleep", "600"), tmp_path / "log")
    server.launch()
    server_id = server.process_id
    assert server_id in _session(server_id)
    server.stop(timeout_ms=5_000)
    assert not server.running
    wait_until(lambda: not _session(server_id), timeout_ms=5_000, what="the watcher has ended")


def test_server_that_ends_shows_its_exit_code_and_its_log(tmp_path: Path) -> None:
    """Only what this start wrote: an older failure would mislead."""
    log = tmp_path / "log"
    log.write_text("an older failure\n")
    server = ServerProcess("Failing", ("/bin/sh", "-c", "echo no room; exit 3"), log)
    server.launch()
    with pytest.raises(ServerDidNotStart, match=r"exit code 3[^$]*no room") as caught:
        server.wait_until(lambda: False, timeout_ms=5_000)
    assert "an older failure" not in str(caught.value)


def test_silent_server_is_killed_and_named(tmp_path: Path) -> None:
    """Nobody else would end it."""
    server = ServerProcess("Silent", ("/bin/sleep", "600"), tmp_path / "log")
    server.launch()
    with pytest.raises(ServerDidNotStart, match="Silent did not answer within 50 ms"):
        server.wait_until(lambda: False, timeout_ms=50)
    assert not server.running


def test_claimed_port_is_given_once() -> None:
    """A killed server's port is still its own."""
    claims = [claim_port() for _ in range(20)]
    assert len({claim.port for claim in claims}) == 20
    for claim in claims:
        claim.release()


def _runs(process_id: int) -> bool:
    """Whether it has not ended; what ended stays listed until its parent, if any, asks for it."""
    try:
        status = Path(f"/proc/{process_id}/stat").read_text("ascii")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def _session(session_id: int) -> list[int]:
    """The processes of a session that have not ended."""
    listed = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [one for one in listed if _runs(one) and _session_of(one) == session_id]


def _session_of(process_id: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.getsid(process_id)
    return None
