"""A shop of two accounts on the doubles: written by tests, turned to the end, looked at."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping

from reservation_worker.adapters.in_memory.broker import InMemoryBroker
from reservation_worker.adapters.in_memory.log import (
    InMemoryCountOffsets,
    InMemoryInputLog,
    InMemoryOutputs,
    InMemoryPaymentOffsets,
    InMemoryShardGroup,
    InMemoryTransactions,
)
from reservation_worker.adapters.in_memory.restoring import InMemoryRestoring
from reservation_worker.adapters.in_memory.shard import SavedShards
from reservation_worker.adapters.in_memory.store import InMemoryStore
from reservation_worker.apply import ApplyConfig
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.records import OutputTopic
from reservation_worker.deadlines import DeadlinesConfig, RetentionConfig
from reservation_worker.domain.keys import shard_of
from reservation_worker.ports import Clock, CountOffsets, Waypoint
from reservation_worker.publish import PublishConfig
from reservation_worker.recovery import RebuildConfig
from reservation_worker.worker import OwnerConfig
from tests.clocks import MachineClock, StandingClock
from tests.loops.assembly import Clients, Loops, Setting, build_loops, no_waypoint

SHARDS_TOTAL = 4
TURNS_MAX = 500
TURN_MS = 50
"""Time that passes from one turn to the next."""
STARTED_AT_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""

Body = dict[str, object]


class SmallShop:
    """Topics, a store, and workers that come and go."""

    def __init__(self, machine_clock: MachineClock | None = None) -> None:
        self.clock = StandingClock(STARTED_AT_MS)
        self._worker_clock: Clock = machine_clock or self.clock
        self.broker = InMemoryBroker(dict.fromkeys(FactKind, 2), SHARDS_TOTAL, self._worker_clock)
        self.store = InMemoryStore(self._worker_clock)
        self.apply_config = ApplyConfig(
            shards_total=SHARDS_TOTAL, records_per_poll_max=5, facts_per_step_max=3
        )
        self.deadlines = DeadlinesConfig(grace_ms=1_000)
        self.publish = PublishConfig(entries_per_shard_max=2)
        self.retention: RetentionConfig | None = RetentionConfig()
        self.counts: CountOffsets = InMemoryCountOffsets(self.broker, FactKind.INVENTORY_UPDATED)
        self._workers_total = 0
        self._losses_total = 0

    def start(self, waypoint: Callable[[Waypoint], None] = no_waypoint) -> Loops:
        """Start a worker; the loops join their groups when they turn."""
        self._workers_total += 1
        member_id = f"worker-{self._workers_total}"
        return build_loops(
            Clients(
                log=InMemoryInputLog(self.broker, member_id, waypoint),
                group=InMemoryShardGroup(self.broker, member_id),
                transactions=InMemoryTransactions(self.broker, waypoint),
                outputs=InMemoryOutputs(self.broker),
                counts=self.counts,
                payments=InMemoryPaymentOffsets(self.broker, FactKind.PAYMENT_APPROVED),
                store=self.store,
                restoring=InMemoryRestoring(self.store),
            ),
            Setting(
                shards_total=SHARDS_TOTAL,
                clock=self._worker_clock,
                kinds={kind.value: kind for kind in FactKind},
                apply=self.apply_config,
                owner=OwnerConfig(
                    scan_interval_ms=TURN_MS,
                    retention_scan_interval_ms=TURN_MS,
                    retry_interval_ms=TURN_MS,
                ),
                deadlines=self.deadlines,
                retention=self.retention,
                publish=self.publish,
                rebuild=RebuildConfig(records_per_read_max=3, records_per_write_max=2),
                waypoint=waypoint,
            ),
        )

    def lose_everything(self) -> None:
        """Let the store come back as another server, with nothing on its disk."""
        self._losses_total += 1
        self.store.become(f"server-{self._losses_total}/empty/0", SavedShards({}))

    def tear(self, account: str) -> None:
        """Leave the mark of a step of an account's shard that was cut off in the middle."""
        self.store.tear(shard_of(account, SHARDS_TOTAL))

    def lose_outbox(self, account: str) -> None:
        """Take what must be published next of an account's shard out of its outbox."""
        shard = shard_of(account, SHARDS_TOTAL)
        held = self.store.held(shard)
        assert held.step > held.published, "nothing waits to be published"
        self.store.lose_entry(shard, held.published + 1)

    def contents(self) -> list[object]:
        """Return what the store holds of every shard, but for epochs and outboxes."""
        return [
            (one.step, one.torn, one.stocks, one.stock_versions, one.reservations, one.settlements)
            for one in (self.store.held(shard) for shard in range(SHARDS_TOTAL))
        ]

    def bury(self) -> None:
        """Let the groups notice that every worker so far is gone."""
        for number in range(1, self._workers_total + 1):
            self.broker.apply_group.leave(f"worker-{number}")
            self.broker.shard_group.leave(f"worker-{number}")

    def turn(self, *workers: Loops) -> None:
        """Turn all loops of workers once, and let time pass."""
        for worker in workers:
            worker.apply.turn()
            worker.owner.turn()
            worker.frontier.advance()
        self.clock.advance(TURN_MS)

    def turn_until(self, condition: Callable[[], bool], what: str, *workers: Loops) -> None:
        """Turn workers until a condition holds."""
        for _ in range(TURNS_MAX):
            if condition():
                return
            self.turn(*workers)
        raise AssertionError(f"not within {TURNS_MAX} turns: {what}")

    def finish(self, *workers: Loops) -> None:
        """Turn workers until all input is committed."""
        self.turn_until(lambda: self.is_committed, "all input is committed", *workers)

    @property
    def is_committed(self) -> bool:
        """Whether every input partition is committed to its end."""
        return all(
            self.broker.committed.get(partition, -1) == len(log)
            for partition, log in self.broker.inputs.items()
        )

    def send(self, kind: FactKind, body: Mapping[str, object] | bytes, partition: int = 0) -> None:
        """Write one input record."""
        value = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.broker.append(kind, partition, value, self._worker_clock.now_ms())

    def count(
        self,
        sku: str,
        on_hand: int,
        *,
        account: str = "acme",
        at: str = "00:00",
        partition: int = 0,
    ) -> None:
        """State that a stock was counted."""
        body: Body = {"account": account, "warehouse_id": "main", "sku": sku, "on_hand": on_hand}
        body["counted_at"] = f"2026-01-01T{at}:00Z"
        self.send(FactKind.INVENTORY_UPDATED, body, partition)

    def order(
        self, order_id: str, sku: str, *, account: str = "acme", ttl_seconds: int = 3_600
    ) -> None:
        """State that an order of two units was completed."""
        line = {"line_id": "1", "warehouse_id": "main", "sku": sku, "quantity": 2}
        body = {"account": account, "order_id": order_id, "lines": [line]}
        self.send(
            FactKind.ORDER_COMPLETED,
            {
                **body,
                "completed_at": "2026-01-01T00:00:00Z",
                "reservation_ttl_seconds": ttl_seconds,
            },
        )

    def pay(self, order_id: str, *, account: str = "acme", partition: int = 0) -> None:
        """State that an order was paid."""
        body = {"account": account, "order_id": order_id, "approved_at": "2026-01-01T00:00:01Z"}
        self.send(FactKind.PAYMENT_APPROVED, body, partition)

    def invoice(self, order_id: str, *, account: str = "acme") -> None:
        """State that all of an order was handed to delivery."""
        body = {"account": account, "order_id": order_id, "invoiced_at": "2026-01-01T00:00:01Z"}
        self.send(FactKind.ORDER_INVOICED, body)

    def bodies(self, topic: OutputTopic) -> list[Body]:
        """Return what is published on a topic, in order."""
        return [
            json.loads(record.value)
            for record in self.broker.outputs
            if record.topic is topic and record.value is not None
        ]

    def changes(self) -> dict[str, list[Body]]:
        """Return the published changes of each order, in order."""
        changes: dict[str, list[Body]] = defaultdict(list)
        for body in self.bodies(OutputTopic.RESERVATION_CHANGED):
            changes[f"{body['account']}/{body['order_id']}"].append(body)
        return changes

    def statuses(self) -> dict[str, object]:
        """Return the last published status of each order."""
        return {order: bodies[-1]["status"] for order, bodies in self.changes().items()}

    def fates(self) -> dict[str, str]:
        """Return the last published status of each order, and whether it has left since."""
        fates: dict[str, str] = {}
        for record in self.broker.outputs:
            if record.topic is OutputTopic.RESERVATION_CHANGED:
                order = record.key.decode()
                if record.value is None:
                    fates[order] += ", removed"
                else:
                    fates[order] = json.loads(record.value)["status"]
        return fates

    def check_order_of_publication(self) -> None:
        """Every change once, versions contiguous from 1, every event id once.

        Behind a tombstone they begin at 1 again.
        """
        versions: dict[bytes, int] = {}
        for record in self.broker.outputs:
            if record.topic is OutputTopic.RESERVATION_CHANGED:
                if record.value is None:
                    del versions[record.key]
                    continue
                version = json.loads(record.value)["version"]
                assert versions.get(record.key, 0) + 1 == version, record.key
                versions[record.key] = version
        stocks: dict[bytes, int] = {}
        for record in self.broker.outputs:
            if record.topic is OutputTopic.STOCK_CHANGED:
                version = json.loads(record.value or b"")["version"]
                assert stocks.get(record.key, 0) < version
                stocks[record.key] = version
        event_ids = [dict(record.headers)["ce_id"] for record in self.broker.outputs]
        assert len(set(event_ids)) == len(event_ids)
