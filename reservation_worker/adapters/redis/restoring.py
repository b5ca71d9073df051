"""`Restoring` on Redis or Valkey: drops the keys of a shard, and writes them anew."""

from collections.abc import Mapping, Sequence
from typing import Final

from reservation_worker.adapters.redis.calls import Argument, Call, Calls, Client
from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.pipeline import Reply
from reservation_worker.adapters.redis.published import (
    pack_published_reservation,
    pack_published_stock,
)
from reservation_worker.adapters.redis.records import refused
from reservation_worker.adapters.redis.scripts import Script
from reservation_worker.contracts.records import OutputTopic, PublishedRecord
from reservation_worker.contracts.written import NotWritten
from reservation_worker.ports import FatallyBroken, ShardState, StepRefused

RECORDS_PER_CALL: Final = 200
"""Redis writes so many while the next ones are packed."""
_REMOVED: Final = b""


class RedisRestoring:
    """Every call names the epoch; what it writes is packed as the steps pack it."""

    def __init__(
        self,
        client: Client,
        config: StoreConfig,
        scripts: Mapping[str, Script] | None = None,
    ) -> None:
        """Use the package's own scripts unless others are given."""
        self._calls = Calls(client, config.attempts_max, scripts)

    def begin(self, shard: int, inspected: ShardState, epoch: int) -> bool:
        """Mark the shard if ``meta`` still says what was inspected; never over a newer epoch."""
        return bool(
            self._calls.run(
                "begin_restoring",
                shard,
                *(epoch, inspected.epoch, inspected.step),
                *(inspected.verified_server, inspected.server),
            )
        )

    def drop(self, shard: int, epoch: int, cursor: int) -> int | StepRefused:
        """Remove some of what is there; returns where to go on, 0 when nothing is left."""
        next_cursor, keys = self._calls.scan(shard, cursor)
        refusal = _refusal(self._calls.run("drop", shard, epoch, *keys))
        return next_cursor if refusal is None else refusal

    def restore(
        self, shard: int, epoch: int, records: Sequence[PublishedRecord]
    ) -> StepRefused | None:
        """Write stocks, or reservations after all stocks: each at most once, as of its record.

        Raises:
            FatallyBroken: a record cannot be understood.
        """
        assert len({record.topic for record in records}) == 1, "stocks first, then reservations"
        some_at_a_time = (
            records[first : first + RECORDS_PER_CALL]
            for first in range(0, len(records), RECORDS_PER_CALL)
        )
        replies = self._calls.send_as_made(
            self._restoring_call(shard, epoch, some) for some in some_at_a_time
        )
        return next((refusal for reply in replies if (refusal := _refusal(reply))), None)

    def _restoring_call(self, shard: int, epoch: int, records: Sequence[PublishedRecord]) -> Call:
        are_stocks = records[0].topic is OutputTopic.STOCK_CHANGED
        pack = pack_published_stock if are_stocks else pack_published_reservation
        arguments: list[Argument] = []
        for record in records:
            if record.value is None and are_stocks:
                continue
            try:
                packed = _REMOVED if record.value is None else pack(record.value)
            except (NotWritten, ValueError) as error:
                where = f"{record.topic.value}-{shard}, offset {record.offset}"
                raise FatallyBroken(f"{where}: not what a worker writes") from error
            arguments += (record.key, packed)
            if not are_stocks:
                arguments.append(record.timestamp_ms)
        script = "restore_stocks" if are_stocks else "restore_reservations"
        return self._calls.script(script, shard, epoch, *arguments)

    def finish(self, shard: int, epoch: int, step: int) -> StepRefused | None:
        """End the restoring: the shard is at a step, and published up to there."""
        return _refusal(self._calls.run("finish_restoring", shard, epoch, step))

    def demand(self, shard: int, epoch: int, reason: str) -> bool:
        """Have the shard's owner rebuild it and log why; False: it is in another epoch by now."""
        return bool(self._calls.run("demand_rebuild", shard, epoch, reason))


def _refusal(reply: Reply) -> StepRefused | None:
    return refused(reply) if reply[0] == 0 else None
