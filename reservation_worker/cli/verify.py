"""``verify``: see online that the books agree, and have shards rebuilt where they do not."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reservation_worker.cli.options import AsJson, ConfigFile, DryRun, Reason, Yes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reservation_worker.cli.output import JsonValue
    from reservation_worker.settings.model import Settings
    from reservation_worker.verification import Difference, ShardVerdict

REBUILD_TIMEOUT_SECONDS = 3_600

Shards = Annotated[
    list[int] | None,
    typer.Option("--shard", min=0, help="A shard; again for more of them. Without it: all."),
]
Repair = Annotated[
    bool, typer.Option("--repair", help="Have the shards that differ rebuilt, and look again.")
]
Patience = Annotated[
    int,
    typer.Option(
        "--timeout-seconds",
        min=0,
        help="How long to wait for a shard to be whole, and for what Redis has to be published.",
    ),
]
Directory = Annotated[
    Path | None,
    typer.Option(help="Where temporary files are made; unset: where the system has its own."),
]


def verify(
    shards: Shards = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
    repair: Repair = False,
    reason: Reason = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    timeout_seconds: Patience = 30,
    directory: Directory = None,
) -> None:
    """See that the books agree, while traffic runs; nothing is written.

    Buckets and the sums of the lines, versions, Redis and the topics, indexes and what they stand
    for, outbox and position. Exit code 5: they differ; 3: a shard could not be verified.
    """
    from reservation_worker.cli.exit_codes import ExitCode
    from reservation_worker.cli.failures import CheckFailed, UsageFailed
    from reservation_worker.cli.options import read_settings
    from reservation_worker.cli.output import tell
    from reservation_worker.cli.rebuild import shards_wanted
    from reservation_worker.cli.run import log_to_stderr

    settings = read_settings(config_file)
    log_to_stderr(settings)
    if repair and not reason:
        raise UsageFailed("Say why: --repair --reason TEXT goes on the record.")
    wanted = shards_wanted(shards, settings)
    verdicts = _verdicts(settings, wanted, timeout_seconds, directory)
    mended = [one.findings.shard for one in verdicts if one.findings.can_be_mended]
    if repair and mended:
        _tell_differences(verdicts)
        if _rebuild(settings, mended, reason or "", yes=yes, dry_run=dry_run):
            again = _verdicts(settings, mended, timeout_seconds, directory)
            verdicts = [one for one in verdicts if one.findings.shard not in mended] + again
    _show(verdicts, as_json=as_json)
    if any(one.findings.differences_total for one in verdicts):
        _tell_what_next(verdicts)
        raise typer.Exit(ExitCode.PROOF_FAILED)
    unverified = [
        f"Shard {one.findings.shard}: {one.unverified}"
        for one in verdicts
        if one.unverified is not None
    ]
    if unverified:
        raise CheckFailed("Not all shards could be verified:", tuple(unverified))
    tell("The books agree.")


def _verdicts(
    settings: "Settings", shards: "Sequence[int]", timeout_seconds: int, directory: Path | None
) -> "list[ShardVerdict]":
    from reservation_worker.cli.dependencies import reaching_kafka, reaching_redis
    from reservation_worker.cli.output import teller
    from reservation_worker.composition import open_verification
    from reservation_worker.verification import VerificationConfig, verify_shard

    config = VerificationConfig(
        shards_total=settings.topics.shards_total, patience_ms=timeout_seconds * 1000
    )
    with (
        reaching_kafka(settings),
        reaching_redis(settings),
        open_verification(settings, directory, teller()) as parts,
    ):
        return [verify_shard(config, parts, shard) for shard in shards]


def _rebuild(
    settings: "Settings", shards: list[int], reason: str, *, yes: bool, dry_run: bool
) -> bool:
    """Have shards rebuilt; False: that was not wanted."""
    from reservation_worker.cli.options import ask
    from reservation_worker.cli.output import tell
    from reservation_worker.cli.rebuild import rebuild_shards

    named = ", ".join(map(str, shards))
    if dry_run:
        tell(f"Would rebuild {len(shards)} shards: {named}.")
        return False
    ask(f"Rebuild {len(shards)} shards: {named}?", yes=yes)
    rebuild_shards(settings, shards, reason, REBUILD_TIMEOUT_SECONDS).check()
    tell(f"Rebuilt {len(shards)} shards: {named}. They are verified again.")
    return True


def _tell_differences(verdicts: "Sequence[ShardVerdict]") -> None:
    """Say what is going to be mended; the data on stdout is what is found afterwards."""
    from reservation_worker.cli.output import tell

    for one in (one for verdict in verdicts for one in verdict.findings.differences):
        tell(
            f"shard {one.shard}, {one.subject}, {one.field}: {one.expected} expected, "
            f"{one.found} found"
        )


def _tell_what_next(verdicts: "Sequence[ShardVerdict]") -> None:
    from reservation_worker.cli.output import tell

    if any(one.findings.can_be_mended for one in verdicts):
        tell("Next: reservation-worker verify --repair --reason TEXT")
    beyond = [
        str(one.findings.shard)
        for one in verdicts
        if one.findings.differences_total and not one.findings.can_be_mended
    ]
    if beyond:
        tell(
            f"The topics of shards {', '.join(beyond)} contradict themselves: a rebuild would "
            "restore that. Find out who has written to them."
        )


def _show(verdicts: "Sequence[ShardVerdict]", *, as_json: bool) -> None:
    from reservation_worker.cli.output import tell, write_json, write_table

    checked: Counter[str] = Counter()
    for verdict in verdicts:
        checked.update({check.value: times for check, times in verdict.findings.checked.items()})
    differences = [one for verdict in verdicts for one in verdict.findings.differences]
    total = sum(verdict.findings.differences_total for verdict in verdicts)
    if as_json:
        write_json(
            {
                "checked": dict(checked),
                "differences_total": total,
                "differences": [_difference(one) for one in differences],
                "unverified": {
                    str(one.findings.shard): one.unverified
                    for one in verdicts
                    if one.unverified is not None
                },
            }
        )
        return
    write_table(("checked", "times"), sorted(checked.items()))
    if not total:
        return
    write_table(
        ("check", "shard", "of", "field", "expected", "found"),
        [tuple(_difference(one).values()) for one in differences],
    )
    if total > len(differences):
        tell(f"{total - len(differences)} more differences are not named.")


def _difference(one: "Difference") -> "dict[str, JsonValue]":
    return {
        "check": one.check.value,
        "shard": one.shard,
        "subject": one.subject,
        "field": one.field,
        "expected": one.expected,
        "found": one.found,
    }
