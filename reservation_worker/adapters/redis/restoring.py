"""`Restoring` on Redis or Valkey: drops the keys of a shard, and writes them anew."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from reservation_worker.adapters.redis.calls import Argument, Call, Calls, Client
from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.pipeline import Reply
from reservation_worker.adapters.redis.published import (
    pack_change,
    pack_published_stock,
)
from reservation_worker.adapters.redis.records import refused
from reservation_worker.adapters.redis.scripts import Script
from reservation_worker.adapters.redis.servers import Servers
from reservation_worker.contracts.records import OutputTopic, PublishedRecord
from reservation_worker.contracts.written import NotWritten
from reservation_worker.ports import FatallyBroken, ShardState, StepRefusal, StepRefused, Turn

RECORDS_PER_CALL: Final = 200
"""Redis writes so many while the next ones are packed."""
_REMOVED: Final = b""


class RedisRestoring:
    """Every call names epoch and number; what it writes is packed as the steps pack it."""

    def __init__(
        self,
        client: Client,
        config: StoreConfig,
        scripts: Mapping[str, Script] | None = None,
    ) -> None:
        """Use the package's own scripts unless others are given."""
        self._producer = config.producer
        self._calls = Calls(client, config, scripts)
        # Before each rebuild: it would lose again what is restored on an unfit server.
        self._servers = Servers(
            client,
            lambda: 0,
            persistence_required=config.persistence_required,
            look_interval_ms=0,
        )

    def begin(self, shard: int, inspected: ShardState, epoch: int) -> bool:
        """Mark the shard if ``meta`` still says what was inspected; never over a newer epoch."""
        self._servers.check()
        return bool(
            self._calls.run(
                "begin_restoring",
                shard,
                *(epoch, inspected.epoch, inspected.step),
                *(inspected.verified_server, inspected.server, self._producer),
            )
        )

    def keys(self, shard: int, cursor: int) -> tuple[int, Sequence[bytes]]:
        """Return where to go on (0: nowhere), and some of the shard's keys."""
        return self._calls.scan(shard, cursor)

    def drop(self, turn: Turn, keys: Sequence[bytes]) -> int | StepRefused:
        """Remove these keys; returns the number of the next call."""
        reply = self._calls.run("drop", turn.shard, turn.epoch, turn.number, *keys)
        return _refusal(reply) or turn.number + 1

    def restore(self, turn: Turn, records: Sequence[PublishedRecord]) -> int | StepRefused:
        """Write stocks, or reservations after all stocks: each at most once, as of its record.

        Returns the number of the next call: Redis runs one while the next one is packed.

        Raises:
            FatallyBroken: a record cannot be understood.
        """
        assert len({record.topic for record in records}) == 1, "stocks first, then reservations"
        some_at_a_time = [
            records[first : first + RECORDS_PER_CALL]
            for first in range(0, len(records), RECORDS_PER_CALL)
        ]
        calls = (
            self._restoring_call(replace(turn, number=number), some)
            for number, some in enumerate(some_at_a_time, turn.number)
        )
        refusal = _first_refusal(self._calls.send_as_made(calls))
        if refusal is not None and refusal.reason is StepRefusal.TURN:
            # One that could not be run as it came was called once more, behind those that follow.
            for number, some in enumerate(some_at_a_time, turn.number):
                call = self._restoring_call(replace(turn, number=number), some)
                refusal = _refusal(self._calls.call(call))
                if refusal is not None:
                    break
        return refusal or turn.number + len(some_at_a_time)

    def _restoring_call(self, turn: Turn, records: Sequence[PublishedRecord]) -> Call:
        are_stocks = records[0].topic is OutputTopic.STOCK_CHANGED
        arguments: list[Argument] = []
        for record in records:
            if record.value is None:
                if not are_stocks:
                    arguments += (record.key, _REMOVED, record.timestamp_ms)
                continue
            try:
                if are_stocks:
                    arguments += (record.key, pack_published_stock(record.value))
                else:
                    arguments += (record.key, *pack_change(record.value, record.timestamp_ms))
            except (NotWritten, ValueError) as error:
                where = f"{record.topic.value}-{turn.shard}, offset {record.offset}"
                raise FatallyBroken(f"{where}: not what a worker writes") from error
        script = "restore_stocks" if are_stocks else "restore_reservations"
        return self._calls.script(script, turn.shard, turn.epoch, turn.number, *arguments)

    def finish(self, turn: Turn, step: int) -> StepRefused | None:
        """End the restoring: the shard is at a step, and published up to there."""
        reply = self._calls.run("finish_restoring", turn.shard, turn.epoch, turn.number, step)
        return _refusal(reply)

    def demand(
        self, shard: int, inspected: ShardState, reason: str, *, adopts: bool = False
    ) -> bool:
        """Have the shard's owner rebuild it and log why; False: it is in another epoch by now.

        Where it adopts, a shard of another deployment is this one's from now on, and so are the
        records that are published of it, whatever source they name.
        """
        arguments = (inspected.epoch, reason, int(adopts), inspected.foreign)
        return bool(self._calls.run("demand_rebuild", shard, *arguments))


def _first_refusal(replies: Sequence[Reply]) -> StepRefused | None:
    return next((refusal for reply in replies if (refusal := _refusal(reply))), None)


def _refusal(reply: Reply) -> StepRefused | None:
    return refused(reply) if reply[0] == 0 else None
