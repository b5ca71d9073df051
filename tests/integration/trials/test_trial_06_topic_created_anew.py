"""An input topic is deleted, created anew and filled past the old position."""

from tests.integration import shop
from tests.integration.conftest import NewStage
from tests.integration.test_payment_in_time import order, payment, wait_for_statuses
from tests.integration.topic_changes import Operator
from tests.integration.topics import Message

ACCOUNT = "shop"
OLD = 3
NEW = 8
"""The first `OLD` of them stand below the position that the worker had."""


def patient_order(order_id: str, now_ms: int) -> Message:
    """Return an order that nobody must pay soon."""
    line = {"line_id": "1", "warehouse_id": "main", "sku": shop.SKUS[0], "quantity": 1}
    return shop.bare(
        "order-completed",
        account=ACCOUNT,
        order_id=order_id,
        completed_at=shop.instant(now_ms),
        reservation_ttl_seconds=3_600,
        lines=[line],
    )


def test_nothing_of_a_topic_that_was_created_anew_is_skipped(new_stage: NewStage) -> None:
    """The worker is frozen meanwhile: to its offsets nothing has happened."""
    stage = new_stage(
        shards_total=1,
        input_partitions=1,
        # Longer than the topics take: the worker comes back as the member that it was.
        settings={
            "RESERVATION_KAFKA__SESSION_TIMEOUT_MS": "20000",
            "RESERVATION_PROCESS__REJOIN_TIMEOUT_MS": "40000",
        },
    )
    operator = Operator(stage.cluster.bootstrap_servers)
    worker = stage.open_shop(accounts=[ACCOUNT])
    now_ms = stage.clock.now_ms()
    old = [f"old-{number}" for number in range(OLD)]
    new = [f"new-{number}" for number in range(NEW)]
    stage.send(patient_order(order_id, now_ms) for order_id in old)
    stage.send(payment(order_id, now_ms) for order_id in old)
    wait_for_statuses(stage, dict.fromkeys(old, "Confirmed"))
    stage.wait_until_settled()
    worker.freeze()
    for name, messages in (
        ("order-completed", [order(order_id, now_ms) for order_id in new]),
        ("payment-approved", [payment(order_id, now_ms) for order_id in new]),
    ):
        operator.create_anew(stage.topics.name(name), 1, messages)
    worker.resume()
    # Those below the old position as well; and none expires: the frontier waits for their payments.
    wait_for_statuses(stage, dict.fromkeys(new, "Confirmed"))
    told = {line["topic"] for line in worker.logged("topic_created_anew")}
    assert {stage.topics.name("order-completed"), stage.topics.name("payment-approved")} <= told
    assert "Expired" not in {body["status"] for body in stage.bodies("reservation-changed")}
    worker.wait_until_ready()
