"""A fact on which the step's script fails, whatever the reason: it once ended every worker in turn.

Here somebody has overwritten what Redis has of one order with nonsense.
"""

from tests.integration.shop import bare, instant
from tests.integration.stage import Stage
from tests.integration.topics import Message
from tests.waiting import wait_until

ORDERS = 40
POISON = "order-17"
WAIT_TIMEOUT_MS = 60_000


def order(stage: Stage, account: str, order_id: str, ttl_seconds: int = 86_400) -> Message:
    """Return an order of one unit."""
    line = {"line_id": "1", "warehouse_id": "main", "sku": "cup", "quantity": 1}
    return bare(
        "order-completed",
        account=account,
        order_id=order_id,
        lines=[line],
        completed_at=instant(stage.clock.now_ms()),
        reservation_ttl_seconds=ttl_seconds,
    )


def statuses(stage: Stage) -> dict[str, str]:
    """Return the last published status of each order."""
    return {one["order_id"]: one["status"] for one in stage.bodies("reservation-changed")}


def test_the_fact_becomes_a_dead_letter_and_all_others_go_on(stage: Stage) -> None:
    """Found by halving the batch; said with topic, partition and offset; counted."""
    account = stage.accounts()[2]
    worker = stage.open_shop(accounts=[account])
    with stage.redis() as client:
        client.set(f"{{s2}}:r:{account}/{POISON}", b"\xdc\xff\xff")
    places = stage.send(order(stage, account, f"order-{number}") for number in range(ORDERS))
    stage.wait_until_settled()
    others = {f"order-{number}" for number in range(ORDERS)} - {POISON}
    assert dict.fromkeys(others, "Authorized") == statuses(stage)
    (letter,) = [one for one in stage.outputs() if one.topic == stage.topics.outputs[-1]]
    assert b"UNDECIDABLE" == dict(letter.headers)["reservation.dlq.code"]
    (said,) = worker.logged("fact_undecidable")
    assert (said["partition"], said["offset"]) == places[17]
    assert stage.topics.name("order-completed") == said["topic"]
    assert "line" in said["where"]
    assert worker.problems() == ()


def test_a_deadline_that_breaks_the_script_keeps_no_other_from_being_reached(stage: Stage) -> None:
    """There is no record for it: it is set aside, said, and not tried again without pause."""
    account = stage.accounts()[2]
    worker = stage.open_shop(accounts=[account])
    stage.send([order(stage, account, "broken", 4)])
    wait_until(
        lambda: "broken" in statuses(stage), timeout_ms=WAIT_TIMEOUT_MS, what="it is published"
    )
    with stage.redis() as client:
        client.set(f"{{s2}}:r:{account}/broken", b"\xdc\xff\xff")
    stage.send(order(stage, account, f"order-{number}", 4) for number in range(10))
    expired = {f"order-{number}": "Expired" for number in range(10)}
    wait_until(
        lambda: statuses(stage) == {**expired, "broken": "Authorized"},
        timeout_ms=WAIT_TIMEOUT_MS,
        what=f"the others expire\n{stage.last_words()}",
    )
    (said,) = worker.logged("fact_undecidable")
    assert ("deadline_reached", 2) == (said["fact"], said["shard"])
