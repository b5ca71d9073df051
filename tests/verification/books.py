"""What Redis says of one shard, in memory."""

from collections.abc import Callable, Sequence

from reservation_worker.adapters.redis.books import read_reservation, read_stock
from reservation_worker.adapters.redis.published import pack_reservation_body, pack_stock_body
from reservation_worker.contracts.written import WrittenReservation, WrittenStock
from reservation_worker.ports import (
    Entry,
    LookedReservation,
    LookedStock,
    Moment,
    OutboxLook,
    ReservationsLook,
    ShardKeys,
    ShardState,
    StocksLook,
)
from tests.verification.topics import STOCK_KEY, reservation_key

SERVER = "server"


class MemoryBooks:
    """Has no indexes: its reservations have no deadlines and no acknowledged units."""

    def __init__(self) -> None:
        self.epoch = 9
        self.step = 0
        self.torn = False
        self.reservations: dict[str, bytes] = {}
        self.stocks: dict[str, bytes] = {}
        self.scans = 0
        self.before_look: Callable[[], None] = lambda: None
        """What happens just before each look at reservations."""

    def put(self, step: int, *bodies: WrittenReservation | WrittenStock) -> None:
        """Decide something, at a step."""
        self.step = step
        for body in bodies:
            if isinstance(body, WrittenStock):
                self.stocks[STOCK_KEY] = pack_stock_body(body)
            else:
                self.reservations[reservation_key(body.order_id)] = pack_reservation_body(body)

    def state(self, _shard: int) -> ShardState:
        """Read ``meta``."""
        return ShardState(self.epoch, self.step, self.step, self.torn, SERVER, SERVER)

    def scan(self, _shard: int, cursor: int) -> ShardKeys:
        """Return all keys at once."""
        assert cursor == 0
        self.scans += 1
        return ShardKeys(0, tuple(self.reservations), tuple(self.stocks), (), ())

    def scan_index(self, _shard: int, _index: str, _cursor: int) -> tuple[int, Sequence[str]]:
        """Return the members of an index: none."""
        return 0, ()

    def look_at_reservations(
        self, _shard: int, indexes: Sequence[str], keys: Sequence[str], entries: Sequence[Entry]
    ) -> ReservationsLook:
        """Read reservations."""
        self.before_look()
        return ReservationsLook(
            self._moment(),
            tuple(
                LookedReservation(
                    *(key, packed, read_reservation(key, packed), (None,) * len(indexes), ())
                )
                for key in keys
                for packed in (self.reservations.get(key),)
            ),
            (None,) * len(entries),
        )

    def look_at_stocks(self, _shard: int, keys: Sequence[str]) -> StocksLook:
        """Read stocks."""
        return StocksLook(
            self._moment(),
            tuple(
                LookedStock(key, packed, read_stock(key, packed), None)
                for key in keys
                for packed in (self.stocks.get(key),)
            ),
        )

    def look_at_outbox(self, _shard: int, _steps: Sequence[int]) -> OutboxLook:
        """Read the outbox: it is complete."""
        return OutboxLook(self._moment(), min(self.step, 0), (), ())

    def _moment(self) -> Moment:
        return Moment(self.epoch, self.step, self.torn)
