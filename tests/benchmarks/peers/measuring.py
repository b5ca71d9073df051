"""Gives one contender the events of a shop's days, and counts what a subscriber sees of them."""

import json
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType
from redis import Redis

from reservation_worker.adapters.kafka.reader import TopicReader
from reservation_worker.audit.verdict import Verdict
from reservation_worker.benchmark import mix
from reservation_worker.benchmark.stage import Stage, Stalled
from reservation_worker.ports import BrokerUnavailable
from tests.benchmarks.peers.contenders import Contender, Running
from tests.benchmarks.peers.given import SHARDS_TOTAL, Given
from tests.benchmarks.peers.judging import judged, topic_reader

PROGRESS_SECONDS_MAX = 90
"""A contender that commits nothing for so long has stopped; a killed one's session and open
transaction take up to 20 s.
"""
QUIET_SECONDS = 1.5
KILL_DELAY_SECONDS_MAX = 0.05
KILLED_SESSION_TIMEOUT_MS = 6_000
"""The shortest that brokers allow: what is killed is missed soon."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What every contender is given."""

    runs: int
    warm_ups: int
    orders: int
    """Of one run of the worker; others get their share."""
    stocks: int
    accounts: int
    seed: int
    kills: int


@dataclass(frozen=True, slots=True)
class Shops(mix.Shops):
    """Shops with fewer stocks than the benchmarks' own: a slow contender counts them as well."""

    stocks_total: int

    @property
    def skus(self) -> int:
        """How many each account has."""
        return self.stocks_total // self.accounts_total


@dataclass(frozen=True, slots=True)
class Measured:
    """What one contender did."""

    orders: int
    """Of each run."""
    facts: int
    """Input records of each run, repeats included."""
    rates: tuple[float, ...]
    """Changes per second of each run, from its release to the last change's being appended."""
    undisturbed: Verdict | None
    killed: Verdict | None
    kills: int


def measure(found: Stage, contender: Contender, plan: Plan) -> Measured:
    """Measure a contender undisturbed, and let it be judged; then once more, killed in between."""
    orders = max(50, round(plan.orders * contender.orders_share))
    rates: list[float] = []
    undisturbed, killed, facts, kills = None, None, 0, 0
    if plan.runs:
        with _attempt(found, contender, plan, "undisturbed") as attempt:
            for run in range(plan.warm_ups + plan.runs):
                facts = attempt.release(orders, run)
                rate = attempt.rate()
                if run >= plan.warm_ups:
                    rates.append(rate)
        undisturbed = attempt.verdict()
    if plan.kills:
        with _attempt(found, contender, plan, "killed") as attempt:
            facts = attempt.release(orders, 0)
            kills = attempt.kill_often(plan.kills)
            attempt.rate()
        killed = attempt.verdict()
    return Measured(orders, facts, tuple(rates), undisturbed, killed, kills)


def warm_up(found: Stage, contender: Contender, plan: Plan) -> None:
    """Do one run for nothing: a cold broker would halve the rates of whoever comes first."""
    with _attempt(found, contender, plan, "warm-up") as attempt:
        attempt.release(plan.orders, 0)
        attempt.rate()
    attempt.forget()


@contextmanager
def _attempt(found: Stage, contender: Contender, plan: Plan, what: str) -> Iterator["Attempt"]:
    """Have fresh topics, a fresh group, and an empty Valkey; the topics stay to be judged."""
    timeout_ms = KILLED_SESSION_TIMEOUT_MS if what == "killed" else 45_000
    prefix = f"{contender.name}-{what}-"
    given = Given(
        bootstrap_servers=found.bootstrap_servers,
        redis_url=found.valkey.url,
        topic_prefix=prefix,
        session_timeout_ms=timeout_ms,
        state_directory=str(found.directory / prefix / "state"),
    )
    subprocess.run(
        found.command("topics", "apply", "--yes"),
        env={**found.environment, **given.environment},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    _have_the_broker_date(given)
    with Redis.from_url(found.valkey.url) as redis:
        redis.flushall()
    running = Running(found, contender, given)
    attempt = Attempt(given, running, plan)
    try:
        attempt.count_all_stocks()
        yield attempt
    finally:
        running.end()


class Attempt:
    """One contender on fresh topics."""

    def __init__(self, given: Given, running: Running, plan: Plan) -> None:
        self._given = given
        self._running = running
        self._plan = plan
        self._lag = topic_reader(given, *given.input_topics)
        self._changes = Changes(given)
        self._released_ms = 0
        self._expected = 0

    def count_all_stocks(self) -> None:
        """Send the balances, and wait until the contender has committed them."""
        shops = Shops(self._plan.accounts, "", self._plan.stocks)
        send(self._given, mix.balances(shops, datetime.now(UTC)))
        self._wait_until_committed()

    def release(self, orders: int, run: int) -> int:
        """Write a day's backlog while the contender stands still; return how many facts it has."""
        shops = Shops(self._plan.accounts, f"day{run}", self._plan.stocks)
        self._running.freeze()
        day = mix.day(shops, orders, datetime.now(UTC), self._plan.seed + run)
        self._expected = send(self._given, day)
        self._changes.count = 0
        self._released_ms = time.time_ns() // 1_000_000
        self._running.thaw()
        return self._expected

    def rate(self) -> float:
        """Wait until everything is done; return the changes per second since the release."""
        self._wait_until_committed()
        return self._changes.count / (self._changes.appended_ms - self._released_ms) * 1_000

    def kill_often(self, kills: int) -> int:
        """Kill and restart it after equal parts of what is expected; return how often.

        A moment later: right after a change is seen it would always be at the same place.
        """
        random = Random(self._plan.seed)
        for number in range(1, kills + 1):
            give_up_at = time.monotonic() + PROGRESS_SECONDS_MAX
            while self._changes.count < self._expected * number / (kills + 1):
                self._changes.read(0.01)
                if time.monotonic() > give_up_at:
                    return number - 1
            time.sleep(random.uniform(0, KILL_DELAY_SECONDS_MAX))
            self._running.kill_and_restart()
        return kills

    def verdict(self) -> Verdict:
        """Let the auditor judge all that was read and published; then remove the topics."""
        verdict = judged(self._given, time.time_ns() // 1_000_000)
        self.forget()
        return verdict

    def forget(self) -> None:
        """Remove the topics."""
        self._lag.close()
        self._changes.close()
        _delete_topics(self._given)

    def _wait_until_committed(self) -> None:
        """Wait until no input is uncommitted and no change has come for a while.

        Raises:
            Stalled: there is no progress, or the process has ended.
        """
        left, progress_at = -1, time.monotonic()
        while True:
            if self._changes.read(0.2):
                progress_at = time.monotonic()
                continue
            if time.monotonic() - self._changes.latest_at < QUIET_SECONDS:
                continue
            self._running.check()
            before, left = left, _uncommitted(self._lag)
            if left == 0:
                return
            if left != before:
                progress_at = time.monotonic()
            elif time.monotonic() - progress_at > PROGRESS_SECONDS_MAX:
                raise Stalled(f"{left} input records are not committed, and nothing happens")


class Changes:
    """Counts the changes of reservations as a subscriber sees them: read_committed."""

    def __init__(self, given: Given) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": given.bootstrap_servers,
                "group.id": f"{given.topic_prefix}reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 100,
            }
        )
        topic = given.topic("reservation-changed")
        self._consumer.assign([TopicPartition(topic, number, 0) for number in range(SHARDS_TOTAL)])
        self.count = 0
        self.latest_at = 0.0
        """When the last one came, on the monotonic clock."""
        self.appended_ms = 0
        """When the last one was appended, by the broker, which is on this machine."""

    def read(self, timeout_seconds: float) -> int:
        """Count what has come; return how many."""
        first = self._consumer.poll(timeout_seconds)
        if first is None:
            return 0
        found = [first, *self._consumer.consume(5_000, 0)]
        for message in found:
            assert message.error() is None, str(message.error())
            self.appended_ms = max(self.appended_ms, message.timestamp()[1])
        self.count += len(found)
        self.latest_at = time.monotonic()
        return len(found)

    def close(self) -> None:
        """Leave."""
        self._consumer.close()


def send(given: Given, messages: Iterable[mix.Message]) -> int:
    """Produce messages with their account as the key; return how many.

    The key is for the contenders that keep state by account; to the others it makes no difference.
    """
    producer = Producer(
        {"bootstrap.servers": given.bootstrap_servers, "linger.ms": 20, "acks": "all"}
    )
    sent = 0
    for message in messages:
        key = json.loads(message.value)["account"]
        while True:
            try:
                producer.produce(given.topic(message.topic), message.value, key)
                break
            except BufferError:
                producer.poll(0.1)
        sent += 1
        if sent % 1_000 == 0:
            producer.poll(0)
    assert producer.flush(60) == 0, "the broker did not take all records in a minute"
    return sent


def _uncommitted(lag: TopicReader) -> int:
    """Return how many input records are not committed; -1: new topics have no leaders yet."""
    try:
        return lag.uncommitted_records()
    except BrokerUnavailable:
        return -1


def _have_the_broker_date(given: Given) -> None:
    """Let the broker say when a change was appended: its reader may be late, or its own word old.

    Kafka Streams gives its outputs the timestamps of what it has read.
    """
    admin = AdminClient({"bootstrap.servers": given.bootstrap_servers})
    entry = ConfigEntry(
        "message.timestamp.type",
        "LogAppendTime",
        incremental_operation=AlterConfigOpType.SET,
    )
    topic = ConfigResource(
        ResourceType.TOPIC, given.topic("reservation-changed"), incremental_configs=[entry]
    )
    for answer in admin.incremental_alter_configs([topic]).values():
        answer.result(30)


def _delete_topics(given: Given) -> None:
    """Remove what the attempt and the contender have made: a broker has only so much memory."""
    admin = AdminClient({"bootstrap.servers": given.bootstrap_servers})
    names = [name for name in admin.list_topics(timeout=10).topics if given.topic_prefix in name]
    for done in admin.delete_topics(names).values():
        done.result(30)
