"""Waiting for what another process or thread will bring about, with a deadline."""

import time
from collections.abc import Callable

POLL_INTERVAL_MS = 10


def wait_until(condition: Callable[[], bool], *, timeout_ms: int, what: str) -> None:
    """Return as soon as the condition holds; fail, saying `what`, once the time is over."""
    deadline = time.monotonic() + timeout_ms / 1000
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(POLL_INTERVAL_MS / 1000)
    raise AssertionError(f"not within {timeout_ms} ms: {what}")
