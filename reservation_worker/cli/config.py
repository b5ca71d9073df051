"""``config``: the settings in effect, and their documentation."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from reservation_worker.cli.options import AsJson, ConfigFile


class Page(StrEnum):
    """Pages that are generated."""

    SETTINGS = "settings"
    METRICS = "metrics"


def commands() -> typer.Typer:
    """Return the group."""
    group = typer.Typer(help="The settings.", no_args_is_help=True)
    group.command("show")(show_settings)
    group.command("docs")(write_docs)
    return group


def show_settings(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show the settings in effect; secrets are not shown."""
    import json

    from reservation_worker.cli.options import read_settings
    from reservation_worker.cli.output import write_json, write_table
    from reservation_worker.settings.shown import shown_settings, shown_values

    settings = read_settings(config_file)
    if as_json:
        write_json(shown_settings(settings))
        return
    rows = [
        (setting.variable, json.dumps(value, ensure_ascii=False))
        for setting, value in shown_values(settings)
    ]
    write_table(("variable", "value"), rows)


def write_docs(
    page: Annotated[Page, typer.Option(help="Which page.")] = Page.SETTINGS,
    output: Annotated[
        Path | None, typer.Option(help="Write to a file, not to stdout.", show_default=False)
    ] = None,
) -> None:
    """Write the page of all settings, or of all metrics, as Markdown."""
    from reservation_worker.cli.output import tell, write_line
    from reservation_worker.settings.documentation import settings_page
    from reservation_worker.telemetry.documentation import metrics_page

    text = settings_page() if page is Page.SETTINGS else metrics_page()
    if output is None:
        write_line(text.rstrip("\n"))
    else:
        output.write_text(text, encoding="utf-8")
        tell(f"Wrote {output}.")
