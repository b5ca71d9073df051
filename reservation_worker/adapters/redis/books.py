"""`Books` on Redis or Valkey: scans and read-only scripts, each bounded."""

from collections.abc import Sequence
from itertools import islice
from typing import Final

import msgspec

from reservation_worker.adapters.redis.calls import Argument, Call, Calls, Client
from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.pipeline import Reply
from reservation_worker.adapters.redis.records import (
    decode_array,
    groups,
    unpack_reservation,
    unpack_stock,
)
from reservation_worker.adapters.redis.store import read_state
from reservation_worker.domain.keys import ReservationId, StockId, split_key
from reservation_worker.domain.reservation import Reservation
from reservation_worker.domain.stock import Stock
from reservation_worker.ports import (
    Entry,
    LookedReservation,
    LookedStock,
    LookedUnits,
    Moment,
    OutboxLook,
    ReservationsLook,
    ShardKeys,
    ShardState,
    StocksLook,
)

MEMBERS_PER_SCAN: Final = 200
"""A hint to the server; a small index comes whole."""
UNREADABLE: Final = (msgspec.DecodeError, ValueError, TypeError, IndexError)
"""Raised by bytes that no worker has packed."""


class RedisBooks:
    """Asks for no epoch, and needs no verified server: nothing is decided on what it reads."""

    def __init__(self, client: Client, config: StoreConfig) -> None:
        self._calls = Calls(client, config)
        self._outbox_steps_max = config.outbox_steps_max

    def state(self, shard: int) -> ShardState:
        """Read a shard's ``meta`` and the identity of the server."""
        return read_state(self._calls, shard)

    def scan(self, shard: int, cursor: int) -> ShardKeys:
        """Return some of the shard's keys; what is there all the time comes at least once."""
        next_cursor, keys = self._calls.scan(shard, cursor)
        prefix_length = len(self._calls.key(shard, ""))
        by_kind: dict[str, list[str]] = {"r": [], "s": [], "a": [], "o": []}
        for key in keys:
            kind, _, name = _text(key)[prefix_length:].partition(":")
            if name:
                by_kind.get(kind, []).append(name)
        return ShardKeys(
            next_cursor,
            tuple(by_kind["r"]),
            tuple(by_kind["s"]),
            tuple(by_kind["a"]),
            tuple([int(step) for step in by_kind["o"] if step.isdecimal()]),
        )

    def scan_index(self, shard: int, index: str, cursor: int) -> tuple[int, Sequence[str]]:
        """Return where to go on (0: nowhere), and some members of an index."""
        key = self._calls.key(shard, index)
        command = ("ZSCAN", key, cursor, "COUNT", MEMBERS_PER_SCAN)
        next_cursor, found = self._calls.call(Call("ZSCAN", key, command))
        # The client may have made pairs of the answer.
        members = [one[0] if isinstance(one, tuple) else one for one in found]
        if members and not isinstance(found[0], tuple):
            members = members[::2]
        return int(next_cursor), [_text(member) for member in members]

    def look_at_reservations(
        self, shard: int, indexes: Sequence[str], keys: Sequence[str], entries: Sequence[Entry]
    ) -> ReservationsLook:
        """Read reservations, their members of these indexes, and the scores of some entries."""
        asked = [part for entry in entries for part in entry]
        arguments: tuple[Argument, ...] = (len(indexes), *indexes, len(keys), *keys, *asked)
        moment, looked, scores = self._calls.run("look_at_reservations", shard, *arguments)
        return ReservationsLook(
            _moment(moment),
            tuple(
                [
                    _reservation(key, len(indexes), *found)
                    for key, found in zip(keys, looked, strict=True)
                ]
            ),
            tuple(map(_score, scores)),
        )

    def look_at_stocks(self, shard: int, keys: Sequence[str]) -> StocksLook:
        """Read stocks, and the scores of their settlements."""
        moment, values, scores = self._calls.run("look_at_stocks", shard, *keys)
        return StocksLook(
            _moment(moment),
            tuple(
                [
                    LookedStock(key, packed, read_stock(key, packed), _score(score))
                    for key, packed, score in zip(keys, values, scores, strict=True)
                ]
            ),
        )

    def look_at_outbox(self, shard: int, steps: Sequence[int]) -> OutboxLook:
        """Read how far the shard has come, and which entries are missing or too many."""
        # So many are refused, and one step may be under way.
        steps_max = self._outbox_steps_max + 1
        moment, published, missing, strays = self._calls.run(
            "look_at_outbox", shard, steps_max, *steps
        )
        return OutboxLook(_moment(moment), published, tuple(missing), tuple(strays))


def read_reservation(key: str, packed: bytes | None) -> Reservation | None:
    """Return a reservation from the value of its key; None where no worker has packed it."""
    if packed is None:
        return None
    try:
        return unpack_reservation(ReservationId(*split_key(key)), packed)
    except UNREADABLE:
        return None


def read_stock(key: str, packed: bytes | None) -> Stock | None:
    """Return a stock from the value of its key; None where no worker has packed it."""
    if packed is None:
        return None
    try:
        return unpack_stock(StockId(*split_key(key)), packed)
    except UNREADABLE:
        return None


def read_version(packed: bytes) -> int | None:
    """Return the version of a reservation or a stock; None where no worker has packed it."""
    try:
        first = decode_array(packed)[0]
        version = first[0] if isinstance(first, list) else first
    except UNREADABLE:
        return None
    return version if isinstance(version, int) else None


def _reservation(
    key: str, indexes_total: int, packed: bytes | None, *found: Reply
) -> LookedReservation:
    scores, units = found[:indexes_total], list(islice(found, indexes_total, None))
    reservation = read_reservation(key, packed)
    names = [] if reservation is None else _stock_keys(reservation)
    acknowledged = [
        LookedUnits(read_stock(name, stock), _score(entry), _score(settlement))
        for name, (stock, entry, settlement) in zip(names, groups(units, 3), strict=False)
    ]
    return LookedReservation(
        key, packed, reservation, tuple(map(_score, scores)), tuple(acknowledged)
    )


def _stock_keys(reservation: Reservation) -> list[str]:
    account, lines = reservation.id.account, reservation.lines
    stocks = [lines[units.line_index] for units in reservation.acknowledged]
    return [StockId(account, line.warehouse_id, line.sku).key for line in stocks]


def _text(name: bytes) -> str:
    """Return a key or a member; of one that no worker has written, something like it."""
    return name.decode(errors="replace")


def _moment(reply: Reply) -> Moment:
    epoch, step, torn = reply
    return Moment(epoch, step, torn == 1)


def _score(reply: bytes | float | None) -> int | None:
    return None if reply is None else int(float(reply))
