"""``schemas``: the JSON Schemas of all events."""

from pathlib import Path
from typing import Annotated

import typer

Directory = Annotated[Path, typer.Argument(help="Where the schema files are.")]
DEFAULT_DIRECTORY = Path("schemas")


def commands() -> typer.Typer:
    """Return the group."""
    group = typer.Typer(help="JSON Schemas of the events read and written.", no_args_is_help=True)
    group.command("export")(export_schemas)
    group.command("check")(check_schemas)
    return group


def export_schemas(directory: Directory = DEFAULT_DIRECTORY) -> None:
    """Write the schema of every event into a directory."""
    from reservation_worker.cli.output import tell, write_line
    from reservation_worker.contracts.schemas import export

    for path in export(directory):
        write_line(str(path))
    tell(f"Next: reservation-worker schemas check {directory}")


def check_schemas(directory: Directory = DEFAULT_DIRECTORY) -> None:
    """Check that the files in a directory are those that this release exports."""
    from reservation_worker.cli.failures import CheckFailed
    from reservation_worker.cli.output import tell
    from reservation_worker.contracts.schemas import check

    outdated = check(directory)
    if outdated:
        raise CheckFailed(
            f"{len(outdated)} schema files are missing or outdated; "
            f"run: reservation-worker schemas export {directory}",
            outdated,
        )
    tell("All schemas are current.")
