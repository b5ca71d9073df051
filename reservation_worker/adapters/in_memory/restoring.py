"""`Restoring` in memory: the published events, read by the models that their readers have."""

from collections.abc import Sequence
from dataclasses import replace

from reservation_worker.adapters.in_memory.shard import Shard
from reservation_worker.adapters.in_memory.store import InMemoryStore
from reservation_worker.contracts.outputs import (
    ReservationChangedBody,
    StockChangedBody,
    parse_output,
)
from reservation_worker.contracts.records import OutputTopic, PublishedRecord
from reservation_worker.contracts.restore import restore_reservation, restore_stock
from reservation_worker.domain.facts import Settlement, StockSettlementDue
from reservation_worker.domain.keys import ReservationId, split_key
from reservation_worker.domain.settlement import entries_told_by
from reservation_worker.ports import FatallyBroken, ShardState, StepRefusal, StepRefused, Turn


class InMemoryRestoring:
    """The same contract as the scripts keep; what is told by the whole is told at the end."""

    def __init__(self, store: InMemoryStore) -> None:
        self._store = store

    def begin(self, shard: int, inspected: ShardState, epoch: int) -> bool:
        """Mark the shard if ``meta`` still says what was inspected; never over a newer epoch."""
        held = self._store.held(shard)
        if self._store.is_foreign(held) or inspected.server != self._store.server:
            return False
        if held.epoch == epoch:
            return held.torn and held.verified_server == inspected.server
        if held.epoch > epoch or (held.epoch, held.step, held.verified_server) != (
            inspected.epoch,
            inspected.step,
            inspected.verified_server,
        ):
            return False
        held.epoch, held.published, held.torn = epoch, 0, True
        held.verified_server, held.deployment = inspected.server, self._store.deployment
        held.last_call = 0
        self._store.put(held)
        return True

    def keys(self, shard: int, cursor: int) -> tuple[int, Sequence[bytes]]:
        """Return all keys at once."""
        assert cursor == 0, "nothing was left"
        held = self._store.held(shard)
        stocks, reservations = held.stocks, held.reservations
        names = [*(one.key for one in stocks), *(one.key for one in reservations), "outbox"]
        return 0, [name.encode() for name in names]

    def drop(self, turn: Turn, keys: Sequence[bytes]) -> int | StepRefused:
        """Remove everything at once; returns the number of the next call."""
        assert keys, "all that is there is one piece"
        held = self._restored(turn)
        if isinstance(held, StepRefused):
            return held
        if held is not None:
            empty = Shard(turn.shard, held.epoch, held.step, 0, torn=True)
            self._store.put(
                replace(
                    empty,
                    verified_server=held.verified_server,
                    deployment=held.deployment,
                    last_call=turn.number,
                    demanded=held.demanded,
                    adopts=held.adopts,
                )
            )
        return turn.number + 1

    def restore(self, turn: Turn, records: Sequence[PublishedRecord]) -> int | StepRefused:
        """Write stocks, or reservations after all stocks: each at most once, as of its record.

        Raises:
            FatallyBroken: a record cannot be understood.
        """
        assert len({record.topic for record in records}) == 1, "stocks first, then reservations"
        held = self._restored(turn)
        if held is None:
            return turn.number + 1
        if isinstance(held, StepRefused):
            return held
        for record in records:
            try:
                _take(held, record)
            except ValueError as error:
                raise FatallyBroken(f"offset {record.offset}: not what a worker writes") from error
        held.last_call = turn.number
        self._store.put(held)
        return turn.number + 1

    def finish(self, turn: Turn, step: int) -> StepRefused | None:
        """End the restoring: the shard is at a step, and published up to there."""
        held = self._restored(turn)
        if held is None or isinstance(held, StepRefused):
            return held
        for stock_id, stock in held.stocks.items():
            of_account = [
                one for one in held.reservations.values() if one.id.account == stock_id.account
            ]
            entries, released = entries_told_by(stock, of_account)
            held.stocks[stock_id] = replace(stock, entries=entries)
            settlements: list[Settlement] = [*released]
            if stock.settled_through is not None:
                settlements.append(
                    StockSettlementDue(stock_id.account, stock_id.warehouse_id, stock_id.sku)
                )
            for settlement in settlements:
                assert stock.counted_at_ms is not None, "a settlement follows a count"
                held.settlements[settlement] = stock.counted_at_ms
        held.step, held.published, held.torn = step, step, False
        held.demanded, held.adopts, held.last_call = "", False, turn.number
        self._store.put(held)
        return None

    def demand(
        self, shard: int, inspected: ShardState, reason: str, *, adopts: bool = False
    ) -> bool:
        """Have the shard's owner rebuild it and log why; False: it is in another epoch by now."""
        held = self._store.held(shard)
        if not held.epoch:
            return False
        if self._store.is_foreign(held):
            if not adopts or held.deployment != inspected.foreign:
                return False
        elif held.epoch != inspected.epoch:
            return False
        held.torn, held.demanded, held.adopts = True, reason, adopts
        held.deployment = self._store.deployment
        self._store.put(held)
        return True

    def _restored(self, turn: Turn) -> Shard | StepRefused | None:
        """Return the shard if this call is the next one; None: it has been run already."""
        held = self._store.held(turn.shard)
        if self._store.is_foreign(held):
            return StepRefused(StepRefusal.FOREIGN, 0)
        if not held.epoch or held.epoch != turn.epoch:
            return StepRefused(StepRefusal.EPOCH, held.epoch)
        if held.verified_server != self._store.server:
            return StepRefused(StepRefusal.SERVER, held.epoch)
        if turn.number <= held.last_call:
            return None
        if not held.torn:
            return StepRefused(StepRefusal.EPOCH, held.epoch)
        if turn.number > held.last_call + 1:
            return StepRefused(StepRefusal.TURN, held.epoch)
        return held


def _take(held: Shard, record: PublishedRecord) -> None:
    if record.value is None:
        if record.topic is OutputTopic.RESERVATION_CHANGED:
            account, order_id = split_key(record.key.decode())
            held.reservations.pop(ReservationId(account, order_id), None)
            held.changed_at_ms.pop(ReservationId(account, order_id), None)
        return
    body = parse_output(record.topic, record.value)
    if isinstance(body, StockChangedBody):
        stock = restore_stock(body)
        held.stocks[stock.id], held.stock_versions[stock.id] = stock, body.version
    else:
        assert isinstance(body, ReservationChangedBody), "nothing else is restored from"
        reservation = restore_reservation(body)
        held.reservations[reservation.id] = reservation
        held.changed_at_ms[reservation.id] = max(record.timestamp_ms, body.occurred_at_ms)
