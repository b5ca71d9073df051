"""One server as a child process that never outlives this one."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from reservation_worker.embedded import ServerDidNotStart

POLL_INTERVAL_MS = 20
LOG_TAIL_LINES = 40
LOG_TAIL_BYTES_MAX = 64 * 1024

# The shell leaves a watcher behind and becomes the server, so the server has the process id that
# was started, and there is no instant at which it runs unwatched. The watcher waits for a line
# on the pipe: a line lets it go, the end of the pipe (this process died) kills the server.
WATCHED = """exec 3<&0
(read -r release <&3 || kill -9 "$$") &
exec "$@" 3<&- </dev/null
"""


class ServerProcess:
    """A server, its log, and the pipe that ends it when this process dies.

    The server is in a session of its own: Ctrl-C reaches this process only, which then stops its
    servers in the right order. A child forked from this process that runs no other program
    (multiprocessing's `fork`) holds the pipe open, and with it the server.
    """

    def __init__(self, name: str, command: Sequence[str], log_path: Path) -> None:
        self.name = name
        self.log_path = log_path
        self._command = tuple(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._release: BinaryIO | None = None
        self._log_start_bytes = 0

    @property
    def running(self) -> bool:
        """Whether the server was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def process_id(self) -> int:
        """The server's own process id; it must have been started."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    def launch(self) -> None:
        """Start the server and return at once; it may not answer yet."""
        assert not self.running, f"{self.name} runs already"
        self._let_watcher_go()
        read_end, write_end = os.pipe()
        with self.log_path.open("ab") as log, os.fdopen(read_end, "rb") as watched:
            self._log_start_bytes = log.tell()
            self._release = os.fdopen(write_end, "wb", buffering=0)
            self._process = subprocess.Popen(
                ("/bin/sh", "-c", WATCHED, "sh", *self._command),
                stdin=watched,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until(self, is_ready: Callable[[], bool], timeout_ms: int) -> None:
        """Wait until the launched server answers.

        Raises:
            ServerDidNotStart: it ended, or was not ready within `timeout_ms` (it is then killed).
        """
        deadline = time.monotonic() + timeout_ms / 1000
        while time.monotonic() < deadline:
            if not self.running:
                self.kill()
                raise self._did_not_start(f"ended with exit code {self._exit_code()}")
            if is_ready():
                return
            time.sleep(POLL_INTERVAL_MS / 1000)
        self.kill()
        raise self._did_not_start(f"did not answer within {timeout_ms} ms")

    def stop(self, timeout_ms: int) -> None:
        """Ask the server to end, and kill it if it has not after `timeout_ms`."""
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(signal.SIGTERM)
            self._process.send_signal(signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_ms / 1000)
        self.kill()

    def kill(self) -> None:
        """End the server at once, if it has not ended: nothing is flushed, nobody is told."""
        if self._process is None:
            return
        if self.running:
            self._process.kill()
        # The watcher goes before the process id is free to be given to someone else.
        self._let_watcher_go()
        self._process.wait()

    def suspend(self) -> None:
        """Freeze the server: its connections stay open, and nothing answers."""
        assert self.running, f"{self.name} does not run"
        os.kill(self.process_id, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a suspended server go on."""
        assert self.running, f"{self.name} does not run"
        os.kill(self.process_id, signal.SIGCONT)

    def log_tail(self) -> str:
        """The last lines that the server wrote since it was last launched."""
        if not self.log_path.exists():
            return ""
        with self.log_path.open("rb") as log:
            end_bytes = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start_bytes, end_bytes - LOG_TAIL_BYTES_MAX))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])

    def _let_watcher_go(self) -> None:
        if self._release is None:
            return
        with contextlib.suppress(BrokenPipeError), self._release as release:
            release.write(b"release\n")
        self._release = None

    def _exit_code(self) -> int | None:
        return None if self._process is None else self._process.returncode

    def _did_not_start(self, reason: str) -> ServerDidNotStart:
        return ServerDidNotStart(
            f"{self.name} {reason}. Its log is {self.log_path}, and ends:\n{self.log_tail()}"
        )
