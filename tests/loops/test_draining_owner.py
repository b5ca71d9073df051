"""What an owner still does once its process shall end: publish what waits, and begin nothing."""

from collections.abc import Callable, Sequence

import pytest

from reservation_worker.adapters.in_memory.broker import Fault
from reservation_worker.contracts.records import OutputRecord
from reservation_worker.deadlines import DeadlinesConfig
from reservation_worker.domain.keys import shard_of
from reservation_worker.ports import OutboxEntry, ShardStep, StepRefusal, StepRefused
from tests.loops.assembly import Loops
from tests.loops.small_shop import SHARDS_TOTAL, SmallShop

ACCOUNT = "acme"
ACCOUNTS = ("shop1", "shop2", "shop3", "shop4", "shop5")
ORDERS = 12
TTL_SECONDS = 5
TURNS_MAX = 20


def expiring_shop() -> tuple[SmallShop, Loops]:
    """Return a shop whose orders all fall due at once, and its worker, which has not looked yet."""
    shop = SmallShop()
    shop.deadlines = DeadlinesConfig(grace_ms=0)
    shop.count("boots", 1_000)
    for number in range(ORDERS):
        shop.order(f"A{number}", "boots", ttl_seconds=TTL_SECONDS)
    worker = shop.start()
    shop.finish(worker)
    shop.turn(worker)
    shop.clock.advance(2 * TTL_SECONDS * 1_000)
    for _ in range(2):
        worker.frontier.advance()
    return shop, worker


def unpublished(shop: SmallShop) -> int:
    """Count the steps that the store does not know to be published."""
    held = [shop.store.held(shard) for shard in range(SHARDS_TOTAL)]
    return sum(one.step - one.published for one in held)


def drain(worker: Loops) -> int:
    """Turn an owner until it has nothing more to do; return how often it turned."""
    worker.owner.drain()
    for turns in range(TURNS_MAX):
        if worker.owner.idle:
            return turns
        worker.owner.turn()
    raise AssertionError(f"not drained within {TURNS_MAX} turns")


def test_what_its_last_look_stated_is_published() -> None:
    """A step of the schedule is nobody's input, so no commit of input waits for it."""
    shop, worker = expiring_shop()
    worker.owner.turn()
    assert unpublished(shop) > 0
    drain(worker)
    assert unpublished(shop) == 0
    assert {"Expired"} == set(shop.statuses().values())


def test_nothing_new_is_stated() -> None:
    """Else a million deadlines would have to pass before a process may end."""
    shop, worker = expiring_shop()
    drain(worker)
    assert unpublished(shop) == 0
    assert {"Authorized"} == set(shop.statuses().values())


def drain_while_others_fill(shop: SmallShop, worker: Loops, account: str) -> None:
    """Turn an owner until it has nothing more to do, while another worker applies orders."""
    shop.broker.apply_group.leave("worker-1")
    other = shop.start()
    worker.owner.turn()
    worker.owner.drain()
    for turn in range(TURNS_MAX):
        shop.order(f"B{turn}", "boots", account=account)
        for _ in range(2):
            other.apply.turn()
        assert unpublished(shop) > 0
        if worker.owner.idle:
            break
        worker.owner.turn()
    assert worker.owner.idle


def test_it_ends_while_others_fill_the_outboxes() -> None:
    """In a busy shop there is always something to publish; the next owner does that."""
    shop, worker = expiring_shop()
    drain_while_others_fill(shop, worker, ACCOUNT)


def test_it_ends_although_a_shard_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on its way to another server waits for it, and for the next owner."""
    shop, worker = expiring_shop()
    moving = shard_of(ACCOUNT, SHARDS_TOTAL)
    read_outbox = shop.store.read_outbox

    def read_what_stays(
        after: Sequence[ShardStep], entries_max: int
    ) -> tuple[tuple[OutboxEntry[OutputRecord], ...] | StepRefused, ...]:
        return tuple(
            StepRefused(StepRefusal.MOVES, 0) if asked.shard == moving else read
            for asked, read in zip(after, read_outbox(after, entries_max), strict=True)
        )

    monkeypatch.setattr(shop.store, "read_outbox", read_what_stays)
    staying = next(one for one in ACCOUNTS if shard_of(one, SHARDS_TOTAL) != moving)
    drain_while_others_fill(shop, worker, staying)
    assert shop.store.held(moving).step > shop.store.held(moving).published


def take_the_store_away(shop: SmallShop) -> None:
    """Let Redis be away."""
    shop.store.set_available(available=False)


def abort_a_transaction(shop: SmallShop) -> None:
    """Let Kafka be away for one transaction."""
    shop.broker.faults.append(Fault.ABORTED)


@pytest.mark.parametrize("begin_outage", [take_the_store_away, abort_a_transaction])
def test_it_does_not_wait_for_a_server_that_is_away(
    begin_outage: Callable[[SmallShop], None],
) -> None:
    """What is unpublished stands in Redis, and the next owner publishes it."""
    shop, worker = expiring_shop()
    worker.owner.turn()
    waiting = unpublished(shop)
    begin_outage(shop)
    assert drain(worker) == 1
    shop.store.set_available(available=True)
    shop.bury()
    shop.turn_until(lambda: not unpublished(shop), "the next one publishes it", shop.start())
    assert waiting > 0
    shop.check_order_of_publication()
