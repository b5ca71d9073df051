"""``demo``: a shop's day on real servers, with crashes, ended by the auditor's proof.

Its workers and its auditor are processes of this same command line: `demo-worker` and
`demo-auditor` are theirs, and hidden.
"""

import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TYPE_CHECKING, Annotated

import typer

from reservation_worker.cli.options import AsJson

if TYPE_CHECKING:
    from reservation_worker.audit.verdict import Verdict
    from reservation_worker.demo.play import Played
    from reservation_worker.demo.sabotage import Sabotage
    from reservation_worker.demo.stage import Commands

SEEDS = 1_000_000
LEAD_MS = 300
"""Between the moment when the day is written and the moment when it begins."""

SabotageName = Annotated[
    str | None,
    typer.Option("--sabotage", help="Plant a bug that the auditor must find.", show_default=False),
]


def demo(
    seed: Annotated[
        int | None, typer.Option(help="Repeats a day; unset: another one.", show_default=False)
    ] = None,
    sabotage: SabotageName = None,
    as_json: AsJson = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep data and logs, and say where.")
    ] = False,
) -> None:
    """Play a shop's day in about a minute, and let an auditor judge it: exit code 0 or 5."""
    import secrets

    from reservation_worker.cli.output import tell

    planted = _sabotage_named(sabotage)
    day_seed = secrets.randbelow(SEEDS) if seed is None else seed
    with ExitStack() as stack:
        if keep:
            directory = Path(mkdtemp("-reservation-worker-demo"))
            tell(f"Data and logs are kept in {directory}")
        else:
            directory = Path(stack.enter_context(TemporaryDirectory("-reservation-worker-demo")))
        played, verdict = _play(day_seed, planted, directory)
    _finish(day_seed, planted, played, verdict, as_json=as_json)


def _sabotage_named(name: str | None) -> "Sabotage | None":
    from reservation_worker.cli.failures import UsageFailed
    from reservation_worker.demo.sabotage import Sabotage

    if name is None:
        return None
    if name not in list(Sabotage):
        raise UsageFailed(f"There is no sabotage {name}; there are: {', '.join(Sabotage)}.")
    return Sabotage(name)


def _play(seed: int, sabotage: "Sabotage | None", directory: Path) -> "tuple[Played, Verdict]":
    from rich.console import Console

    from reservation_worker.cli.options import let_clients_speak_on_stderr
    from reservation_worker.composition import build_clock
    from reservation_worker.demo.day import write_day
    from reservation_worker.demo.play import Play
    from reservation_worker.demo.show import Show
    from reservation_worker.demo.stage import Stage

    let_clients_speak_on_stderr()
    clock = build_clock()
    with Show(Console(stderr=True, highlight=False)) as show:
        planted = "" if sabotage is None else f", sabotaged by {sabotage}"
        show.chapter(f"setting the stage for day {seed}{planted}")
        with Stage(directory, _commands(sabotage), clock, show.say) as stage:
            day = write_day(seed, clock.now_ms() + LEAD_MS)
            played = Play(day, stage, show, clock).run()
            stage.end_workers()
            show.chapter("the workers have drained and ended; the auditor judges the topics")
            return played, stage.auditor.verdict()


def _commands(sabotage: "Sabotage | None") -> "Commands":
    from reservation_worker.demo.stage import Commands

    program = (sys.executable, "-m", "reservation_worker")
    worker = ("run",) if sabotage is None else ("demo-worker", "--sabotage", sabotage.value)
    return Commands(
        topics=(*program, "topics", "apply", "--yes"),
        worker=(*program, *worker),
        auditor=(*program, "demo-auditor"),
    )


def _finish(
    seed: int,
    sabotage: "Sabotage | None",
    played: "Played",
    verdict: "Verdict",
    *,
    as_json: bool,
) -> None:
    from dataclasses import asdict

    from rich.console import Console

    from reservation_worker.cli.exit_codes import ExitCode
    from reservation_worker.cli.output import tell, write_json
    from reservation_worker.demo.show import show_verdict

    repeat = f"reservation-worker demo --seed {seed}"
    if sabotage is not None:
        repeat += f" --sabotage {sabotage}"
    if as_json:
        laws = [{**asdict(law), "holds": law.holds} for law in verdict.laws]
        write_json({"seed": seed, **asdict(played), "holds": verdict.holds, "laws": laws})
    else:
        show_verdict(verdict, Console(highlight=False))
    if not played.is_quiet:
        tell("The day did not come to rest in time: the verdict was given on unfinished work.")
    if not verdict.holds:
        tell(f"This day again, with all data and logs kept: {repeat} --keep")
        raise typer.Exit(ExitCode.PROOF_FAILED)
    tell(f"This day again: {repeat}")
    tell("Next: reservation-worker demo --sabotage refusal-not-recorded, which must fail;")
    tell("or reservation-worker dev, to try things out yourself.")


# ---- the processes of the demo


def demo_worker(sabotage: SabotageName = None) -> None:
    """Run a worker with a bug planted in it."""
    from reservation_worker.cli.options import read_settings
    from reservation_worker.cli.run import RunRole, leave, log_to_stderr, run_worker
    from reservation_worker.composition import (
        Surroundings,
        build_clock,
        build_redis_client,
        deadlines_config,
        read_deployment,
        store_config,
    )
    from reservation_worker.demo.sabotage import sabotaged_log, sabotaged_store
    from reservation_worker.worker import StopSignals

    planted = _sabotage_named(sabotage)
    settings = read_settings(None)
    log_to_stderr(settings)
    deployment = read_deployment(settings)
    signals = StopSignals()
    signals.install()
    surroundings = Surroundings()
    if planted is not None:
        clock, grace_ms = build_clock(), deadlines_config(settings).grace_ms
        surroundings = Surroundings(
            store=lambda _store: sabotaged_store(
                planted,
                build_redis_client(settings),
                store_config(settings, deployment),
                clock,
                grace_ms,
            ),
            input_log=lambda log: sabotaged_log(planted, log),
        )
    leave(run_worker(settings, RunRole.ALL, signals, surroundings))


def demo_auditor() -> None:
    """Follow the topics until standard input ends, then judge them."""
    from threading import Event, Thread

    from reservation_worker.adapters.kafka.reader import TopicReader
    from reservation_worker.audit.topics import AuditConfig
    from reservation_worker.cli.options import read_settings
    from reservation_worker.cli.run import log_to_stderr
    from reservation_worker.composition import (
        build_clock,
        build_decoder,
        deadlines_config,
        event_topics,
        input_topics,
        kafka_config,
        store_config,
    )
    from reservation_worker.demo.auditor import AuditorParts, follow_and_judge

    settings = read_settings(None)
    log_to_stderr(settings)
    outputs = {name: topic for topic, name in event_topics(settings).items()}
    dead_letters = settings.topics.dead_letter
    reader = TopicReader(kafka_config(settings), (*input_topics(settings), *outputs, dead_letters))

    def config_at(now_ms: int) -> AuditConfig:
        return AuditConfig(
            shards_total=settings.topics.shards_total,
            output_topics=outputs,
            dead_letter_topic=dead_letters,
            grace_ms=deadlines_config(settings).grace_ms,
            audited_at_ms=now_ms,
            expiry_delay_max_ms=EXPIRY_DELAY_MAX_MS,
            settled_entries_max=store_config(settings).settled_entries_max,
            over_retention_ms=settings.retention.over_seconds * 1000,
            awaiting_retention_ms=settings.retention.awaiting_seconds * 1000,
        )

    told = Event()

    def listen() -> None:
        sys.stdin.buffer.read()
        told.set()

    def write(line: bytes) -> None:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()

    Thread(target=listen, name="listener", daemon=True).start()
    parts = AuditorParts(reader, build_decoder(settings), config_at, build_clock())
    follow_and_judge(parts, told, write)
    reader.close()


EXPIRY_DELAY_MAX_MS = 10_000
"""At the end of the demo no deadline may be overdue for longer: it has waited for all of them."""
