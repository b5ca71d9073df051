"""A payment in time is never expired, however late the worker gets to read it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.integration import shop
from tests.integration.processes import WorkerProcess
from tests.integration.stage import GRACE_SECONDS, Stage
from tests.integration.topics import Message
from tests.reader import QUIET, TIMEOUT_SECONDS
from tests.waiting import wait_until

ACCOUNT = "shop"
ORDERS = 20
TTL_SECONDS = 1
PATIENCE_MS = 1_500
"""So long after deadline and grace a worker that does not wait has expired everything."""
SLOW = {
    "RESERVATION_APPLY__RECORDS_PER_POLL_MAX": "10",
    "RESERVATION_APPLY__FACTS_PER_STEP_MAX": "1",
}
"""Payments of others take seconds to be applied."""
WAIT_TIMEOUT_MS = 60_000


def order(order_id: str, now_ms: int, account: str = ACCOUNT) -> Message:
    """Return an order with little time to be paid."""
    line = {"line_id": "1", "warehouse_id": "main", "sku": shop.SKUS[0], "quantity": 1}
    return shop.bare(
        "order-completed",
        account=account,
        order_id=order_id,
        completed_at=shop.instant(now_ms),
        reservation_ttl_seconds=TTL_SECONDS,
        lines=[line],
    )


def payment(order_id: str, now_ms: int) -> Message:
    """Return an order's payment."""
    return shop.bare(
        "payment-approved", account=ACCOUNT, order_id=order_id, approved_at=shop.instant(now_ms)
    )


def wait_until_deadlines_have_passed(stage: Stage, now_ms: int) -> None:
    """Wait until a worker that does not look at payments would have expired the orders."""
    stage.wait_until_time(now_ms + (TTL_SECONDS + GRACE_SECONDS) * 1_000 + PATIENCE_MS)


def statuses(stage: Stage) -> dict[str, str]:
    """Return the newest published status of each order."""
    return {body["order_id"]: body["status"] for body in stage.bodies("reservation-changed")}


def wait_for_statuses(stage: Stage, expected: dict[str, str]) -> None:
    """Wait until these are the newest published statuses of their orders."""
    wait_until(
        lambda: expected.items() <= statuses(stage).items(),
        timeout_ms=WAIT_TIMEOUT_MS,
        what=f"published are {expected}",
    )


def test_payments_that_were_never_read_in_time_still_win(stage: Stage) -> None:
    """The worker was down while customers paid, and payments of others stand before theirs."""
    assert 0 == stage.open_shop(accounts=[ACCOUNT]).drain()
    now_ms = stage.clock.now_ms()
    paid = [f"paid-{number}" for number in range(ORDERS)]
    unpaid = [f"unpaid-{number}" for number in range(ORDERS)]
    stage.send(order(order_id, now_ms) for order_id in (*paid, *unpaid))
    others = (payment(f"others-{number}", now_ms) for number in range(1_000))
    stage.send([*others, *(payment(order_id, now_ms) for order_id in paid)])
    wait_until_deadlines_have_passed(stage, now_ms)
    worker = stage.start(settings=SLOW)
    wait_for_statuses(stage, dict.fromkeys(unpaid, "Expired") | dict.fromkeys(paid, "Confirmed"))
    expired = {
        body["order_id"]
        for body in stage.bodies("reservation-changed")
        if body["reason"] == "deadline_reached"
    }
    assert set(unpaid) == expired
    stage.wait_until_settled()
    stage.assert_nothing_violated()
    assert 0 == worker.drain()


@contextmanager
def upstream_transaction(stage: Stage, messages: list[Message]) -> Iterator[Producer]:
    """Leave a transaction of somebody else's open on the payment topic."""
    options: dict[str, Any] = {
        "bootstrap.servers": stage.cluster.bootstrap_servers,
        "transactional.id": f"upstream-{stage.group_id}",
        **QUIET,
    }
    producer = Producer(options)
    producer.init_transactions(TIMEOUT_SECONDS)
    producer.begin_transaction()
    for message in messages:
        producer.produce(stage.topics.name(message.topic), message.value)
    assert producer.flush(TIMEOUT_SECONDS) == 0
    yield producer


def restarted(stage: Stage, worker: WorkerProcess) -> WorkerProcess:
    """Replace a worker by another one, as a deployment does."""
    assert 0 == worker.drain()
    successor = stage.start()
    successor.wait_until_ready()
    return successor


@pytest.mark.parametrize("end", ["committed", "aborted"])
def test_expiry_waits_for_an_open_upstream_transaction_and_goes_on_after_it(
    stage: Stage, end: str
) -> None:
    """Nobody can know yet whether it pays: so nothing may expire, for an hour if need be.

    What ends it is a control record, which nobody ever reads: it must not stop expiry for ever.
    """
    worker = stage.open_shop(accounts=[ACCOUNT])
    now_ms = stage.clock.now_ms()
    with upstream_transaction(stage, [payment("doubtful", now_ms)]) as producer:
        stage.send([order("doubtful", now_ms), order("unpaid", now_ms)])
        wait_for_statuses(stage, {"doubtful": "Authorized", "unpaid": "Authorized"})
        wait_until_deadlines_have_passed(stage, now_ms)
        worker = restarted(stage, worker)
        wait_until_deadlines_have_passed(stage, stage.clock.now_ms())
        assert {"doubtful": "Authorized", "unpaid": "Authorized"} == statuses(stage)
        if end == "committed":
            producer.commit_transaction(TIMEOUT_SECONDS)
        else:
            producer.abort_transaction(TIMEOUT_SECONDS)
    doubtful = "Confirmed" if end == "committed" else "Expired"
    wait_for_statuses(stage, {"doubtful": doubtful, "unpaid": "Expired"})
    worker = restarted(stage, worker)
    stage.send([order("later", stage.clock.now_ms())])
    wait_for_statuses(stage, {"later": "Expired"})
    stage.wait_until_settled()
    stage.assert_nothing_violated()
    assert 0 == worker.drain()
