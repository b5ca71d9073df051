"""The newest of each reservation and stock, in a file: memory does not grow with their number."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from reservation_worker.domain.values import value_class
from reservation_worker.verification.events import ReservationEvent, StockEvent

CACHE_KIBIBYTES: Final = 16_384
KEYS_PER_QUERY: Final = 500
"""SQLite takes at most 999 values in a statement of older releases."""
UNSEEN: Final = 0

_SCHEMA: Final = """
CREATE TABLE reservations (
    key TEXT PRIMARY KEY, version INTEGER, offset INTEGER, digest BLOB, held BLOB,
    acknowledged INTEGER, seen INTEGER
) WITHOUT ROWID;
CREATE TABLE acknowledged (
    reservation TEXT, stock TEXT, compared_at_ms INTEGER, member TEXT, units INTEGER
);
CREATE INDEX acknowledged_of_reservation ON acknowledged (reservation);
CREATE TABLE stocks (
    key TEXT PRIMARY KEY, version INTEGER, offset INTEGER, digest BLOB,
    authorized INTEGER DEFAULT 0, confirmed INTEGER DEFAULT 0, acknowledged INTEGER DEFAULT 0,
    counted_at_ms INTEGER, through_at_ms INTEGER, through_member TEXT,
    held_authorized INTEGER DEFAULT 0, held_confirmed INTEGER DEFAULT 0, seen INTEGER DEFAULT 0
) WITHOUT ROWID;
"""
# A count has taken out of the bucket what it covers, up to the cursor if there is one.
_SUMS: Final = """
WITH waiting AS (
    SELECT one.stock AS stock, SUM(one.units) AS units
    FROM acknowledged AS one LEFT JOIN stocks AS of ON of.key = one.stock
    WHERE of.counted_at_ms IS NULL OR one.compared_at_ms > of.counted_at_ms
        OR (of.through_at_ms IS NOT NULL
            AND (one.compared_at_ms, one.member) > (of.through_at_ms, of.through_member))
    GROUP BY one.stock
)
SELECT stocks.key, stocks.authorized, stocks.confirmed, stocks.acknowledged,
    held_authorized, held_confirmed, COALESCE(waiting.units, 0)
FROM stocks LEFT JOIN waiting ON waiting.stock = stocks.key
"""
_pack = msgspec.msgpack.Encoder().encode
_held_of = msgspec.msgpack.Decoder(list[tuple[str, int, int]]).decode


@value_class(frozen=True, slots=True)
class Row:
    """What is published last of a reservation or a stock."""

    version: int
    offset: int
    digest: bytes


@value_class(frozen=True, slots=True)
class Sums:
    """The buckets of a stock, and what the lines that hold its units add up to."""

    key: str
    buckets: tuple[int, int, int]
    """Authorized, confirmed, acknowledged."""
    lines: tuple[int, int, int]


class Notebook:
    """One shard's, in a file of its own that nobody else reads."""

    def __init__(self, path: Path) -> None:
        """Begin an empty one."""
        self._database = sqlite3.connect(path, isolation_level=None)
        for pragma in (
            "journal_mode=OFF",
            "synchronous=OFF",
            "locking_mode=EXCLUSIVE",
            "temp_store=FILE",
            f"cache_size=-{CACHE_KIBIBYTES}",
        ):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """End it; the file is the caller's to remove."""
        self._database.close()

    def reservations(self, keys: Sequence[str]) -> dict[str, Row]:
        """Return what is known of these reservations."""
        return self._rows("reservations", keys)

    def stocks(self, keys: Sequence[str]) -> dict[str, Row]:
        """Return what is known of these stocks."""
        return self._rows("stocks", keys)

    def put_reservations(self, events: Mapping[str, ReservationEvent | None]) -> None:
        """Write each reservation's newest event; None: it was removed."""
        moved: Counter[tuple[str, bool]] = Counter()
        self._database.execute("BEGIN")
        self._take_out(list(events), moved)
        known = [event for event in events.values() if event is not None]
        for event in known:
            for held in event.held:
                moved[held.stock, False] += held.authorized
                moved[held.stock, True] += held.confirmed
            for one in event.acknowledged:
                moved[one.stock, False] += 0  # A stock that was never published has a row as well.
        self._database.executemany(
            "DELETE FROM reservations WHERE key = ?",
            [(key,) for key, event in events.items() if event is None],
        )
        self._database.executemany(
            "INSERT INTO reservations VALUES (?, ?, ?, ?, ?, ?, 0) ON CONFLICT (key) DO UPDATE SET "
            "version = excluded.version, offset = excluded.offset, digest = excluded.digest, "
            "held = excluded.held, acknowledged = excluded.acknowledged",
            [
                (one.key, one.version, one.offset, one.digest, _held(one), len(one.acknowledged))
                for one in known
            ],
        )
        self._database.executemany(
            "INSERT INTO acknowledged VALUES (?, ?, ?, ?, ?)",
            [
                (event.key, one.stock, one.compared_at_ms, one.member, one.units)
                for event in known
                for one in event.acknowledged
            ],
        )
        self._move(moved)
        self._database.execute("COMMIT")

    def put_stocks(self, events: Mapping[str, StockEvent]) -> None:
        """Write each stock's newest event."""
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT INTO stocks (key, version, offset, digest, authorized, confirmed, acknowledged,"
            " counted_at_ms, through_at_ms, through_member) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (key) DO UPDATE SET version = excluded.version, "
            "offset = excluded.offset, digest = excluded.digest, "
            "authorized = excluded.authorized, confirmed = excluded.confirmed, "
            "acknowledged = excluded.acknowledged, counted_at_ms = excluded.counted_at_ms, "
            "through_at_ms = excluded.through_at_ms, through_member = excluded.through_member",
            [
                (
                    *(one.key, one.version, one.offset, one.digest),
                    *(one.authorized, one.confirmed, one.acknowledged, one.counted_at_ms),
                    *(one.settled_through or (None, None)),
                )
                for one in events.values()
            ],
        )
        self._database.execute("COMMIT")

    def sums(self) -> Iterator[Sums]:
        """Return the buckets and the sums of every stock; of one step where both are."""
        for key, *numbers in self._database.execute(_SUMS):
            authorized, confirmed, acknowledged, *lines = numbers
            yield Sums(key, (authorized, confirmed, acknowledged), (lines[0], lines[1], lines[2]))

    def see(self, table: str, keys: Sequence[str], number: int) -> None:
        """Note that a look has found these keys."""
        self._database.execute("BEGIN")
        self._database.executemany(
            f"UPDATE {_known(table)} SET seen = ? WHERE key = ?",  # noqa: S608 - of two names
            [(number, key) for key in keys],
        )
        self._database.execute("COMMIT")

    def seen(self, table: str, keys: Sequence[str], number: int) -> set[str]:
        """Return which of these keys a look of this number has found."""
        query = (
            f"SELECT key FROM {_known(table)} "  # noqa: S608 - of two names
            "WHERE seen = ? AND key IN "
        )
        return {
            key
            for some in _some_at_a_time(keys)
            for (key,) in self._database.execute(query + _places(some), (number, *some))
        }

    def unseen(self, table: str, number: int) -> Iterator[list[str]]:
        """Return the keys that no look of this number has found, some at a time, in order."""
        query = (
            f"SELECT key FROM {_known(table)} "  # noqa: S608 - of two names
            "WHERE key > ? AND seen <> ? AND version IS NOT NULL ORDER BY key LIMIT ?"
        )
        last = ""
        while found := self._database.execute(query, (last, number, KEYS_PER_QUERY)).fetchall():
            last = found[-1][0]
            yield [key for (key,) in found]

    def _rows(self, table: str, keys: Sequence[str]) -> dict[str, Row]:
        query = (
            f"SELECT key, version, offset, digest FROM {_known(table)} "  # noqa: S608 - of two names
            "WHERE key IN "
        )
        return {
            key: Row(version, offset, digest)
            for some in _some_at_a_time(keys)
            for key, version, offset, digest in self._database.execute(query + _places(some), some)
            if version is not None
        }

    def _take_out(self, keys: Sequence[str], moved: Counter[tuple[str, bool]]) -> None:
        """Take what these reservations hold by now out of the sums."""
        query = "SELECT key, held, acknowledged FROM reservations WHERE key IN "
        had_acknowledged: list[str] = []
        for some in _some_at_a_time(keys):
            for key, held, acknowledged in self._database.execute(query + _places(some), some):
                if acknowledged:
                    had_acknowledged.append(key)
                for stock, authorized, confirmed in _held_of(held):
                    moved[stock, False] -= authorized
                    moved[stock, True] -= confirmed
        self._database.executemany(
            "DELETE FROM acknowledged WHERE reservation = ?", [(key,) for key in had_acknowledged]
        )

    def _move(self, moved: Counter[tuple[str, bool]]) -> None:
        stocks = dict.fromkeys(stock for stock, _ in moved)
        self._database.executemany(
            "INSERT INTO stocks (key, held_authorized, held_confirmed) VALUES (?, ?, ?) "
            "ON CONFLICT (key) DO UPDATE SET "
            "held_authorized = held_authorized + excluded.held_authorized, "
            "held_confirmed = held_confirmed + excluded.held_confirmed",
            [(stock, moved[stock, False], moved[stock, True]) for stock in stocks],
        )


def _known(table: str) -> str:
    assert table in {"reservations", "stocks"}, table
    return table


def _places(keys: Sequence[str]) -> str:
    return f"({', '.join('?' * len(keys))})"


def _held(event: ReservationEvent) -> bytes:
    return _pack([(one.stock, one.authorized, one.confirmed) for one in event.held])


def _some_at_a_time(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(keys), KEYS_PER_QUERY):
        yield keys[first : first + KEYS_PER_QUERY]
