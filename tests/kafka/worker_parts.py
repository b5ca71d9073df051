"""One worker's loops on a real Kafka and a store in memory, turned by the test itself."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from reservation_worker.adapters.in_memory.restoring import InMemoryRestoring
from reservation_worker.adapters.in_memory.store import InMemoryStore
from reservation_worker.adapters.kafka.configuration import KafkaConfig
from reservation_worker.adapters.kafka.input_log import InputLogParts, KafkaInputLog
from reservation_worker.adapters.kafka.outputs import KafkaOutputs
from reservation_worker.adapters.kafka.payment_offsets import KafkaPaymentOffsets
from reservation_worker.adapters.kafka.shard_group import KafkaShardGroup, ShardsTopic
from reservation_worker.adapters.kafka.transactions import KafkaTransactions, TransactionsParts
from reservation_worker.apply import ApplyConfig
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.deadlines import DeadlinesConfig
from reservation_worker.ports import Clock, Waypoint
from reservation_worker.publish import PublishConfig
from reservation_worker.recovery import RebuildConfig
from reservation_worker.telemetry.metrics import Metrics
from reservation_worker.worker import OwnerConfig
from tests.clocks import MachineClock
from tests.kafka.shop_topics import SHARDS_TOTAL, ShopTopics
from tests.loops.assembly import Clients, Loops, Setting, build_loops, no_waypoint


@dataclass(slots=True)
class KafkaWorker:
    """Everything of one worker that tests look at."""

    topics: ShopTopics
    config: KafkaConfig
    store: InMemoryStore
    waypoint: Callable[[Waypoint], None] = no_waypoint
    clock: Clock = field(default_factory=MachineClock)
    clients: Clients = field(init=False)
    loops: Loops = field(init=False)

    def __post_init__(self) -> None:
        """Build the loops; the groups are joined by turning them."""
        self.clients = self._clients()
        self.loops = build_loops(
            self.clients,
            Setting(
                shards_total=SHARDS_TOTAL,
                clock=self.clock,
                kinds={self.topics.name(kind): kind for kind in FactKind},
                apply=ApplyConfig(
                    shards_total=SHARDS_TOTAL, idle_poll_timeout_ms=5, commit_interval_ms=20
                ),
                owner=OwnerConfig(),
                deadlines=DeadlinesConfig(grace_ms=0),
                publish=PublishConfig(),
                rebuild=RebuildConfig(),
                waypoint=self.waypoint,
            ),
        )

    def turn(self) -> None:
        """Turn both loops once."""
        self.loops.apply.turn()
        self.loops.owner.turn()

    def turn_until(self, condition: Callable[[], bool], what: str) -> None:
        """Turn both loops until a condition holds."""
        turn_until(self.turn, condition, what)

    def drain(self) -> None:
        """End in an orderly way."""
        self.loops.apply.drain()
        self.turn_until(lambda: self.loops.apply.idle, "everything read is committed")
        self.close()

    def close(self) -> None:
        """Leave the groups with whatever is unfinished."""
        self.loops.apply.close()
        self.loops.owner.close()

    def _clients(self) -> Clients:
        layout = self.topics.layout
        # The loops have metrics of their own; those of the clients interest no test.
        metrics = Metrics(CollectorRegistry())
        return Clients(
            log=KafkaInputLog(
                self.config,
                InputLogParts(
                    layout.inputs, layout.dead_letter, self.clock, metrics, self.waypoint
                ),
            ),
            group=KafkaShardGroup(
                self.config, ShardsTopic(layout.shards, SHARDS_TOTAL), self.clock, metrics
            ),
            transactions=KafkaTransactions(
                self.config,
                TransactionsParts(
                    layout.shards, self.topics.output_names, self.clock, self.waypoint
                ),
            ),
            outputs=KafkaOutputs(self.config, self.topics.output_names, self.clock),
            payments=KafkaPaymentOffsets(self.config, self.topics.name("payment-approved")),
            store=self.store,
            restoring=InMemoryRestoring(self.store),
        )


def turn_until(
    turn: Callable[[], None], condition: Callable[[], bool], what: str, timeout_ms: int = 180_000
) -> None:
    """Turn something until a condition holds; fail, saying `what`, once the time is over."""
    deadline = time.monotonic() + timeout_ms / 1000
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_ms} ms: {what}"
        turn()
