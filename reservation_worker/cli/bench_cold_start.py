"""``bench-cold-start``: a first start on a backlog, beside the same without counts first.

Without the rule runs a hidden command: no setting and no switch in the worker turns it off.
"""

from typing import Annotated

import typer

from reservation_worker.cli.options import AsJson, ConfigFile

RECORDS = 100_000
WORKERS = 3


def bench_cold_start(
    records: Annotated[int, typer.Option(min=400, help="In five topics together.")] = RECORDS,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Started at once.")] = WORKERS,
    as_json: AsJson = False,
) -> None:
    """Start workers on a backlog, with counts first and without: refusals, and the time."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from reservation_worker.benchmark import cold_start
    from reservation_worker.cli.failures import CheckFailed

    def say(line: str) -> None:
        typer.echo(line, err=True)

    with TemporaryDirectory(prefix="reservation-cold-start-") as directory:
        found = cold_start.measure_cold_start(Path(directory), records, workers, say)
    ruled, unruled = found
    if as_json:
        typer.echo(cold_start.as_json(found))
    else:
        typer.echo(
            f"{ruled.records:,} records, {ruled.workers} workers. Counts first: "
            f"{ruled.orders_refused:,} of {ruled.orders:,} orders refused, {ruled.seconds:.1f} s. "
            f"Without: {unruled.orders_refused:,} refused, {unruled.seconds:.1f} s."
        )
    if ruled.orders_refused:
        raise CheckFailed("Orders were refused that the counts allow.")


def bench_unruled_worker(config_file: ConfigFile = None) -> None:
    """Run a worker that lets no count come first; for `bench-cold-start` only."""
    from reservation_worker.benchmark.cold_start import never_first
    from reservation_worker.cli.options import read_settings
    from reservation_worker.cli.run import (
        RunRole,
        check_dependencies,
        leave,
        log_to_stderr,
        run_worker,
    )
    from reservation_worker.composition import Surroundings
    from reservation_worker.worker import StopSignals

    settings = read_settings(config_file)
    log_to_stderr(settings)
    check_dependencies(settings)
    signals = StopSignals()
    signals.install()
    surroundings = Surroundings(counts_first=never_first)
    leave(run_worker(settings, RunRole.ALL, signals, surroundings))
