"""What has been kept long enough leaves Redis, and readers are told: real workers, real servers."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from signal import SIGKILL

import pytest

from reservation_worker.contracts.records import Record
from reservation_worker.ports import Waypoint
from tests.cli.command import CommandLine
from tests.integration import shop
from tests.integration.conftest import NewStage
from tests.integration.processes import WorkerProcess
from tests.integration.stage import GRACE_SECONDS, Stage
from tests.integration.topics import Message
from tests.integration.worker_process import Fate
from tests.waiting import wait_until

COPIES = 3
"""Of each story in each account: more than the victims together can remove."""
OVER_SECONDS, AWAITING_SECONDS = 1, 2
HASTY = {
    "RESERVATION_RETENTION__OVER_SECONDS": str(OVER_SECONDS),
    "RESERVATION_RETENTION__AWAITING_SECONDS": str(AWAITING_SECONDS),
    "RESERVATION_RETENTION__SCAN_INTERVAL_MS": "50",
    "RESERVATION_RETENTION__FACTS_PER_LOOK_MAX": "2",
}
PATIENT = {
    "RESERVATION_RETENTION__OVER_SECONDS": "2592000",
    "RESERVATION_RETENTION__AWAITING_SECONDS": "2592000",
}
ENDINGS = {
    "settled": "Settled",
    "canceled": "Canceled",
    "expired": "Expired",
    "denied": "Denied",
    "ghost": "Awaiting",
    "held": "Authorized",
    "paid": "Confirmed",
    "sold": "Acknowledged",
}
LEAVING = frozenset({"settled", "canceled", "expired", "denied", "ghost"})
DEATHS = (
    Waypoint.RETENTION_READ,
    Waypoint.RETENTION_STEPPED,
    Waypoint.PUBLISH_OUTBOX_READ,
    Waypoint.PUBLISH_BEFORE_COMMIT,
    Waypoint.PUBLISH_AFTER_COMMIT,
    Waypoint.PUBLISH_BEFORE_TRIM,
)
TIMEOUT_MS = 60_000


def order_id(ending: str, number: int) -> str:
    """Return the id of an order with this ending."""
    return f"{ending}-{number}"


def stories(account: str, now_ms: int) -> Iterator[Message]:
    """Tell orders of every ending, so many of each."""
    for number in range(COPIES):
        for ending in ENDINGS:
            at = {"account": account, "order_id": order_id(ending, number)}
            if ending != "ghost":
                yield ordered(account, ending, number, now_ms)
            if ending in {"settled", "paid", "ghost"}:
                approved_at = shop.instant(now_ms)
                yield shop.bare("payment-approved", **at, approved_at=approved_at)
            if ending in {"settled", "sold", "ghost"}:
                # A count of later than the first date, and of earlier than the second, follows.
                invoiced_at_ms = now_ms - 60_000 if ending == "settled" else now_ms
                invoiced_at = shop.instant(invoiced_at_ms)
                yield shop.bare("order-invoiced", **at, invoiced_at=invoiced_at)
            if ending == "canceled":
                yield shop.bare("order-canceled", **at, canceled_at=shop.instant(now_ms))


def ordered(account: str, ending: str, number: int, now_ms: int) -> Message:
    """Return an order of one line."""
    line = {"line_id": "1", "warehouse_id": "main", "sku": "cup", "quantity": 2}
    return shop.bare(
        "order-completed",
        account=account,
        order_id=order_id(ending, number),
        completed_at=shop.instant(now_ms - 120_000),
        reservation_ttl_seconds=121 if ending == "expired" else 86_400,
        lines=[{**line, "quantity": 1_000_000 if ending == "denied" else 2}],
    )


def open_shop(stage: Stage) -> None:
    """Let a worker that keeps everything do a day, until all of it is over and committed."""
    worker = stage.start(settings=PATIENT)
    worker.wait_until_ready()
    now_ms = stage.clock.now_ms()
    stage.send(shop.balances(now_ms, stage.accounts()))
    stage.wait_until_settled()
    stage.send(message for account in stage.accounts() for message in stories(account, now_ms))
    stage.wait_until_settled()
    stage.send(shop.balances(now_ms - 30_000 + 3_600_000, stage.accounts()))
    stage.wait_until_time(now_ms + (GRACE_SECONDS + 2) * 1_000)
    stage.wait_until_settled()
    assert 0 == worker.drain()
    statuses = Counter(json.loads(one.value or b"")["status"] for one in newest(stage).values())
    assert dict.fromkeys(ENDINGS.values(), COPIES * len(stage.accounts())) == statuses


def newest(stage: Stage) -> Mapping[bytes, Record]:
    """Return the newest record of each reservation, as a compacted topic keeps it."""
    name = stage.topics.name("reservation-changed")
    return {one.key or b"": one for one in stage.outputs() if one.topic == name}


def contents(stage: Stage) -> dict[str, object]:
    """Return all keys of all shards and what they hold, but for the outbox and ``meta``."""
    found: dict[str, object] = {}
    with stage.redis() as client:
        for key in client.scan_iter("*", count=1_000):
            kind = key.split("}:")[1].split(":")[0]
            if kind in {"r", "s"}:
                found[key] = client.dump(key)
            elif kind not in {"meta", "o"}:
                found[key] = client.zrange(key, 0, -1, withscores=True)
    return found


def hasty_worker(stage: Stage, slot: str = "one", fate: Fate | None = None) -> WorkerProcess:
    """Start a worker that keeps nothing for long."""
    return stage.start(slot, fate=fate, is_checked=False)


def wait_until_all_have_left(stage: Stage) -> None:
    """Wait until nothing is left that may leave, and all of it is published."""

    def have_left() -> bool:
        with stage.redis() as client:
            left = [
                client.zcard(f"{{s{shard}}}:{index}")
                for shard in range(stage.topics.shards_total)
                for index in ("over", "awaiting")
            ]
        return not sum(left) and not stage.unpublished_shards()

    wait_until(have_left, timeout_ms=TIMEOUT_MS, what=f"all leave\n{stage.last_words()}")


@pytest.fixture
def stage(new_stage: NewStage) -> Stage:
    """Open a stage on which nothing is kept for long."""
    return new_stage(settings=HASTY)


def test_all_that_is_over_leaves_although_workers_die(stage: Stage) -> None:
    """Each leaves once, orphans with their dead letter, whatever is killed in between."""
    open_shop(stage)
    accounts = stage.accounts()
    for number, waypoint in enumerate(DEATHS):
        victim = hasty_worker(stage, "two" if number % 3 == 2 else "one", Fate(waypoint))
        assert -SIGKILL == victim.exit_code(), f"{waypoint}\n{stage.last_words()}"
    worker = hasty_worker(stage)
    wait_until_all_have_left(stage)
    expected = {
        f"{account}/{order_id(ending, number)}".encode(): ending in LEAVING
        for account in accounts
        for ending in ENDINGS
        for number in range(COPIES)
    }
    assert expected == {key: one.value is None for key, one in newest(stage).items()}
    tombstones = [
        one
        for one in stage.outputs()
        if one.topic == stage.topics.name("reservation-changed") and one.value is None
    ]
    assert sum(expected.values()) == len(tombstones)
    check_dead_letters(stage)
    stage.assert_nothing_violated()
    check_show(stage, accounts[0])
    check_order_again(stage, accounts[0])
    check_rebuild(stage, worker)
    stage.assert_nothing_violated()
    assert 0 == worker.drain()


def check_dead_letters(stage: Stage) -> None:
    """One for each payment and invoice whose order never came, as a stranger reads it."""
    letters = [one for one in stage.outputs() if one.topic == stage.topics.name("dead-letter")]
    assert sorted(
        f"{account}/{order_id('ghost', number)}".encode()
        for account in stage.accounts()
        for number in range(COPIES)
    ) == sorted(one.key or b"" for one in letters)
    inputs = {(one.topic, one.partition, one.offset): one for one in stage.inputs()}
    for letter in letters:
        headers = {name: (value or b"").decode() for name, value in letter.headers}
        assert "ORPHANED" == headers["reservation.dlq.code"]
        assert stage.group_id == headers["__dlq.errors.group"]
        stub = json.loads(letter.value or b"")["dead_letter_stub"]
        assert f"{stub['account']}/{stub['order_id']}".encode() == letter.key
        places = [(one["topic"], one["partition"], one["offset"]) for one in stub["facts"]]
        assert 2 == len(places)
        assert (
            headers["__dlq.errors.topic"],
            int(headers["__dlq.errors.partition"]),
            int(headers["__dlq.errors.offset"]),
        ) == places[0]
        for place in places:
            assert stub["order_id"].encode() in (inputs[place].value or b"")


def check_show(stage: Stage, account: str) -> None:
    """What has left is unknown, like what never was."""
    show = CommandLine(stage.variables)
    gone = show("reservation", "show", order_id("denied", 0), "--account", account)
    assert (3, True) == (gone.code, "has no reservation" in gone.stderr)
    there = show("reservation", "show", order_id("held", 0), "--account", account)
    assert 0 == there.code, there.stderr


def check_order_again(stage: Stage, account: str) -> None:
    """The same order, later: versions begin at 1, and what was paid is forgotten."""
    for ending in ("ghost", "settled"):
        stage.send([ordered(account, ending, 0, stage.clock.now_ms())])
    stage.wait_until_settled()
    for ending in ("ghost", "settled"):
        again = newest(stage)[f"{account}/{order_id(ending, 0)}".encode()]
        body = json.loads(again.value or b"")
        assert (1, "Authorized", None, None) == (
            *(body["version"], body["status"], body["previous_status"], body["paid_at"]),
        )


def check_rebuild(stage: Stage, worker: WorkerProcess) -> None:
    """Redis loses everything: what has left does not come back."""
    whole = contents(stage)
    reservations = [key for key in whole if "}:r:" in key]
    assert COPIES * 3 * len(stage.accounts()) + 2 == len(reservations)
    stage.empty_redis()
    shards = set(range(stage.topics.shards_total))
    wait_until(
        lambda: worker.rebuilt_shards() == shards,
        timeout_ms=TIMEOUT_MS,
        what=f"all shards are rebuilt\n{stage.last_words()}",
    )
    assert whole == contents(stage)
