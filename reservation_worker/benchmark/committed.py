"""How far a group has come: what it has committed it is done with."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from reservation_worker.adapters.kafka.reader import TopicReader
from reservation_worker.benchmark.place import Place
from reservation_worker.benchmark.stage import STALL_SECONDS, Stalled
from reservation_worker.composition import input_topics, kafka_config
from reservation_worker.ports import BrokerUnavailable

LOOK_SECONDS = 0.2


@contextmanager
def done_of(found: Place, group_id: str | None = None) -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether a group has committed everything; None: the worker's."""
    with _uncommitted(found, group_id) as left:
        yield lambda: left() == 0


def wait_until_committed(found: Place) -> None:
    """Wait until the worker's group has committed everything that was sent.

    Raises:
        Stalled: it does not come nearer for a long time.
    """
    fewest, moved_at = sys.maxsize, time.monotonic()
    with _uncommitted(found, None) as left:
        while (now := left()) != 0:
            if now is not None and now < fewest:
                fewest, moved_at = now, time.monotonic()
            if time.monotonic() - moved_at > STALL_SECONDS:
                raise Stalled(f"{fewest} records stay uncommitted")
            time.sleep(LOOK_SECONDS)


@contextmanager
def _uncommitted(found: Place, group_id: str | None) -> Iterator[Callable[[], int | None]]:
    """Give a function that counts what is not committed; None where nobody can say it now."""
    settings = found.settings()
    config = kafka_config(settings)
    reader = TopicReader(
        replace(config, group_id=group_id or config.group_id), input_topics(settings)
    )

    def left() -> int | None:
        # A broker that has just started does not know yet who coordinates which group.
        try:
            return reader.uncommitted_records()
        except BrokerUnavailable:
            return None

    try:
        yield left
    finally:
        reader.close()
