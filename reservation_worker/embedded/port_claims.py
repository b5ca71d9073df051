"""Ports on the loopback that stay ours, also while their server is down."""

import fcntl
import os
import socket
import tempfile
from pathlib import Path
from typing import TextIO

from reservation_worker.embedded import EmbeddedError

LOOPBACK = "127.0.0.1"
PORT_FIRST = 20_000
PORTS_TOTAL = 10_000
"""Below what systems give to outgoing connections (from 32768 on Linux, 49152 on macOS): such a
connection could take the port of a server that is being restarted."""


class PortClaim:
    """A port that no other claim of this user holds, until it is released or the process ends."""

    def __init__(self, port: int, lock: TextIO) -> None:
        self.port = port
        self._lock = lock

    def release(self) -> None:
        """Let others claim the port."""
        self._lock.close()


def claim_port() -> PortClaim:
    """Claim a port that nothing listens on.

    Raises:
        EmbeddedError: all ports of the range are taken.
    """
    # Processes begin at different places, so that they seldom meet.
    first = os.getpid() * 16
    for step in range(PORTS_TOTAL):
        claim = _try_claim(PORT_FIRST + (first + step) % PORTS_TOTAL)
        if claim is not None:
            return claim
    last = PORT_FIRST + PORTS_TOTAL - 1
    raise EmbeddedError(f"No port from {PORT_FIRST} to {last} is free; stop what listens there.")


def _try_claim(port: int) -> PortClaim | None:
    directory = Path(tempfile.gettempdir()) / f"reservation-worker-ports-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    lock = (directory / str(port)).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((LOOPBACK, port))
    except OSError:
        lock.close()
        return None
    return PortClaim(port, lock)
