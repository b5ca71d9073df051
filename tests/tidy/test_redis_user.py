"""The worker's user in Redis may do all that the worker does, tried on a real server."""

import re
from collections.abc import Iterator
from random import Random

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError

from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.restoring import RedisRestoring
from reservation_worker.adapters.redis.store import RedisStore
from reservation_worker.domain.facts import Fact
from reservation_worker.embedded.valkey import EmbeddedValkey
from reservation_worker.ports import DueWork, RetentionAt, ShardEpoch, ShardStep, StepReply
from tests.clocks import StandingClock
from tests.domain import shop
from tests.store.restored import begin
from tests.tidy.tree import PACKAGE, ROOT, files

USER = (ROOT / "deploy" / "redis" / "users.acl").read_text(encoding="utf-8").split()
SHARD, EPOCH = 3, 1_000
LATER_MS = 10_000
COMMAND_CALLED = re.compile(r"\.call\(\s*(?:\d, \w+, )?'([A-Z]+)'")

DAY: tuple[Fact, ...] = (
    shop.balance("chair", 10, counted_at_ms=1),
    shop.order(shop.line("1", 2, "chair")),
    shop.payment(),
    shop.invoice(),
    shop.order(shop.line("1", 1, "chair"), order_id="B"),
    shop.cancellation(order_id="B"),
    shop.order(shop.line("1", 1, "chair"), order_id="C"),
)


@pytest.fixture
def client(own_valkey: EmbeddedValkey) -> Iterator[Redis]:
    """Log in as the user of the file, with a password added as its README says."""
    with Redis.from_url(own_valkey.url) as administrator:
        administrator.execute_command("ACL", "SETUSER", *USER[1:], ">a-password")
    with Redis.from_url(own_valkey.url, username=USER[1], password="a-password") as client:
        yield client


def test_the_user_may_run_a_day_of_the_worker(client: Redis) -> None:
    """Every method of the store, every script, and every kind of fact."""
    store = RedisStore(client, StoreConfig(), StandingClock())
    assert store.now_ms() > 0
    assert store.claim(SHARD, store.inspect(SHARD), EPOCH)
    for fact in (*DAY, shop.balance("chair", 7, counted_at_ms=LATER_MS)):
        assert isinstance(store.step(SHARD, EPOCH, [fact]), StepReply)
    due = store.due([ShardEpoch(SHARD, EPOCH)], LATER_MS, 10)[0]
    assert isinstance(due, DueWork)
    for timed in (*due.deadlines, *due.settlements):
        assert isinstance(store.step(SHARD, EPOCH, [timed]), StepReply)
    at = RetentionAt(LATER_MS + StandingClock().now_ms(), 0, 0)
    (removable,) = store.removable([ShardEpoch(SHARD, EPOCH)], at, 10)
    assert isinstance(removable, tuple)
    assert removable
    for fact in removable:
        assert isinstance(store.step(SHARD, EPOCH, [fact]), StepReply)
    (step,) = store.look([], [SHARD]).latest_steps
    entries = store.read_outbox([ShardStep(SHARD, EPOCH, 0)], 100)[0]
    assert isinstance(entries, tuple)
    assert step == entries[-1].step
    assert store.mark_published([ShardStep(SHARD, EPOCH, step)])[0] is None
    assert store.reservation(SHARD, shop.reservation_id()) is None
    assert store.stock(SHARD, shop.stock_id("chair")) is not None


def test_the_user_may_rebuild_a_shard(client: Redis) -> None:
    """Also what only a loss brings about."""
    store, restoring = (
        RedisStore(client, StoreConfig(), StandingClock()),
        RedisRestoring(client, StoreConfig()),
    )
    assert store.claim(SHARD, store.inspect(SHARD), EPOCH)
    for fact in DAY:
        store.step(SHARD, EPOCH, [fact])
    entries = store.read_outbox([ShardStep(SHARD, EPOCH, 0)], 100)[0]
    assert isinstance(entries, tuple)
    records = [record for entry in entries for record in entry.records]
    assert restoring.demand(SHARD, store.inspect(SHARD), "tried")
    rebuilding = begin(store, restoring, SHARD, EPOCH + 1)
    rebuilding.restore_all(records, Random(1))
    rebuilding.finish(len(DAY))
    assert store.reservation(SHARD, shop.reservation_id()) is not None


@pytest.mark.parametrize(
    "command", [("FLUSHALL",), ("KEYS", "*"), ("CONFIG", "GET", "*"), ("SET", "other", "1")]
)
def test_the_user_may_do_nothing_else(client: Redis, command: tuple[str, ...]) -> None:
    """Whoever steals the worker's password must not get the rest of the server with it."""
    with pytest.raises(NoPermissionError):
        client.execute_command(*command)  # type: ignore[no-untyped-call]


def test_the_user_may_run_every_command_that_a_script_names() -> None:
    """A day does not take every branch; what it does not take is seen in the text."""
    called = {
        f"+{command.lower()}"
        for path in files(".lua", under=PACKAGE)
        for command in COMMAND_CALLED.findall(path.read_text(encoding="utf-8"))
    }
    assert len(called) > 5, "the pattern finds no calls any more"
    assert set() == called - set(USER)
