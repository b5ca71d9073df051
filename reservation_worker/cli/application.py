"""All commands, by group."""

from typing import Annotated

import typer

from reservation_worker.cli import (
    bench,
    bench_cold_start,
    config,
    demo,
    dev,
    event,
    rebuild,
    reservation,
    run,
    schemas,
    stock,
    topics,
    verify,
)


def application() -> typer.Typer:
    """Return the command line."""
    app = typer.Typer(
        help="Reserves stock for orders: facts in from Kafka, changes out, exactly once.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        # Its help takes twice as long to appear.
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    app.command("run")(run.run)
    app.command("demo")(demo.demo)
    app.command("demo-worker", hidden=True)(demo.demo_worker)
    app.command("demo-auditor", hidden=True)(demo.demo_auditor)
    app.command("bench")(bench.bench)
    app.command("bench-pass-through", hidden=True)(bench.bench_pass_through)
    app.command("bench-cold-start")(bench_cold_start.bench_cold_start)
    app.command("bench-unruled-worker", hidden=True)(bench_cold_start.bench_unruled_worker)
    app.command("dev")(dev.dev)
    app.add_typer(topics.commands(), name="topics")
    app.add_typer(event.commands(), name="event")
    app.add_typer(reservation.commands(), name="reservation")
    app.command("rebuild")(rebuild.rebuild)
    app.command("verify")(verify.verify)
    app.add_typer(stock.commands(), name="stock")
    app.add_typer(schemas.commands(), name="schemas")
    app.add_typer(config.commands(), name="config")
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        from reservation_worker.cli.release import release_version

        typer.echo(release_version())
        raise typer.Exit


def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    pass
