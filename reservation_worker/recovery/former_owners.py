"""What a dead owner has left open is ended by the one that comes after it.

Positions are read only behind all transactions, so a successor would wait for as long as the
brokers keep the transaction of a producer that is gone: its time-out and ten seconds more. A
producer that takes the dead one's name ends it at once. If the former owner lives after all, it is
refused from then on, takes its shards over anew, and has lost nothing.
"""

from collections.abc import Sequence
from typing import Final

import structlog

from reservation_worker.contracts.records import OutputRecord
from reservation_worker.ports import Clock, ShardMoves, Store, Transactions
from reservation_worker.telemetry.log_events import FORMER_OWNER_FENCED

AGAIN_AFTER_MS: Final = 30_000
"""Not sooner is the same producer ended once more: by then the brokers have done it themselves."""


class FormerOwners:
    """Ends the transactions of those who owned shards before, where they stand in the way."""

    def __init__(
        self, store: Store[OutputRecord], transactions: Transactions[OutputRecord], clock: Clock
    ) -> None:
        self._store = store
        self._transactions = transactions
        self._now_ms = clock.monotonic_ms
        self._ended_at_ms: dict[str, int] = {}
        self._logger = structlog.get_logger()

    def end(self, shards: Sequence[int]) -> bool:
        """End what the last owners of shards whose positions are not to be had have left open.

        Returns whether there was anybody whose transaction may have been in the way.

        Raises:
            StoreUnavailable: who they are is not known.
            BrokerUnavailable: Kafka does not answer.
        """
        now_ms, has_ended = self._now_ms(), False
        for producer in sorted({self._producer(shard) for shard in shards}):
            ended_at_ms = self._ended_at_ms.get(producer, now_ms - AGAIN_AFTER_MS)
            is_other = producer not in {"", self._transactions.producer}
            if is_other and now_ms - ended_at_ms >= AGAIN_AFTER_MS:
                self._ended_at_ms[producer] = now_ms
                self._transactions.end_of(producer)
                self._logger.warning(FORMER_OWNER_FENCED, producer=producer)
                has_ended = True
        return has_ended

    def _producer(self, shard: int) -> str:
        try:
            return self._store.inspect(shard).producer
        except ShardMoves:
            return ""
