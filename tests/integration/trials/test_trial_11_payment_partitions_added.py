"""Partitions are added to `payment-approved`: they are read soon, and expiry goes on."""

from dataclasses import replace

from tests.integration.conftest import NewStage
from tests.integration.test_payment_in_time import (
    order,
    payment,
    statuses,
    wait_for_statuses,
)
from tests.integration.topic_changes import Operator
from tests.integration.trials.test_trial_06_topic_created_anew import ACCOUNT
from tests.waiting import wait_until

UNDER_A_MINUTE_MS = 60_000
REFRESH_INTERVAL_MS = "2000"
"""As it ships it is half of the minute, and a test need not wait for it: settings say no more."""


def test_a_new_payment_partition_is_read_within_a_minute(new_stage: NewStage) -> None:
    """With the client's own five minutes nothing would expire in the whole group for so long."""
    settings = {"RESERVATION_KAFKA__METADATA_REFRESH_INTERVAL_MS": REFRESH_INTERVAL_MS}
    stage = new_stage(shards_total=1, settings=settings)
    stage.open_shop(accounts=[ACCOUNT])
    name = stage.topics.name("payment-approved")
    Operator(stage.cluster.bootstrap_servers).add_partitions([name], 3)
    now_ms = stage.clock.now_ms()
    wait_until(
        lambda: (name, 2) in stage.cluster.end_offsets([name]), timeout_ms=20_000, what="it exists"
    )
    stage.send(order(order_id, now_ms) for order_id in ("paid", "unpaid"))
    stage.send([replace(payment("paid", now_ms), partition=2)])
    wait_until(
        lambda: statuses(stage).get("unpaid") == "Expired",
        timeout_ms=UNDER_A_MINUTE_MS,
        what="expiry goes on",
    )
    wait_for_statuses(stage, {"paid": "Confirmed"})
