"""What a verification needs, and within which bounds it works."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reservation_worker.contracts.records import PublishedRecord
from reservation_worker.domain.reservation import Reservation
from reservation_worker.domain.stock import Stock
from reservation_worker.ports import Books, Clock, Positions, PublishedTopics
from reservation_worker.verification.events import Packing


@dataclass(frozen=True, slots=True)
class VerificationConfig:
    """Every one is a bound: none means infinity."""

    shards_total: int
    patience_ms: int
    """So long it waits for a shard to be whole, and for what Redis has to be published."""
    records_per_read_max: int = 5_000
    keys_per_look_max: int = 200
    """A look stops the server for about a millisecond."""
    awaited_max: int = 5_000
    """Keys that are newer in Redis than what was read; more are waited for at once."""
    suspects_max: int = 2_000
    """Keys that are looked at again before they are named; more are counted as they are."""
    attempts_max: int = 5
    """Passes over Redis, each begun because the shard got another owner in the one before."""
    reads_max: int = 3
    """Tries of one reading of the topics, once they have been read at all."""
    retry_interval_ms: int = 50


@dataclass(frozen=True, slots=True)
class Unpacking:
    """How what Redis has is read; None: no worker has packed it."""

    reservation: Callable[[str, bytes | None], Reservation | None]
    stock: Callable[[str, bytes | None], Stock | None]
    packed_reservation: Callable[[bytes], bytes]
    """Of the value of a published record."""
    packed_stock: Callable[[bytes], bytes]
    version: Callable[[bytes], int | None]
    """Of packed bytes of either kind."""


@dataclass(frozen=True, slots=True)
class ReadingParts:
    """What reading the topics needs, and what is told of the progress."""

    topics: PublishedTopics[PublishedRecord]
    positions: Positions
    packing: Packing
    progress: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class VerificationParts:
    """Clients and clocks."""

    books: Books
    reading: ReadingParts
    unpacking: Unpacking
    clock: Clock
    wait: Callable[[int], None]
    """For so many milliseconds."""
    notebook: Path
    """Where the file of one shard after the other is made."""


class CannotVerify(Exception):
    """Nothing is wrong that could be seen, but nothing can be said either."""


class OwnerChanged(Exception):
    """What was looked at before may have been made anew: begin again."""
