"""``event``: samples of the events that are read, and sending them."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reservation_worker.cli.options import AsJson, ConfigFile, EventKind

if TYPE_CHECKING:
    from reservation_worker.settings.model import Settings

DAY_MS = 24 * 60 * 60 * 1000
FLUSH_TIMEOUT_MS = 60_000
Kind = Annotated[EventKind, typer.Argument(help="Which kind of event.")]
Seed = Annotated[int, typer.Option(min=0, help="Events of one seed belong together.")]
SampleAccount = Annotated[str, typer.Option(help="The account of the events.")]
Count = Annotated[int, typer.Option(min=1, max=1_000_000, help="How many, from the seed on.")]


def commands() -> typer.Typer:
    """Return the group."""
    group = typer.Typer(help="Samples of events, and sending them.", no_args_is_help=True)
    group.command("sample")(sample_events)
    group.command("send")(send_events)
    return group


def sample_events(
    kind: Kind, seed: Seed = 1, account: SampleAccount = "acme", count: Count = 1
) -> None:
    """Write sample events, one line of JSON each."""
    from reservation_worker.cli.output import tell, write_line

    for value in _samples(kind, seed, account, count):
        write_line(value.decode())
    tell(f"Next: reservation-worker event send {kind.value} --sample --seed {seed}")


def send_events(
    kind: Kind,
    file: Annotated[
        Path | None,
        typer.Option(help="Events as JSON, one or one per line; unset: stdin.", show_default=False),
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Send sample events.")] = False,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Send also what a worker will refuse.")
    ] = False,
    seed: Seed = 1,
    account: SampleAccount = "acme",
    count: Count = 1,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Send events to their topic, wait until the brokers have them, and say where they are.

    Each is sent byte for byte, and before that read as a worker will read it.
    """
    from reservation_worker.cli.dependencies import reaching_kafka
    from reservation_worker.cli.failures import UsageFailed
    from reservation_worker.cli.given_events import (
        as_events,
        build_judge,
        check_events,
        headers_of,
        read_events,
    )
    from reservation_worker.cli.options import read_settings
    from reservation_worker.cli.output import tell, write_json, write_line
    from reservation_worker.composition import build_event_sender, build_topic_admin, topic_of
    from reservation_worker.contracts.inputs import FactKind
    from reservation_worker.ports import BrokerUnavailable

    if sample and file is not None:
        raise UsageFailed("--sample and --file exclude each other.")
    settings = read_settings(config_file)
    # Of samples one stands for all: they differ in nothing that could be refused.
    events = as_events(_samples(kind, seed, account, 1)) if sample else read_events(file)
    if not unchecked:
        check_events(events, build_judge(settings, FactKind(kind.value)))
    values = _samples(kind, seed, account, count) if sample else (one.value for one in events)
    topic = topic_of(settings, FactKind(kind.value))
    # The brokers may create a topic that a producer asks for: so look at all of them first.
    with reaching_kafka(settings):
        if topic not in build_topic_admin(settings).partition_counts():
            raise BrokerUnavailable(
                f"the topic {topic} does not exist; `reservation-worker topics apply` creates it"
            )

    def report(topic: str, partition: int, offset: int) -> None:
        if as_json:
            write_json({"topic": topic, "partition": partition, "offset": offset})
        else:
            write_line(f"{topic} partition {partition} offset {offset}")

    last = b""
    with reaching_kafka(settings):
        sender = build_event_sender(settings, report)
        for value in values:
            sender.send(topic, None, value, headers_of(value))
            last = value
        sender.flush(FLUSH_TIMEOUT_MS)
    tell(f"Sent {sender.delivered_records} events to {topic}.")
    tell(f"Next: {_next_step(last, settings)}")


def _next_step(sent: bytes, settings: "Settings") -> str:
    """Return how to see what an event did; a CloudEvents envelope is looked into."""
    import shlex

    from reservation_worker.contracts.json_text import parse_object

    event = parse_object(sent)
    body = event.get("data", event) if isinstance(event, dict) else None
    if not isinstance(body, dict):
        return f"a worker will put it into {settings.topics.dead_letter}, with the reason"
    account = shlex.quote(str(body.get("account", settings.default_account or "ACCOUNT")))
    if "order_id" in body:
        order_id = shlex.quote(str(body["order_id"]))
        return f"reservation-worker reservation show {order_id} --account {account}"
    warehouse_id = shlex.quote(str(body.get("warehouse_id", "WAREHOUSE_ID")))
    sku = shlex.quote(str(body.get("sku", "SKU")))
    return f"reservation-worker stock show {warehouse_id} {sku} --account {account}"


def _samples(kind: EventKind, seed: int, account: str, count: int) -> Iterator[bytes]:
    from reservation_worker.composition import build_clock
    from reservation_worker.contracts.inputs import FactKind
    from reservation_worker.contracts.samples import sample_value

    # Of yesterday: what follows an order in the samples must not lie in the future.
    at_ms = build_clock().now_ms() - DAY_MS
    for number in range(seed, seed + count):
        yield sample_value(FactKind(kind.value), number, at_ms, account)
