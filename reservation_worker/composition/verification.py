"""What verifies shards, with clients of its own."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from reservation_worker.adapters.kafka.outputs import KafkaOutputs
from reservation_worker.adapters.kafka.positions import KafkaPositions
from reservation_worker.adapters.redis.books import (
    RedisBooks,
    read_reservation,
    read_stock,
    read_version,
)
from reservation_worker.adapters.redis.published import (
    pack_published_reservation,
    pack_published_stock,
    pack_reservation_body,
    pack_stock_body,
)
from reservation_worker.composition.clients import (
    build_clock,
    build_redis_client,
    kafka_config,
    read_deployment,
    store_config,
)
from reservation_worker.composition.topics import output_topics
from reservation_worker.settings.model import Settings
from reservation_worker.verification import Packing, ReadingParts, Unpacking, VerificationParts

PREFETCH: Final = {"queued.max.messages.kbytes": "4096"}
"""So much the client fetches ahead; it is read slower than it is fetched."""


@contextmanager
def open_verification(
    settings: Settings, directory: Path | None, progress: Callable[[str], None]
) -> Iterator[VerificationParts]:
    """Give what a verification needs; its files are in a directory that is removed at the end."""
    kafka, clock, deployment = kafka_config(settings), build_clock(), read_deployment(settings)
    kafka = replace(kafka, extra={**PREFETCH, **kafka.extra})
    with (
        TemporaryDirectory(prefix="reservation-worker-", dir=directory) as notebook,
        closing(KafkaOutputs(kafka, output_topics(settings), clock)) as topics,
        closing(KafkaPositions(kafka, settings.topics.shards)) as positions,
    ):
        yield VerificationParts(
            books=RedisBooks(build_redis_client(settings), store_config(settings, deployment)),
            reading=ReadingParts(
                topics, positions, Packing(pack_reservation_body, pack_stock_body), progress
            ),
            unpacking=Unpacking(
                reservation=read_reservation,
                stock=read_stock,
                packed_reservation=pack_published_reservation,
                packed_stock=pack_published_stock,
                version=read_version,
            ),
            clock=clock,
            wait=lambda milliseconds: time.sleep(milliseconds / 1000),
            notebook=Path(notebook),
        )
