"""A shop's world on real servers: topics, a Valkey, workers, and the auditor's verdict."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

import redis

from reservation_worker.audit.judge import judge
from reservation_worker.audit.topics import AuditConfig
from reservation_worker.audit.verdict import Verdict
from reservation_worker.composition import build_clock
from reservation_worker.contracts.decode import AccountPolicy, Decoder, DecoderConfig
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.records import OutputTopic, Record
from reservation_worker.domain.keys import shard_of
from reservation_worker.embedded.valkey import EmbeddedValkey
from reservation_worker.ports import Partition
from reservation_worker.settings.model import ENVIRONMENT_PREFIX
from reservation_worker.worker import Role
from tests.integration import shop
from tests.integration.processes import WorkerProcess
from tests.integration.shop import SHORT_SECONDS
from tests.integration.topics import (
    DEAD_LETTER,
    OUTPUT_NAMES,
    Cluster,
    Message,
    Place,
    Topics,
)
from tests.integration.worker_process import Fate
from tests.reader import Reader
from tests.waiting import wait_until

SETTLE_TIMEOUT_MS = 60_000
ORDERS_EACH = 40
GRACE_SECONDS = 1
EXPIRY_DELAY_MAX_MS = 180_000
"""A machine under load may be late; the tests of deadlines look closer."""
REFUNDING_ACCOUNT = "refunding"
RECORD_BYTES_MAX = 600_000
QUICK_SETTINGS = {
    "RESERVATION_HTTP__PORT": "0",
    "RESERVATION_INPUT__RECORD_BYTES_MAX": str(RECORD_BYTES_MAX),
    # So long does a group wait for a member that was killed.
    "RESERVATION_KAFKA__SESSION_TIMEOUT_MS": "2000",
    # And so long do readers wait for its transaction.
    "RESERVATION_KAFKA__TRANSACTION_TIMEOUT_MS": "4000",
    "RESERVATION_EXPIRY__GRACE_SECONDS": str(GRACE_SECONDS),
    "RESERVATION_EXPIRY__SAMPLE_INTERVAL_MS": "200",
    "RESERVATION_EXPIRY__SCAN_INTERVAL_MS": "50",
    "RESERVATION_PUBLISH__RETRY_HELD_INTERVAL_MS": "500",
    # Small bites, so that a short load passes every waypoint many times.
    "RESERVATION_APPLY__RECORDS_PER_POLL_MAX": "40",
    "RESERVATION_APPLY__FACTS_PER_STEP_MAX": "10",
    "RESERVATION_APPLY__COMMIT_INTERVAL_MS": "20",
    "RESERVATION_PUBLISH__ENTRIES_PER_SHARD_MAX": "2",
    "RESERVATION_EXPIRY__FACTS_PER_LOOK_MAX": "5",
    "RESERVATION_ACCOUNTS": f'{{"{REFUNDING_ACCOUNT}": {{"late_payment": "refund"}}}}',
}


class Stage:
    """Topics and a group of their own, with what a test does to them."""

    def __init__(
        self,
        bootstrap_servers: str,
        valkey: EmbeddedValkey,
        directory: Path,
        topics: Topics,
        settings: Mapping[str, str],
    ) -> None:
        """Create the topics."""
        self.cluster = Cluster(bootstrap_servers)
        self.valkey = valkey
        self._steps_before_sending = 0
        self.connect: Callable[[], Any] = lambda: _client_of(self.valkey)
        """A test that puts something else in the place of the Valkey says how to reach it."""
        self.topics = topics
        self.group_id = f"worker{topics.suffix}"
        self.clock = build_clock()
        self._directory = directory
        self._workers: list[WorkerProcess] = []
        self._reader: Reader | None = None
        self._environment = {
            **os.environ,
            **QUICK_SETTINGS,
            **topics.settings,
            "RESERVATION_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers,
            "RESERVATION_KAFKA__GROUP_ID": self.group_id,
            "RESERVATION_REDIS__URL": valkey.url,
            **settings,
        }
        self.cluster.create(topics)

    @property
    def variables(self) -> dict[str, str]:
        """The settings of its workers, for another command."""
        return {
            name: value
            for name, value in self._environment.items()
            if name.startswith(ENVIRONMENT_PREFIX)
        }

    @property
    def shards_group_id(self) -> str:
        """The group of the shards' owners."""
        return f"{self.group_id}-shards"

    def start(
        self,
        slot: str = "one",
        *,
        role: Role = Role.ALL,
        fate: Fate | None = None,
        settings: Mapping[str, str] | None = None,
        is_checked: bool = True,
        clock_offset_ms: int = 0,
    ) -> WorkerProcess:
        """Start a worker."""
        name = f"worker-{len(self._workers) + 1}-{slot}.log"
        worker = WorkerProcess(
            {**self._environment, "RESERVATION_WORKER_SLOT": slot, **(settings or {})},
            self._directory / name,
            role=role,
            fate=fate,
            is_checked=is_checked,
            clock_offset_ms=clock_offset_ms,
        )
        self._workers.append(worker)
        return worker

    def open_shop(self, slot: str = "one", accounts: Iterable[str] | None = None) -> WorkerProcess:
        """Start a worker, and let it know all stocks: else it would deny what comes first."""
        counted = self.accounts() if accounts is None else tuple(accounts)
        self.send(shop.balances(self.clock.now_ms(), counted))
        worker = self.start(slot)
        worker.wait_until_ready()
        self.wait_until_settled()
        return worker

    def send(self, messages: Iterable[Message]) -> list[Place]:
        """Send records to the input topics; return where they stand."""
        with suppress(redis.RedisError, redis.RedisClusterException):
            # While Redis is away, nothing more is published anyway.
            self._steps_before_sending = self._published_steps()
        return self.cluster.send(self.topics, messages)

    def sell(self, number: int, name: str) -> None:
        """Send some of a day's traffic, to every account."""
        now_ms = self.clock.now_ms()
        self.send(shop.traffic(number, now_ms, self.accounts(), ORDERS_EACH, name))

    def accounts(self) -> tuple[str, ...]:
        """Return one account for each shard, in the order of shards."""
        found: dict[int, str] = {}
        number = 0
        while len(found) < self.topics.shards_total:
            number += 1
            account = f"shop-{number}"
            found.setdefault(shard_of(account, self.topics.shards_total), account)
        return tuple(found[shard] for shard in sorted(found))

    def wait_until_settled(self, timeout_ms: int = SETTLE_TIMEOUT_MS) -> None:
        """Wait until all input is committed, and nothing is left to publish or to state."""
        missing = "nothing was looked at"

        def settled() -> bool:
            nonlocal missing
            missing = self._what_is_left()
            return not missing

        try:
            wait_until(settled, timeout_ms=timeout_ms, what="everything is settled")
        except AssertionError as error:
            raise AssertionError(f"{error}: {missing}\n{self.last_words()}") from error

    def wait_until_time(self, at_ms: int) -> None:
        """Wait until a moment has passed."""
        wait_until(
            lambda: self.clock.now_ms() > at_ms,
            timeout_ms=SETTLE_TIMEOUT_MS,
            what="time passes",
        )

    def wait_until_something_is_published(self) -> None:
        """Wait until some of what was sent last is published."""
        wait_until(
            lambda: self._published_steps() > self._steps_before_sending,
            timeout_ms=SETTLE_TIMEOUT_MS,
            what="something is published",
        )

    def wait_until_shared_by(self, workers: int) -> None:
        """Wait until each of so many workers holds input partitions and shards."""

        def is_shared() -> bool:
            return all(
                workers == self.cluster.busy_members(group_id)
                for group_id in (self.group_id, self.shards_group_id)
            )

        wait_until(
            is_shared,
            timeout_ms=SETTLE_TIMEOUT_MS,
            what=f"{workers} workers share the work\n{self.last_words()}",
        )

    def committed_offsets(self) -> dict[Partition, int]:
        """Return what the appliers' group has committed."""
        return self.cluster.committed_offsets(self.group_id, self.topics.inputs)

    def unpublished_shards(self) -> list[int]:
        """Return the shards with something left to publish."""
        with self.redis() as client:
            return [
                shard
                for shard in range(self.topics.shards_total)
                for step, published in [client.hmget(_meta_key(shard), ["step", "published"])]
                if step != published
            ]

    def redis(self) -> redis.Redis:
        """Connect to the stage's Redis; to be used in a `with` block."""
        client: redis.Redis = self.connect()
        return client

    def empty_redis(self) -> None:
        """Lose everything that Redis has, while it runs."""
        with self.redis() as client:
            client.flushall()

    def _published_steps(self) -> int:
        with self.redis() as client:
            return sum(
                int(client.hget(_meta_key(shard), "published") or 0)
                for shard in range(self.topics.shards_total)
            )

    def last_words(self) -> str:
        """Return the end of each worker's log, for a failure."""
        return "\n".join(
            f"--- {worker.log_path.name}\n{worker.log_path.read_text('utf-8')[-1_500:]}"
            for worker in self._workers[-3:]
        )

    def inputs(self) -> list[Record]:
        """Return all input records."""
        return self.cluster.read(self.topics.inputs)

    def watch(self) -> Reader:
        """Begin to read all events and dead letters; one reader for the whole test."""
        if self._reader is None:
            self._reader = Reader(self.cluster.bootstrap_servers, self.topics.outputs)
        return self._reader

    def bodies(self, default_name: str) -> list[dict[str, Any]]:
        """Return the events that stand in an output topic by now."""
        name = self.topics.name(default_name)
        return [
            json.loads(record.value or b"")
            for record in self.watch().read_to_the_end()
            if record.topic == name
        ]

    def outputs(self) -> list[Record]:
        """Return all events and dead letters, as a `read_committed` reader sees them."""
        return self.cluster.read(self.topics.outputs)

    def verdict(self) -> Verdict:
        """Ask the auditor, who sees the topics and nothing else."""
        decoder = Decoder(
            DecoderConfig(
                topics={self.topics.name(kind.value): kind for kind in FactKind},
                accounts={REFUNDING_ACCOUNT: AccountPolicy(reacquire=False)},
                record_bytes_max=RECORD_BYTES_MAX,
                longest_period_ms=self._longest_period_ms(),
            )
        )
        config = AuditConfig(
            shards_total=self.topics.shards_total,
            output_topics={self.topics.name(name): OutputTopic(name) for name in OUTPUT_NAMES},
            dead_letter_topic=self.topics.name(DEAD_LETTER),
            grace_ms=GRACE_SECONDS * 1_000,
            audited_at_ms=self.clock.now_ms(),
            expiry_delay_max_ms=EXPIRY_DELAY_MAX_MS,
            settled_entries_max=100,
            over_retention_ms=self._retention_ms("OVER"),
            awaiting_retention_ms=self._retention_ms("AWAITING"),
        )
        return judge(self.inputs(), self.outputs(), decoder, config)

    def _longest_period_ms(self) -> int:
        days = self._environment.get("RESERVATION_INPUT__LONGEST_PERIOD_DAYS", "400")
        return int(days) * 86_400_000

    def _retention_ms(self, name: str) -> int:
        seconds = self._environment.get(f"RESERVATION_RETENTION__{name}_SECONDS", "0")
        return int(seconds) * 1_000

    def assert_nothing_violated(self) -> Verdict:
        """Ask the auditor, and fail with what was violated."""
        verdict = self.verdict()
        violations = [
            f"{law.law} {law.title}: {example}" for law in verdict.laws for example in law.examples
        ]
        assert not any(law.violations for law in verdict.laws), "\n".join(
            [*violations, self.last_words()]
        )
        return verdict

    def assert_every_law_holds(self) -> None:
        """Ask the auditor, who must have had something to check for every law."""
        unchecked = [law.title for law in self.assert_nothing_violated().laws if not law.checked]
        assert [] == unchecked

    def close(self) -> None:
        """End what still runs."""
        if self._reader is not None:
            self._reader.close()
        for worker in self._workers:
            if worker.runs:
                worker.kill()

    def _what_is_left(self) -> str:
        ends = self.cluster.end_offsets(self.topics.inputs)
        committed = self.committed_offsets()
        lag = {
            partition: (committed.get(partition), end)
            for partition, end in ends.items()
            if committed.get(partition, 0) < end
        }
        if lag:
            return f"committed, end: {lag}"
        with self.redis() as client:
            for shard in range(self.topics.shards_total):
                left = _left_of_shard(client, shard, self.clock.now_ms())
                if left:
                    return left
        return ""


def deadlines_of(now_ms: int) -> int:
    """Return when the last short deadline of a load, and its grace, have passed."""
    return now_ms + (SHORT_SECONDS + GRACE_SECONDS) * 1_000


def _left_of_shard(client: redis.Redis, shard: int, now_ms: int) -> str:
    prefix = f"{{s{shard}}}:"
    step, published = client.hmget(_meta_key(shard), ["step", "published"])
    if step != published:
        return f"shard {shard} is published up to {published!r} of {step!r}"
    settlements = int(client.zcard(f"{prefix}settle"))
    deadlines = int(client.zcount(f"{prefix}due", 0, now_ms - GRACE_SECONDS * 1_000))
    if settlements or deadlines:
        return f"shard {shard} has {settlements} settlements and {deadlines} deadlines due"
    return ""


def _client_of(valkey: EmbeddedValkey) -> redis.Redis:
    return redis.Redis.from_url(valkey.url, decode_responses=True)


def _meta_key(shard: int) -> str:
    return f"{{s{shard}}}:meta"


@contextmanager
def open_stage(
    bootstrap_servers: str,
    directory: Path,
    name: str,
    *,
    shards_total: int = 4,
    input_partitions: int = 2,
    settings: Mapping[str, str] | None = None,
    valkey_lines: Sequence[str] = (),
) -> Iterator[Stage]:
    """Open a stage with a Valkey of its own; at its end nothing runs any more."""
    topics = Topics(f"-{name}-{token_hex(4)}", shards_total, input_partitions)
    with EmbeddedValkey(directory / "valkey", append_fsync="always", lines=valkey_lines) as valkey:
        stage = Stage(bootstrap_servers, valkey, directory, topics, settings or {})
        try:
            yield stage
        finally:
            stage.close()
