"""``dev``: real servers and a worker on this machine, for trying things out."""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from reservation_worker.cli.options import AsJson, ConfigFile

SETTINGS_FILE = "settings.toml"


def dev(
    directory: Annotated[
        Path | None,
        typer.Option(help="Keep the data here; unset: nothing is kept.", show_default=False),
    ] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Start Kafka, Valkey and a worker, and keep them up until Ctrl-C."""
    from reservation_worker.cli.options import read_settings
    from reservation_worker.cli.output import tell
    from reservation_worker.cli.run import RunRole, leave, log_to_stderr, run_worker
    from reservation_worker.composition import build_topic_admin, topic_layout
    from reservation_worker.embedded.kafka import EmbeddedKafka
    from reservation_worker.embedded.valkey import EmbeddedValkey
    from reservation_worker.worker import StopSignals

    read_settings(config_file)
    with ExitStack() as stack:
        home = directory or Path(stack.enter_context(TemporaryDirectory("-reservation-worker")))
        home.mkdir(parents=True, exist_ok=True)
        tell("Starting Valkey and Kafka …")
        valkey = stack.enter_context(EmbeddedValkey(home / "valkey", append_fsync="always"))
        kafka = stack.enter_context(EmbeddedKafka(home / "kafka", progress=tell))
        settings = read_settings(
            config_file,
            {
                "kafka": {"bootstrap_servers": kafka.bootstrap_servers},
                "redis": {"url": valkey.url},
            },
        )
        admin = build_topic_admin(settings)
        admin.apply(admin.plan(topic_layout(settings)))
        _write_settings(home / SETTINGS_FILE, kafka.bootstrap_servers, valkey.url)
        _show(home / SETTINGS_FILE, kafka.bootstrap_servers, valkey.url, as_json=as_json)
        log_to_stderr(settings)
        signals = StopSignals()
        signals.install()
        code = run_worker(settings, RunRole.ALL, signals)
    leave(code)


def _write_settings(path: Path, bootstrap_servers: str, redis_url: str) -> None:
    """Let commands in another terminal use the same servers by ``--config``."""
    path.write_text(
        f'[kafka]\nbootstrap_servers = "{bootstrap_servers}"\n\n[redis]\nurl = "{redis_url}"\n',
        encoding="utf-8",
    )


def _show(path: Path, bootstrap_servers: str, redis_url: str, *, as_json: bool) -> None:
    from reservation_worker.cli.output import tell, write_json, write_line

    if as_json:
        write_json({"kafka": bootstrap_servers, "redis": redis_url, "settings_file": str(path)})
    else:
        write_line(f"Kafka     {bootstrap_servers}")
        write_line(f"Valkey    {redis_url}")
        write_line(f"settings  {path}")
    tell("Ctrl-C ends all of it. Next, in another terminal:")
    tell(f"  reservation-worker event send inventory-updated --sample --config {path}")
    tell(f"  reservation-worker event send order-completed --sample --config {path}")
    tell(f"  reservation-worker reservation show v7300001-01 --account acme --config {path}")
