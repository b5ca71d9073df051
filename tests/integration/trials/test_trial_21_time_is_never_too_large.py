"""``event_bytes_max`` is made smaller: what deadlines and settlements have to say is still said."""

from tests.integration.conftest import NewStage
from tests.integration.shop import bare, instant
from tests.integration.stage import SETTLE_TIMEOUT_MS, Stage
from tests.waiting import wait_until

ACCOUNT = "shop"
LINES = [
    {"line_id": str(number), "warehouse_id": "main", "sku": "cup", "quantity": 1}
    for number in range(30)
]
EVENT_BYTES_MAX = 2_000
HOUR_MS = 3_600_000


def test_a_deadline_and_a_settlement_are_published_and_said(new_stage: NewStage) -> None:
    """They were begun when more was allowed, and are neither forgotten nor tried for ever."""
    stage = new_stage(settings={})
    now_ms = stage.clock.now_ms()
    _count(stage, 1_000, now_ms - HOUR_MS)
    patient = {"RESERVATION_EXPIRY__GRACE_SECONDS": "3600"}
    worker = stage.start(settings=patient)
    worker.wait_until_ready()
    for order_id in ("sold", "unpaid"):
        terms = {"completed_at": instant(now_ms - 2_000), "reservation_ttl_seconds": 1}
        stage.send(
            [bare("order-completed", account=ACCOUNT, order_id=order_id, lines=LINES, **terms)]
        )
    invoice = {"invoiced_at": instant(now_ms - 1_000), "invoice_id": "NF1"}
    stage.send([bare("order-invoiced", account=ACCOUNT, order_id="sold", **invoice)])
    wait_until(
        lambda: len(stage.bodies("reservation-changed")) == len(("ordered", "ordered", "sold")),
        timeout_ms=SETTLE_TIMEOUT_MS,
        what="everything is published",
    )
    assert worker.drain() == 0

    worker = stage.start(settings={"RESERVATION_REDIS__EVENT_BYTES_MAX": str(EVENT_BYTES_MAX)})
    worker.wait_until_ready()
    _count(stage, 970, now_ms)
    stage.wait_until_settled()
    newest = {one["order_id"]: one for one in stage.bodies("reservation-changed")}
    assert {"sold": "Settled", "unpaid": "Expired"} == {
        order_id: body["status"] for order_id, body in newest.items()
    }
    told = worker.logged("event_oversized")
    assert {"reservation-changed"} == {line["topic"] for line in told}
    assert len(told) == 2
    assert all(line["event_bytes"] > line["event_bytes_max"] == EVENT_BYTES_MAX for line in told)
    stage.assert_nothing_violated()


def _count(stage: Stage, on_hand: int, at_ms: int) -> None:
    fields = {"warehouse_id": "main", "sku": "cup", "on_hand": on_hand}
    stage.send([bare("inventory-updated", account=ACCOUNT, counted_at=instant(at_ms), **fields)])
