"""Waiting for what another process or thread will bring about, with a deadline."""

import time
from collections.abc import Callable

POLL_INTERVAL_MS = 10
PATIENCE = 3
"""A time-out ends a test that would wait for ever, and judges nothing: on a machine that others use
as well everything takes several times as long.
"""


def wait_until(condition: Callable[[], bool], *, timeout_ms: int, what: str) -> None:
    """Return as soon as the condition holds; fail, saying `what`, once the time is over."""
    deadline = time.monotonic() + PATIENCE * timeout_ms / 1000
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(POLL_INTERVAL_MS / 1000)
    raise AssertionError(f"not within {PATIENCE * timeout_ms} ms: {what}")
