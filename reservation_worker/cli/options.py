"""Options that several commands share."""

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from reservation_worker.settings.model import Settings

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="A TOML file of settings.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
Reason = Annotated[
    str | None,
    typer.Option("--reason", help="Why; the shards' owners log it.", show_default=False),
]
Account = Annotated[
    str | None,
    typer.Option(help="The account; unset: the default account.", show_default=False),
]


class EventKind(StrEnum):
    """The events that are read, by the default names of their topics."""

    ORDER_COMPLETED = "order-completed"
    PAYMENT_APPROVED = "payment-approved"
    ORDER_INVOICED = "order-invoiced"
    ORDER_CANCELED = "order-canceled"
    INVENTORY_UPDATED = "inventory-updated"


def read_settings(config_file: Path | None, overrides: dict[str, Any] | None = None) -> "Settings":
    """Read the settings of a command.

    Raises:
        SettingsInvalid: they cannot be used.
    """
    from reservation_worker.settings.loading import load_settings

    let_clients_speak_on_stderr()
    return load_settings(config_file, overrides, _further_problems)


def let_clients_speak_on_stderr() -> None:
    """Data is on stdout; what clients say by themselves belongs beside it, unless it has a log."""
    import structlog

    if not structlog.is_configured():
        structlog.configure(logger_factory=lambda *_names: structlog.PrintLogger(sys.stderr))


def _further_problems(settings: "Settings") -> Iterator[str]:
    from reservation_worker.cli.client_options import refused_client_options
    from reservation_worker.settings.certificate_files import broken_files

    problems = [*broken_files(settings)]
    yield from problems
    # The library would say the same of these files, less clearly.
    yield from () if problems else refused_client_options(settings)


def ask(question: str, *, yes: bool) -> None:
    """Go on only if somebody says yes, or has said so before.

    Raises:
        UsageFailed: nobody is there to be asked.
        Exit: the answer is no.
    """
    from reservation_worker.cli.failures import UsageFailed

    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageFailed("Nobody is there to be asked: add --yes, or --dry-run to only look.")
    if not typer.confirm(question, err=True):
        raise typer.Exit


def account_named(account: str | None, settings: "Settings") -> str:
    """Return the account that a command is about.

    Raises:
        UsageFailed: none was named, and there is no default one.
    """
    from reservation_worker.cli.failures import UsageFailed

    named = account or settings.default_account
    if named is None:
        raise UsageFailed(
            "Name the account: --account NAME, or RESERVATION_DEFAULT_ACCOUNT for all commands."
        )
    return named
