"""What the pages say exists."""

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from typer.main import get_command

from reservation_worker.cli.application import application
from reservation_worker.settings.documentation import settings_page
from reservation_worker.settings.model import ENVIRONMENT_PREFIX, NESTING
from reservation_worker.settings.names import FILE_SUFFIX, all_settings
from reservation_worker.telemetry.documentation import metrics_page
from reservation_worker.telemetry.metrics import Metrics
from tests.tidy.tree import ROOT, files, name_of

PAGES = files(".md")
WRITTEN_BY_HAND = [page for page in PAGES if page.name not in {"settings.md", "metrics.md"}]
LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")
COMMAND = re.compile(
    r"(?:^|`|\$ |    )reservation-worker((?: [a-z][a-z-]*)*)((?: -{1,2}[a-z-]+)*)", re.MULTILINE
)
MAKE = re.compile(r"(?:^|`|    )make ([a-z]+)", re.MULTILINE)
METRIC = re.compile(r"\breservation_[a-z_]+")
NOT_METRICS = ("reservation_worker", "reservation_expires_at", "reservation_ttl_seconds")
PATH = re.compile(
    r"(?<![\w/.])((?:tests|docs|deploy|schemas|reservation_worker)/(?:[\w./-]*\w)?)(?:::(\w+))?"
)
HISTOGRAM_PARTS = re.compile(r"_(?:bucket|count|sum|info)$")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    """A dead link costs a reader more trust than no link."""
    broken = []
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        aim = (page.parent / target).resolve() if target else page
        if not aim.exists() or (anchor and anchor not in _anchors(aim)):
            broken.append(f"{target}#{anchor}")
    assert [] == broken


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_is_named_exists(page: Path) -> None:
    """A command of a page is copied, and run."""
    unknown = [
        f"{words}{options}"
        for words, options in COMMAND.findall(page.read_text(encoding="utf-8"))
        if not _is_known(words.split(), options.split())
    ]
    assert [] == unknown


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    """The same holds for the targets."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set() == set(MAKE.findall(page.read_text(encoding="utf-8"))) - targets


@pytest.mark.parametrize("page", WRITTEN_BY_HAND, ids=name_of)
def test_every_metric_that_is_named_exists(page: Path) -> None:
    """An alert on a metric that nobody reports stays silent for ever."""
    registry = CollectorRegistry()
    Metrics(registry)
    known = {f"{family.name}_total" for family in registry.collect() if family.type == "counter"}
    known |= {family.name for family in registry.collect() if family.type != "counter"}
    named = {HISTOGRAM_PARTS.sub("", name) for name in METRIC.findall(page.read_text("utf-8"))}
    assert set() == named - known - {HISTOGRAM_PARTS.sub("", name) for name in NOT_METRICS}


@pytest.mark.parametrize("page", WRITTEN_BY_HAND, ids=name_of)
def test_every_setting_that_is_named_exists(page: Path) -> None:
    """A variable that the worker does not know keeps it from starting."""
    known = {setting.variable for setting in all_settings()}
    known |= {f"{setting.variable}{FILE_SUFFIX}" for setting in all_settings() if setting.secret}
    named = set(re.findall(rf"\b{ENVIRONMENT_PREFIX}\w+", page.read_text(encoding="utf-8")))
    assert set() == {name for name in named if not name.endswith(NESTING)} - known


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_and_test_that_is_named_exists(page: Path) -> None:
    """A guarantee names the test that proves it: it must be there to be run."""
    missing = [
        f"{path}::{test}"
        for path, test in PATH.findall(page.read_text(encoding="utf-8"))
        if not (ROOT / path).exists()
        or (test and f"def {test}(" not in (ROOT / path).read_text(encoding="utf-8"))
    ]
    assert [] == missing


def test_every_decision_has_a_number_of_its_own_and_fits_on_a_page() -> None:
    """They are referred to by number, and read by people in a hurry."""
    decisions = files(".md", under=ROOT / "docs" / "decisions")
    assert [f"{number:04}" for number in range(1, len(decisions) + 1)] == [
        page.name[:4] for page in decisions
    ]
    assert [] == [page.name for page in decisions if page.read_text("utf-8").count("\n") > 60]


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def _is_known(words: list[str], options: list[str]) -> bool:
    """Tell whether words lead to a command, and it has the options."""
    command: Any = get_command(application())
    for word in words:
        subcommands = getattr(command, "commands", None)
        if subcommands is None:
            break  # an argument of the command
        if word not in subcommands:
            return False
        command = subcommands[word]
    known = {option for parameter in command.params for option in parameter.opts}
    return set(options) <= known | {"--help"}


def test_the_pages_that_are_generated_are_current() -> None:
    """`make docs` writes them anew; nobody edits them."""
    assert settings_page() == (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert metrics_page() == (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
