"""Deadlines end when their grace is over: not before, and not behind everything else."""

from reservation_worker.contracts.inputs import FactKind
from reservation_worker.deadlines import DeadlinesConfig
from tests.loops.small_shop import STARTED_AT_MS, TURN_MS, SmallShop

TTL_SECONDS = 10
GRACE_MS = 2_000
SOLD = 12


def test_nothing_expires_in_its_grace() -> None:
    """A payment that was made at the deadline is on its way to its topic."""
    shop = SmallShop()
    shop.deadlines = DeadlinesConfig(grace_ms=GRACE_MS)
    worker = shop.start()
    shop.count("boots", 5)
    shop.order("A", "boots", ttl_seconds=TTL_SECONDS)
    shop.finish(worker)
    over_at_ms = STARTED_AT_MS + TTL_SECONDS * 1_000 + GRACE_MS
    while shop.clock.now_ms() <= over_at_ms:
        shop.turn(worker)
        assert {"acme/A": "Authorized"} == shop.statuses()
    shop.clock.advance(TURN_MS)
    shop.turn_until(lambda: shop.statuses() == {"acme/A": "Expired"}, "A is expired", worker)


def test_deadlines_do_not_wait_until_a_large_count_is_settled() -> None:
    """A look states some of both; a count that covers very much takes many looks."""
    shop = SmallShop()
    shop.deadlines = DeadlinesConfig(grace_ms=0, facts_per_look_max=2)
    worker = shop.start()
    shop.count("boots", 500)
    shop.count("gloves", 500)
    for number in range(SOLD):
        shop.order(f"sold-{number}", "boots")
        shop.send(
            FactKind.ORDER_INVOICED,
            {
                "account": "acme",
                "order_id": f"sold-{number}",
                "invoiced_at": "2026-01-01T00:00:01Z",
            },
        )
        shop.order(f"unpaid-{number}", "gloves", ttl_seconds=TTL_SECONDS)
    shop.finish(worker)
    shop.clock.advance(TTL_SECONDS * 1_000)
    worker.frontier.advance()
    shop.count("boots", 400, at="00:05")
    for _ in range(3):
        worker.apply.turn()
    shop.turn_until(lambda: "Expired" in shop.statuses().values(), "something expires", worker)
    settled = [status for status in shop.statuses().values() if status == "Settled"]
    assert len(settled) < SOLD // 2
