"""A worker's first start on a backlog: counts, an hour later orders, an hour later payments.

All orders were once denied for good: the three topics are independent, and which of them was read
first was an accident. See confluentinc/ksql#8637 and confluentinc/ksql#1110.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from reservation_worker.worker import Role
from tests.integration.conftest import NewStage
from tests.integration.processes import WorkerProcess
from tests.integration.shop import bare, instant
from tests.integration.stage import Stage
from tests.integration.topics import Message
from tests.waiting import wait_until

ORDERS_EACH = 75
HOUR_MS = 3_600_000
WAIT_TIMEOUT_MS = 60_000


def story(stage: Stage, name: str) -> Iterator[Message]:
    """Tell of orders of everything that was counted: each is paid, and each can be delivered."""
    now_ms, numbers = stage.clock.now_ms(), range(ORDERS_EACH)
    orders = [(account, f"{name}-{number}") for account in stage.accounts() for number in numbers]
    for account, order in orders:
        yield bare(
            "inventory-updated",
            account=account,
            warehouse_id="main",
            sku=order,
            on_hand=1,
            counted_at=instant(now_ms - 3 * HOUR_MS),
        )
    for account, order in orders:
        line = {"line_id": "1", "warehouse_id": "main", "sku": order, "quantity": 1}
        yield bare(
            "order-completed",
            account=account,
            order_id=order,
            lines=[line],
            completed_at=instant(now_ms - 2 * HOUR_MS),
            reservation_ttl_seconds=86_400,
        )
    for account, order in orders:
        yield bare(
            "payment-approved",
            account=account,
            order_id=order,
            approved_at=instant(now_ms - HOUR_MS),
        )


def assert_all_confirmed(stage: Stage, stories: int) -> None:
    """No change of any order told of a shortage, and the last one of each says Confirmed."""
    stage.wait_until_settled()
    changes = stage.bodies("reservation-changed")
    assert not [change["order_id"] for change in changes if change["shortages"]]
    last = {(change["account"], change["order_id"]): change["status"] for change in changes}
    orders_total = stories * ORDERS_EACH * len(stage.accounts())
    assert {"Confirmed": orders_total} == dict(Counter(last.values()))
    stage.assert_nothing_violated()


@pytest.mark.parametrize("workers", [1, 3])
def test_a_start_on_a_backlog_confirms_what_was_counted(stage: Stage, workers: int) -> None:
    """Likewise after a stop, with a restock among what waits."""
    stage.send(story(stage, "first"))
    started = [stage.start(f"slot-{number}") for number in range(workers)]
    assert_all_confirmed(stage, 1)
    for worker in started:
        worker.ask_to_end()
    assert {0} == {worker.exit_code() for worker in started}
    stage.send(story(stage, "second"))
    for number in range(workers):
        stage.start(f"slot-{number}")
    assert_all_confirmed(stage, 2)


def test_a_worker_without_counts_waits_for_the_one_that_has_them(new_stage: NewStage) -> None:
    """Each topic has one partition: one of two holds all counts, and cannot commit them yet."""
    stage = new_stage(input_partitions=1)
    stage.send(story(stage, "only"))
    both = [stage.start(slot, role=Role.APPLY) for slot in ("one", "two")]
    wait_until(
        lambda: stage.cluster.busy_members(stage.group_id) == len(both),
        timeout_ms=WAIT_TIMEOUT_MS,
        what="both read",
    )
    counts_total = ORDERS_EACH * len(stage.accounts())
    wait_until(
        lambda: any(says_how_many_are_left(worker, counts_total) for worker in both),
        timeout_ms=WAIT_TIMEOUT_MS,
        what="the one without counts says what it waits for",
    )
    stage.start("publisher", role=Role.PUBLISH)
    assert_all_confirmed(stage, 1)
    for worker in both:
        worker.wait_until_ready()
    assert any(worker.logged("counts_first_ended") for worker in both)


def says_how_many_are_left(worker: WorkerProcess, counts_total: int) -> bool:
    """Tell whether ``/readyz`` and the log name the number of counts that are left."""
    problems = " ".join(worker.problems() or ())
    logged = [str(line["left"]) for line in worker.logged("counts_first_waited")]
    words = f"{counts_total} left in partitions 0"
    return words in problems and any(words in left for left in logged)
