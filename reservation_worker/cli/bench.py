"""``bench``: throughput, latency and growth, beside what the servers could do at most.

What only passes records through is a process of this same command line: `bench-pass-through`
is its, and hidden.
"""

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reservation_worker.cli.options import AsJson, ConfigFile, Yes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reservation_worker.benchmark.figures import Document
    from reservation_worker.benchmark.plan import Plan
    from reservation_worker.benchmark.show import Show
    from reservation_worker.settings.model import Settings

FIGURES_FILE = "figures.json"
TABLE_FILE = "table.md"
LOGS_SHOWN = ("worker.log", "pass-through.log")
LOG_LINES_SHOWN = 10
NAME_BYTES = 4
"""Of what tells one call's accounts on given servers from another's."""


Scenarios = Annotated[
    list[str] | None,
    typer.Argument(help="What to measure; unset: the usual ones.", show_default=False),
]
Quick = Annotated[bool, typer.Option("--quick", help="A smoke of a minute or two.")]
Full = Annotated[bool, typer.Option("--full", help="All scenarios, at full size: takes hours.")]
Given = Annotated[
    bool, typer.Option("--given", help="On the servers of the settings, not on embedded ones.")
]
Runs = Annotated[int | None, typer.Option(min=1, help="Runs that count.", show_default=False)]
WarmUps = Annotated[int | None, typer.Option(min=0, help="Runs before them.", show_default=False)]
Seed = Annotated[
    int | None, typer.Option(min=0, help="Other facts with another one.", show_default=False)
]
Orders = Annotated[
    int | None, typer.Option(min=100, help="Of one run's backlog.", show_default=False)
]
Accounts = Annotated[
    int | None, typer.Option(min=1, max=1_000, help="That share the stocks.", show_default=False)
]
Rates = Annotated[
    str | None, typer.Option(help="Facts per second, as 500,2000.", show_default=False)
]
Seconds = Annotated[int | None, typer.Option(min=1, help="Of a run at a rate.", show_default=False)]
Live = Annotated[
    str | None, typer.Option(help="Live reservations, as 10000,1000000.", show_default=False)
]
DeadlinesTotal = Annotated[
    int | None, typer.Option(min=100, help="Due at one moment.", show_default=False)
]
WorkersTotals = Annotated[
    str | None, typer.Option(help="Worker processes, as 1,2,4.", show_default=False)
]
VerifyRate = Annotated[
    int | None, typer.Option(min=0, help="Facts per second beside verify.", show_default=False)
]
Apart = Annotated[bool, typer.Option("--apart", help="A process for each role of a worker.")]
Plots = Annotated[
    Path | None, typer.Option(help="Write PNG and SVG files there.", show_default=False)
]
Report = Annotated[
    Path | None,
    typer.Option(help="Write figures, tables and SVG files there.", show_default=False),
]


def bench(
    scenarios: Scenarios = None,
    quick: Quick = False,
    full: Full = False,
    given: Given = False,
    runs: Runs = None,
    warm_ups: WarmUps = None,
    seed: Seed = None,
    orders: Orders = None,
    accounts: Accounts = None,
    rates: Rates = None,
    seconds: Seconds = None,
    live: Live = None,
    deadlines: DeadlinesTotal = None,
    workers: WorkersTotals = None,
    verify_rate: VerifyRate = None,
    apart: Apart = False,
    as_json: AsJson = False,
    plots: Plots = None,
    report: Report = None,
    config_file: ConfigFile = None,
    yes: Yes = False,
) -> None:
    """Measure the worker on real servers, and in the same run what the servers could do."""
    from reservation_worker.cli.failures import UsageFailed

    if quick and full:
        raise UsageFailed("Either --quick or --full, not both.")
    chosen = {
        "runs": runs,
        "warm_ups": warm_ups,
        "seed": seed,
        "orders": orders,
        "accounts": accounts,
        "rates": _numbers(rates, "--rates"),
        "seconds": seconds,
        "live": _numbers(live, "--live"),
        "deadlines": deadlines,
        "workers": _numbers(workers, "--workers"),
        "verify_rate": verify_rate,
        "is_apart": apart or None,
    }
    plan = _plan(
        "quick" if quick else "full" if full else "default", scenarios, chosen, given=given
    )
    _check_outputs(plots, report)
    document = _measure_given(plan, config_file, yes=yes) if given else _measure_embedded(plan)
    _write(document, plots, report, as_json=as_json)


def _plan(
    size: str, scenarios: list[str] | None, chosen: "Mapping[str, object]", *, given: bool
) -> "Plan":
    """Return what is to be measured.

    Raises:
        UsageFailed: there is no such scenario, or it is not for given servers.
    """
    from dataclasses import replace
    from typing import Any

    from reservation_worker.benchmark import plan as plans
    from reservation_worker.cli.failures import UsageFailed

    sizes = {"quick": plans.QUICK, "full": plans.FULL, "default": plans.DEFAULT}
    numbers: dict[str, Any] = {name: one for name, one in chosen.items() if one is not None}
    if "live" in numbers:
        numbers |= dict.fromkeys(("rebuild_live", "verify_live"), max(numbers["live"]))
    plan = replace(sizes[size], **numbers)
    if scenarios:
        unknown = [name for name in scenarios if name not in list(plans.Scenario)]
        if unknown:
            raise UsageFailed(
                f"There is no scenario {unknown[0]}; there are: {', '.join(plans.Scenario)}."
            )
        wanted = [one for one in plans.Scenario if one in scenarios]
        plan = replace(plan, scenarios=tuple(wanted))
    if given:
        refused = [one for one in plan.scenarios if one not in plans.ON_GIVEN_SERVERS]
        if scenarios and refused:
            raise UsageFailed(
                f"{', '.join(refused)}: only on embedded servers, for Redis is filled or loses "
                "everything there, or another one is needed."
            )
        wanted = [one for one in plan.scenarios if one in plans.ON_GIVEN_SERVERS]
        plan = replace(plan, scenarios=tuple(wanted))
    return plan


def _numbers(text: str | None, option: str) -> tuple[int, ...] | None:
    from reservation_worker.cli.failures import UsageFailed

    if text is None:
        return None
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and int(part) for part in parts):
        raise UsageFailed(f"{option} takes whole numbers above 0, separated by commas: 1,2,4")
    return tuple(int(part) for part in parts)


def _check_outputs(plots: Path | None, report: Path | None) -> None:
    """Refuse before anything is measured what could not be written afterwards.

    Raises:
        UsageFailed: what draws is not installed.
    """
    from reservation_worker.benchmark.plots import PlotsNotInstalled, check_installed
    from reservation_worker.cli.failures import UsageFailed

    if plots is None and report is None:
        return
    try:
        check_installed()
    except PlotsNotInstalled as error:
        raise UsageFailed(str(error)) from None


def _measure_embedded(plan: "Plan") -> "Document":
    from tempfile import TemporaryDirectory

    from reservation_worker.benchmark.conditions import conditions
    from reservation_worker.benchmark.figures import Document
    from reservation_worker.benchmark.place import Place
    from reservation_worker.benchmark.scenarios import measure_embedded
    from reservation_worker.benchmark.stage import broker
    from reservation_worker.cli.release import release_version

    with (
        TemporaryDirectory("-reservation-worker-bench") as home,
        _shown(plan) as show,
        _given_up(Path(home)),
    ):
        show.say("starting Kafka")
        with broker(Path(home), show.say) as kafka:
            settings = Place(Path(home), kafka.bootstrap_servers).settings()
            _log_warnings(settings)
            document = Document(conditions(plan, settings, _command(), release_version(), None))
            return measure_embedded(Path(home), kafka, plan, show, document)


def _measure_given(plan: "Plan", config_file: Path | None, *, yes: bool) -> "Document":
    import secrets
    from tempfile import TemporaryDirectory

    from redis import Redis

    from reservation_worker.benchmark.conditions import conditions
    from reservation_worker.benchmark.figures import Document
    from reservation_worker.benchmark.place import Place
    from reservation_worker.benchmark.scenarios import measure_given
    from reservation_worker.cli.options import ask, read_settings
    from reservation_worker.cli.output import tell
    from reservation_worker.cli.release import release_version
    from reservation_worker.cli.run import check_dependencies
    from reservation_worker.composition import build_redis_client

    settings = read_settings(config_file)
    shops = f"benchmark-{secrets.token_hex(NAME_BYTES)}"
    tell(
        f"This sends facts of the accounts {shops}-0 and so on to the topics of the settings, on "
        f"{settings.kafka.bootstrap_servers}, with all that follows for whoever reads the topics "
        "written; their reservations stay in Redis. No other worker of the group "
        f"{settings.kafka.group_id} should run. Topics with -passed-through behind their names "
        "are created, and deleted at the end. Nothing else is deleted."
    )
    ask("Measure there?", yes=yes)
    check_dependencies(settings)
    _log_warnings(settings)
    client = build_redis_client(settings)
    with (
        TemporaryDirectory("-reservation-worker-bench") as home,
        _shown(plan) as show,
        _given_up(Path(home)),
    ):
        place = Place(
            Path(home),
            settings.kafka.bootstrap_servers,
            config_file=None if config_file is None else config_file.absolute(),
            shops=shops,
        )
        asked = client if isinstance(client, Redis) else None
        document = Document(conditions(plan, settings, _command(), release_version(), asked))
        return measure_given(place, plan, show, document)


@contextmanager
def _shown(plan: "Plan") -> "Iterator[Show]":
    from rich.console import Console

    from reservation_worker.benchmark.show import Show

    with Show(Console(stderr=True, highlight=False), len(plan.scenarios)) as show:
        yield show


@contextmanager
def _given_up(home: Path) -> "Iterator[None]":
    """Say why a measurement is worth nothing, and what its processes wrote last.

    Raises:
        CheckFailed: it stalled, or a worker did not run.
        Exit: units were sold wrongly.
    """
    from reservation_worker.benchmark.sold import SoldWrong
    from reservation_worker.benchmark.stage import Stalled
    from reservation_worker.benchmark.workers import NotReady
    from reservation_worker.cli.exit_codes import ExitCode
    from reservation_worker.cli.failures import CheckFailed
    from reservation_worker.cli.output import tell

    try:
        yield
    except SoldWrong as error:
        tell(str(error))
        raise typer.Exit(ExitCode.PROOF_FAILED) from None
    except (Stalled, NotReady) as error:
        lines = [
            f"{path.name}: {line}"
            for path in sorted(home.rglob("*.log"))
            if path.name in LOGS_SHOWN
            for line in path.read_text("utf-8", "replace").splitlines()[-LOG_LINES_SHOWN:]
        ]
        raise CheckFailed(f"The measurement was given up: {error}.", tuple(lines)) from None


def _log_warnings(settings: "Settings") -> None:
    """Write the log lines of this process that matter to stderr."""
    from reservation_worker.cli.run import log_to_stderr

    quiet = settings.process.model_copy(update={"log_level": "warning"})
    log_to_stderr(settings.model_copy(update={"process": quiet}))


def _command() -> str:
    import shlex

    return shlex.join(("reservation-worker", *sys.argv[1:]))


def _write(document: "Document", plots: Path | None, report: Path | None, *, as_json: bool) -> None:
    import msgspec

    from reservation_worker.benchmark.plots import draw
    from reservation_worker.benchmark.tables import markdown
    from reservation_worker.cli.output import tell, write_line

    figures = msgspec.json.encode(document)
    if plots is not None:
        draw(document, plots, ("png", "svg"))
        tell(f"Plots: {plots}")
    if report is not None:
        drawn = draw(document, report, ("svg",))
        (report / FIGURES_FILE).write_bytes(msgspec.json.format(figures, indent=2) + b"\n")
        (report / TABLE_FILE).write_text(markdown(document, drawn), "utf-8")
        tell(f"Figures, tables and plots: {report / TABLE_FILE}")
    if as_json:
        write_line(figures.decode())
    else:
        _show_tables(document)
    tell("Again: " + document.conditions.command)


def _show_tables(document: "Document") -> None:
    from rich.console import Console
    from rich.table import Table

    from reservation_worker.benchmark.tables import conditions, sections

    console = Console(highlight=False)
    for section in sections(document):
        table = Table(title=section.title, title_justify="left")
        for number, heading in enumerate(section.headings):
            table.add_column(heading, justify="left" if number == 0 else "right")
        for row in section.rows:
            table.add_row(*row)
        console.print(table)
    table = Table(title="Conditions", title_justify="left", show_header=False)
    for row in conditions(document):
        table.add_row(*row)
    console.print(table)
    if document.ratio_to_lua_ceiling is not None:
        console.print(f"Ratio to the step script alone: {document.ratio_to_lua_ceiling}")


def bench_pass_through(
    plan: Annotated[Path, typer.Argument(help="What is to be done.")],
    config_file: ConfigFile = None,
) -> None:
    """Read records and write as many, in transactions, with no work between."""
    from reservation_worker.benchmark.pass_through import pass_through, read_plan
    from reservation_worker.cli.options import read_settings

    pass_through(read_settings(config_file), read_plan(plan))
