"""What the command line does without any server."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reservation_worker.cli.options import EventKind
from reservation_worker.contracts.inputs import FactKind
from tests.cli.command import ROOT, CommandLine

HEAVY = (
    "confluent_kafka",
    "msgspec",
    "prometheus_client",
    "pydantic",
    "redis",
    "rich",
    "structlog",
)
LISTS_HEAVY_IMPORTS = f"""
import sys
from reservation_worker.cli import main
sys.argv = ["reservation-worker", "--help"]
try:
    main()
finally:
    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Give a port on which nobody listens."""
    with socket.socket() as claim:
        claim.bind(("127.0.0.1", 0))
        yield claim.getsockname()[1]


@pytest.fixture
def without_servers(closed_port: int) -> CommandLine:
    """Give a command line whose Kafka and Redis are not there."""
    return CommandLine(
        {
            "RESERVATION_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{closed_port}",
            "RESERVATION_KAFKA__REQUEST_TIMEOUT_MS": "500",
            "RESERVATION_REDIS__URL": f"redis://:hush-hush@127.0.0.1:{closed_port}/0",
        }
    )


def test_help_loads_nothing_that_is_slow() -> None:
    """Help that takes a second is not asked for twice; what a command needs, it loads itself."""
    process = subprocess.run(
        (sys.executable, "-c", LISTS_HEAVY_IMPORTS),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert "[]" == process.stderr.strip()
    assert 0 == process.returncode
    assert "Usage: reservation-worker" in process.stdout


def test_the_kinds_of_events_are_those_of_the_contracts() -> None:
    """They are written down twice, so that help need not load the contracts."""
    assert [kind.value for kind in FactKind] == [kind.value for kind in EventKind]


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("run", "--role", "king"),
        ("event", "send"),
        ("bench", "nonsense"),
        ("bench", "--quick", "--full"),
        ("bench", "--rates", "fast"),
        ("bench", "--workers", "0"),
        ("bench", "rebuild", "--given", "--yes"),
        ("bench", "cluster", "backlog", "--given", "--yes"),
        ("bench", "backlog", "--given"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_exits_with_2(arguments: tuple[str, ...]) -> None:
    """Scripts tell a mistake of theirs from a failure by the code."""
    assert 2 == CommandLine()(*arguments).code


def test_wrong_settings_exit_with_2_and_are_all_named() -> None:
    """An operator wants one list, and no traceback."""
    ended = CommandLine({"RESERVATION_HTTP__PORT": "x", "RESERVATION_NONSENSE": "1"})("run")
    assert 2 == ended.code
    assert [
        "The settings cannot be used:",
        "  RESERVATION_NONSENSE",
        "  http.port (RESERVATION",
    ] == [
        line[: len(line.split(": ", maxsplit=1)[0])].removesuffix("_HTTP__PORT)")
        for line in ended.stderr.splitlines()
    ]


def test_client_options_that_the_guarantees_own_exit_with_2() -> None:
    """They are settings like all others."""
    ended = CommandLine({"RESERVATION_KAFKA__EXTRA": '{"isolation.level": "read_uncommitted"}'})(
        "run"
    )
    assert 2 == ended.code
    assert "kafka.extra must not set isolation.level" in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("topics", "plan"),
        ("topics", "apply", "--yes"),
        ("event", "send", "order-completed", "--sample"),
        ("reservation", "show", "v1-01", "--account", "acme"),
        ("stock", "show", "main", "1", "--account", "acme"),
        ("verify",),
        ("bench", "backlog", "--given", "--yes"),
    ],
    ids=" ".join,
)
def test_a_server_that_is_not_there_exits_with_4_and_one_sentence(
    arguments: tuple[str, ...], without_servers: CommandLine, closed_port: int
) -> None:
    """The address that was tried is what the operator has to check; a password is not shown."""
    ended = without_servers(*arguments)
    assert 4 == ended.code
    assert "" == ended.stdout
    assert f"127.0.0.1:{closed_port} cannot be used: " in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
    assert "hush-hush" not in ended.stderr


def test_an_account_must_be_named_somehow(without_servers: CommandLine) -> None:
    """Guessing one would show another shop's order."""
    ended = without_servers("reservation", "show", "v1-01")
    assert 2 == ended.code
    assert "--account" in ended.stderr


def test_samples_of_one_seed_belong_together_and_are_the_data_on_stdout() -> None:
    """They can be piped into `event send`, or edited first."""
    order = CommandLine()("event", "sample", "order-completed", "--seed", "7")
    payment = CommandLine()("event", "sample", "payment-approved", "--seed", "7")
    assert json.loads(order.stdout)["order_id"] == json.loads(payment.stdout)["order_id"]
    assert "Next: " in order.stderr


@pytest.mark.parametrize("events", ["", "[1]", '{"a": 1}\nnot json\n'])
def test_what_is_not_an_event_is_not_sent(events: str, without_servers: CommandLine) -> None:
    """Nothing is sent, not even the lines before the broken one."""
    ended = without_servers("event", "send", "order-completed", stdin=events)
    assert 2 == ended.code


def test_exported_schemas_pass_their_check_until_one_is_changed(tmp_path: Path) -> None:
    """The check keeps the files in a repository current."""
    assert 0 == CommandLine()("schemas", "export", str(tmp_path)).code
    assert 0 == CommandLine()("schemas", "check", str(tmp_path)).code
    (tmp_path / "stock-changed.schema.json").write_text("{}", encoding="utf-8")
    ended = CommandLine()("schemas", "check", str(tmp_path))
    assert 3 == ended.code
    assert "stock-changed.schema.json" in ended.stderr


def test_settings_are_shown_without_secrets() -> None:
    """The output goes into tickets."""
    shop = CommandLine(
        {"RESERVATION_REDIS__PASSWORD": "hush-hush", "RESERVATION_KAFKA__GROUP_ID": "shop"}
    )
    for arguments in (("config", "show"), ("config", "show", "--json")):
        ended = shop(*arguments)
        assert 0 == ended.code
        assert "shop" in ended.stdout
        assert "hush-hush" not in ended.stdout
