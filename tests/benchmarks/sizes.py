"""How many bytes a fact moves: ``python -m tests.benchmarks.sizes``.

No clock is looked at, so any machine gives the same: a seeded day goes through a real Valkey step
by step, without Kafka; the bytes of records are those of keys, values and headers, uncompressed and
without framing.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis

from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.store import RedisStore
from reservation_worker.benchmark import mix
from reservation_worker.composition import build_clock
from reservation_worker.contracts.decode import Decoder, DecoderConfig
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.records import Record
from reservation_worker.domain.facts import InputFact
from reservation_worker.domain.keys import shard_of
from reservation_worker.embedded.valkey import EmbeddedValkey
from reservation_worker.ports import ShardStep, StepRefused, StepReply

SHARDS_TOTAL = 16
ENTRIES_MAX = 100


@dataclass(slots=True)
class Totals:
    """What was counted."""

    facts: int = 0
    input_bytes: int = 0
    output_records: int = 0
    output_bytes: int = 0


class Day:
    """A day's facts on their way through the store."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._epochs = {shard: self._claimed(shard) for shard in range(SHARDS_TOTAL)}
        self._published: dict[int, int] = defaultdict(int)
        self.totals = Totals()

    def pass_on(self, facts_per_step: int, messages: Iterator[mix.Message]) -> None:
        """Apply facts as steps of so many, and read and trim what they are to publish."""
        waiting: dict[int, list[InputFact]] = defaultdict(list)
        for fact in self._facts(messages):
            shard = shard_of(fact.account, SHARDS_TOTAL)
            waiting[shard].append(fact)
            if len(waiting[shard]) == facts_per_step:
                self._step(shard, waiting.pop(shard))
        for shard, facts in waiting.items():
            self._step(shard, facts)

    def _facts(self, messages: Iterator[mix.Message]) -> Iterator[InputFact]:
        decoder = Decoder(DecoderConfig(topics={kind.value: kind for kind in FactKind}))
        now_ms = build_clock().now_ms()
        for offset, message in enumerate(messages):
            record = Record(message.topic, 0, offset, now_ms, None, message.value, ())
            fact = decoder.decode(record, now_ms)
            assert not hasattr(fact, "code"), fact
            self.totals.facts += 1
            self.totals.input_bytes += len(message.value)
            yield fact

    def _claimed(self, shard: int) -> int:
        epoch = build_clock().now_ms()
        assert self._store.claim(shard, self._store.inspect(shard), epoch)
        return epoch

    def _step(self, shard: int, facts: list[InputFact]) -> None:
        epoch = self._epochs[shard]
        while facts:
            reply = self._store.step(shard, epoch, facts)
            assert isinstance(reply, StepReply), reply
            facts = facts[len(reply.outcomes) :]
        self._publish(ShardStep(shard, epoch, self._published[shard]))

    def _publish(self, after: ShardStep) -> None:
        (entries,) = self._store.read_outbox([after], ENTRIES_MAX)
        assert not isinstance(entries, StepRefused), entries
        for record in (one for entry in entries for one in entry.records):
            headers = sum(len(name) + len(text) for name, text in record.headers)
            self.totals.output_records += 1
            self.totals.output_bytes += len(record.key) + len(record.value or b"") + headers
        if entries:
            last = entries[-1].step
            self._store.mark_published([ShardStep(after.shard, after.epoch, last)])
            self._published[after.shard] = last


def main() -> None:
    """Print the figures as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--accounts", type=int, default=8)
    parser.add_argument("--facts-per-step", type=int, default=300)
    arguments = parser.parse_args()
    now, shops = datetime.now(UTC), mix.Shops(arguments.accounts, "sizes")
    with (
        TemporaryDirectory() as directory,
        EmbeddedValkey(Path(directory)) as valkey,
        Redis.from_url(valkey.url) as client,
    ):
        store = RedisStore(client, StoreConfig(), build_clock())
        day = Day(store)
        day.pass_on(arguments.facts_per_step, mix.balances(shops, now))
        before, day.totals = _server_bytes(client), Totals()
        day.pass_on(arguments.facts_per_step, mix.day(shops, arguments.orders, now, 1))
        after = _server_bytes(client)
    totals = day.totals
    print(
        json.dumps(
            {
                **vars(arguments),
                "facts": totals.facts,
                "facts_per_order": round(totals.facts / arguments.orders, 2),
                "input_bytes_per_fact": round(totals.input_bytes / totals.facts),
                "output_records_per_fact": round(totals.output_records / totals.facts, 2),
                "output_bytes_per_fact": round(totals.output_bytes / totals.facts),
                **{
                    f"redis_{name}_bytes_per_fact": round(
                        (after[name] - before[name]) / totals.facts
                    )
                    for name in after
                },
            }
        )
    )


def _server_bytes(client: Redis) -> dict[str, int]:
    stats, persistence = client.info("stats"), client.info("persistence")
    return {
        "received": int(stats["total_net_input_bytes"]),
        "sent": int(stats["total_net_output_bytes"]),
        "logged": int(persistence["aof_current_size"]),
    }


if __name__ == "__main__":
    main()
