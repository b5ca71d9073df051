"""The command line on a real Kafka and a real Valkey, from empty servers to a shipped order."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.cli.command import CommandLine
from tests.waiting import wait_until

TOPICS = (
    "ORDER_COMPLETED",
    "PAYMENT_APPROVED",
    "ORDER_INVOICED",
    "ORDER_CANCELED",
    "INVENTORY_UPDATED",
    "RESERVATION_CHANGED",
    "ACKNOWLEDGED_RESERVATION",
    "STOCK_CHANGED",
    "DEAD_LETTER",
    "SHARDS",
)
START_TIMEOUT_MS = 30_000
END_TIMEOUT_SECONDS = 90


@pytest.fixture
def shop(kafka: str, empty_valkey: str, unique_name: Callable[[str], str]) -> CommandLine:
    """Give a command line with topics and a group that no other test uses."""
    topics = {f"RESERVATION_TOPICS__{topic}": unique_name(topic.lower()) for topic in TOPICS}
    return CommandLine(
        {
            **topics,
            "RESERVATION_TOPICS__SHARDS_TOTAL": "2",
            "RESERVATION_TOPICS__INPUT_PARTITIONS": "2",
            "RESERVATION_KAFKA__BOOTSTRAP_SERVERS": kafka,
            "RESERVATION_KAFKA__GROUP_ID": unique_name("group"),
            "RESERVATION_REDIS__URL": empty_valkey,
            "RESERVATION_HTTP__PORT": "0",
            "RESERVATION_DEFAULT_ACCOUNT": "acme",
        }
    )


@pytest.fixture
def processes() -> Iterator[ExitStack]:
    """End at the end what a failed test has left running."""
    with ExitStack() as stack:
        yield stack


def started(
    processes: ExitStack, shop: CommandLine, log: Path, *arguments: str
) -> "subprocess.Popen[bytes]":
    """Start a command that goes on."""
    process = shop.start(*arguments, log=log)
    processes.callback(process.wait, END_TIMEOUT_SECONDS)
    processes.callback(process.kill)
    return process


def is_ready(log: Path) -> bool:
    """Tell whether the worker with this log answers that it is ready."""
    for line in log.read_text("utf-8").splitlines():
        if '"http_server_started"' in line:
            port = json.loads(line)["port"]
            try:
                with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=20) as response:
                    return bool(response.status == 200)
            except HTTPError:
                return False
    return False


def shown(shop: CommandLine, *arguments: str) -> dict[str, Any]:
    """Return what a command shows as JSON; nothing where there is nothing."""
    ended = shop(*arguments, "--json")
    shown: dict[str, Any] = json.loads(ended.stdout) if ended.code == 0 else {}
    return shown


def test_topics_are_planned_created_once_and_then_left_alone(shop: CommandLine) -> None:
    """Nothing is created behind the user's back, and applying again is harmless."""
    planned = shop("topics", "plan", "--json")
    assert 0 == planned.code
    assert len(TOPICS) == len(json.loads(planned.stdout)["create"])

    assert 2 == shop("topics", "apply").code, "nobody was there to say yes"
    assert len(TOPICS) == len(json.loads(shop("topics", "plan", "--json").stdout)["create"])
    assert 0 == shop("topics", "apply", "--yes").code
    assert [] == json.loads(shop("topics", "plan", "--json").stdout)["create"]
    assert 0 == shop("topics", "apply", "--yes").code


def test_another_number_of_shards_is_refused(shop: CommandLine) -> None:
    """Each account's shard would be another one, and its history in another partition."""
    assert 0 == shop("topics", "apply", "--yes").code
    changed = CommandLine({**shop.variables, "RESERVATION_TOPICS__SHARDS_TOTAL": "3"})
    assert 3 == changed("topics", "plan").code
    ended = changed("run")
    assert 3 == ended.code
    assert "2 partitions" in ended.stderr


def test_run_refuses_to_keep_reservations_no_longer_than_records(shop: CommandLine) -> None:
    """A payment read again after its order was forgotten would count twice."""
    assert 0 == shop("topics", "apply", "--yes").code
    hasty = CommandLine({**shop.variables, "RESERVATION_RETENTION__OVER_SECONDS": "1209600"})
    ended = hasty("run")
    assert 3 == ended.code
    assert "retention.over_seconds is 1209600" in ended.stderr
    assert "keeps records for up to 1814400 seconds" in ended.stderr
    assert "retention.awaiting_seconds" not in ended.stderr


def test_run_refuses_to_start_without_its_topics(shop: CommandLine) -> None:
    """It says how to create them."""
    ended = shop("run")
    assert 3 == ended.code
    assert "reservation-worker topics apply" in ended.stderr
    ended = shop("event", "send", "order-completed", "--sample")
    assert 4 == ended.code
    assert "reservation-worker topics apply" in ended.stderr


def test_an_order_goes_from_its_event_to_its_delivery(
    shop: CommandLine, processes: ExitStack, tmp_path: Path
) -> None:
    """Two processes, one role each, do what one with both does; SIGTERM ends each with 0."""
    assert 0 == shop("topics", "apply", "--yes").code
    logs = {role: tmp_path / f"{role}.log" for role in ("apply", "publish")}
    workers = [started(processes, shop, log, "run", "--role", role) for role, log in logs.items()]
    for role, log in logs.items():
        wait_until(lambda log=log: is_ready(log), timeout_ms=START_TIMEOUT_MS, what=f"{role} ready")  # type: ignore[misc]

    sent = shop("event", "send", "inventory-updated", "--sample", "--seed", "1", "--json")
    assert 0 == sent.code
    assert {"topic", "partition", "offset"} == json.loads(sent.stdout).keys()
    order = json.loads(shop("event", "sample", "order-completed", "--seed", "1").stdout)
    order_id, line = order["order_id"], order["lines"][0]
    stock = ("stock", "show", line["warehouse_id"], line["sku"])
    wait_until(
        lambda: shown(shop, *stock).get("on_hand", 0) > 0,
        timeout_ms=START_TIMEOUT_MS,
        what="the stock is counted",
    )
    for kind, status in (
        ("order-completed", "Authorized"),
        ("payment-approved", "Confirmed"),
        ("order-invoiced", "Acknowledged"),
    ):
        event = shop("event", "sample", kind, "--seed", "1").stdout
        assert 0 == shop("event", "send", kind, stdin=event).code
        wait_until(
            lambda status=status: (
                shown(shop, "reservation", "show", order_id).get("status")  # type: ignore[misc]
                == status
            ),
            timeout_ms=START_TIMEOUT_MS,
            what=f"the order is {status}",
        )
    assert line["quantity"] == shown(shop, *stock)["acknowledged"]
    assert "Acknowledged" in shop("reservation", "show", order_id).stdout
    assert 3 == shop("reservation", "show", "unknown").code

    before = shown(shop, *stock)
    assert 2 == shop("rebuild").code, "which shards?"
    assert 2 == shop("rebuild", "--shard", "2", "--yes").code, "there are two"
    assert 2 == shop("rebuild", "--all").code, "nobody was there to say yes"
    assert 0 == shop("rebuild", "--all", "--dry-run").code
    rebuilt = shop("rebuild", "--all", "--yes", "--json")
    assert (0, {"rebuilt": [0, 1], "not_rebuilt": []}) == (rebuilt.code, json.loads(rebuilt.stdout))
    assert before == shown(shop, *stock)
    assert 2 == logs["publish"].read_text("utf-8").count('"shard_rebuilt"')

    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    assert [0, 0] == [worker.wait(END_TIMEOUT_SECONDS) for worker in workers]
    unheard = shop("rebuild", "--shard", "0", "--yes", "--timeout-seconds", "1")
    assert 3 == unheard.code
    assert "is a worker running?" in unheard.stderr


def test_dev_brings_its_own_servers_and_takes_them_down_again(
    processes: ExitStack, tmp_path: Path
) -> None:
    """One command, and events can be sent; Ctrl-C, and nothing is left running."""
    alone = CommandLine({"RESERVATION_HTTP__PORT": "0"})
    log = tmp_path / "dev.log"
    home = tmp_path / "home"
    dev = started(processes, alone, log, "dev", "--directory", str(home), "--json")
    wait_until(lambda: is_ready(log), timeout_ms=2 * START_TIMEOUT_MS, what="dev is ready")
    addresses = json.loads(log.with_suffix(".out").read_text("utf-8"))
    settings_file = ("--config", addresses["settings_file"])

    assert 0 == alone("event", "send", "order-completed", "--sample", *settings_file).code
    order = ("reservation", "show", "v7300001-01", "--account", "acme", *settings_file)
    wait_until(
        lambda: shown(alone, *order).get("status") == "Denied",
        timeout_ms=START_TIMEOUT_MS,
        what="an order without any stock is denied",
    )

    dev.send_signal(signal.SIGINT)
    assert 0 == dev.wait(END_TIMEOUT_SECONDS)
    assert 4 == alone(*order).code
