"""A worker whose clock is 40 days behind harms nothing, then or when the clock is right again."""

import json

from reservation_worker.contracts.records import Record
from tests.integration import shop
from tests.integration.conftest import NewStage
from tests.integration.stage import Stage
from tests.integration.topics import Message
from tests.waiting import wait_until

TIMEOUT_MS = 30_000
FORTY_DAYS_MS = 40 * 24 * 60 * 60 * 1000
ORDERS = ("one", "two", "three")
SOON_FORGOTTEN = {
    # What is over is kept for 30 days, as by default; what only waits, for a second.
    "RESERVATION_RETENTION__AWAITING_SECONDS": "1",
    "RESERVATION_RETENTION__SCAN_INTERVAL_MS": "50",
}


def orders(account: str, now_ms: int) -> list[Message]:
    """Return orders that will be canceled."""
    line = {"line_id": "1", "warehouse_id": "main", "sku": "cup", "quantity": 2}
    return [
        shop.bare(
            "order-completed",
            account=account,
            order_id=name,
            completed_at=shop.instant(now_ms),
            lines=[line],
        )
        for name in ORDERS
    ]


def test_what_a_worker_with_a_clock_behind_has_canceled_is_not_held_again(
    new_stage: NewStage,
) -> None:
    """Its stamps said 40 days ago: as soon as a clock was right, all of it was forgotten."""
    stage = new_stage(shards_total=1)
    (account,) = stage.accounts()
    now_ms = stage.clock.now_ms()
    behind = stage.start(clock_offset_ms=-FORTY_DAYS_MS)
    behind.wait_until_ready()
    stage.send(shop.balances(now_ms, [account]))
    stage.wait_until_settled()
    stage.send(orders(account, now_ms))
    for name in ORDERS:
        at = {"account": account, "order_id": name}
        stage.send([shop.bare("order-canceled", **at, canceled_at=shop.instant(now_ms))])
    paid = {"account": account, "order_id": "ghost", "approved_at": shop.instant(now_ms)}
    stage.send([shop.bare("payment-approved", **paid)])
    stage.wait_until_settled()
    assert dict.fromkeys(ORDERS, "Canceled") | {"ghost": "Awaiting"} == statuses(stage)
    assert [] == dead_letters(stage), "no time of today is ahead of every clock"
    assert 0 == behind.drain()

    stage.start("two", settings=SOON_FORGOTTEN, is_checked=False)
    wait_until(
        lambda: "ghost" not in statuses(stage),
        timeout_ms=TIMEOUT_MS,
        what=f"what only waits leaves\n{stage.last_words()}",
    )
    stage.send(orders(account, now_ms))
    stage.wait_until_settled()
    assert dict.fromkeys(ORDERS, "Canceled") == statuses(stage)
    cups = [body for body in stage.bodies("stock-changed") if body["sku"] == "cup"]
    assert 0 == cups[-1]["authorized"]


def statuses(stage: Stage) -> dict[str, str]:
    """Return the newest status of each order, without those that have left."""
    found: dict[str, str] = {}
    for record in stage.watch().read_to_the_end():
        if record.topic != stage.topics.name("reservation-changed"):
            continue
        order_id = (record.key or b"").decode().rpartition("/")[2]
        found.pop(order_id, None)
        if record.value is not None:
            found[order_id] = json.loads(record.value)["status"]
    return found


def dead_letters(stage: Stage) -> list[Record]:
    """Return what was refused."""
    letters = stage.topics.name("dead-letter")
    return [one for one in stage.watch().read_to_the_end() if one.topic == letters]
