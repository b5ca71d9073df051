"""A document as tables, as a page, and as plots."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from reservation_worker.benchmark.figures import Document
from reservation_worker.benchmark.plots import draw
from reservation_worker.benchmark.tables import conditions, markdown, sections
from tests.benchmarks.sample_document import CONDITIONS, whole_document
from tests.tidy.tree import ROOT

REPORT = ROOT / "docs" / "benchmark"
PLOTS = ["throughput", "latency", "growth", "stages", "workers"]
WITHOUT_MATPLOTLIB = """
import sys
sys.modules["matplotlib"] = None
from reservation_worker.cli import main
sys.argv = ["reservation-worker", "bench", "--plots", "nowhere"]
main()
"""


def test_every_row_has_a_cell_for_each_heading() -> None:
    """A missing one would shift all others under the wrong heading."""
    found = sections(whole_document())
    assert 11 == len(found)
    assert [] == [
        (section.title, row)
        for section in found
        for row in section.rows
        if len(row) != len(section.headings)
    ]


def test_what_was_not_measured_is_left_out(tmp_path: Path) -> None:
    """An empty table says nothing, and a zero would be a lie."""
    assert [] == sections(Document(CONDITIONS))
    assert [] == draw(Document(CONDITIONS), tmp_path, ("svg",))


def test_conditions_say_all_that_is_needed_to_compare() -> None:
    """Versions, sizes, seed and where the servers are."""
    told = {row[0]: row[1] for row in conditions(whole_document())}
    assert "Kafka 4.4.0" == told["versions"]
    assert "embedded" == told["servers"]
    assert "everysec" == told["append fsync"]
    assert {"cores", "seed", "runs", "facts per step max", "records per poll max"} <= told.keys()


def test_a_rate_above_its_ceiling_is_called_invalid_and_not_shown() -> None:
    """A figure that cannot be true is read all the same, and believed."""
    document = whole_document()
    assert document.backlog is not None
    backlog = document.backlog.throughput
    assert backlog.step_ceiling is not None
    disturbed = replace(
        backlog,
        facts_per_second=None,
        invalid_runs=3,
        step_ceiling=replace(backlog.step_ceiling, ratio=None),
    )
    told = replace(
        document, ratio_to_lua_ceiling=None, backlog=replace(document.backlog, throughput=disturbed)
    )
    (row,) = [one for one in sections(told)[0].rows if one[0].startswith("backlog")]
    assert ("backlog, 3 invalid", "invalid") == row[:2]
    assert "invalid" == row[3]
    assert "Ratio to the step script alone" not in markdown(told, [])


def test_page_has_the_headline_every_table_and_the_plots_that_were_drawn() -> None:
    """The same document gives the same page."""
    document = whole_document()
    page = markdown(document, ["growth"])
    assert "Ratio to the step script alone: **0.5**" in page
    assert [section.title for section in sections(document)] == [
        title for title in re.findall(r"^## (.+)$", page, re.MULTILINE) if title != "Conditions"
    ]
    assert ["growth.svg"] == re.findall(r"\]\((\w+\.svg)\)", page)


def test_plots_are_drawn_alike_each_time_and_in_both_formats(tmp_path: Path) -> None:
    """A file that differs without a reason would be committed each time."""
    document = whole_document()
    assert PLOTS == draw(document, tmp_path / "first", ("png", "svg"))
    draw(document, tmp_path / "second", ("svg",))
    for name in PLOTS:
        assert (tmp_path / "first" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        texts = [(tmp_path / one / f"{name}.svg").read_text() for one in ("first", "second")]
        assert texts[0] == texts[1]
        assert not re.search(r"[ \t]+$", texts[0], re.MULTILINE)


def test_the_extra_is_named_before_anything_is_measured_if_plots_cannot_be_drawn() -> None:
    """Ten minutes later would be too late."""
    process = subprocess.run(
        (sys.executable, "-c", WITHOUT_MATPLOTLIB),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert 2 == process.returncode
    assert "reservation-worker[bench]" in process.stderr
    assert "starting Kafka" not in process.stderr


def test_the_report_in_the_docs_is_what_its_figures_give() -> None:
    """Nobody edits a figure of the page by hand."""
    document = msgspec.json.decode((REPORT / "figures.json").read_bytes(), type=Document)
    plots = [path.stem for path in REPORT.glob("*.svg")]
    assert markdown(document, plots) == (REPORT / "table.md").read_text("utf-8")


@pytest.mark.parametrize("page", ["performance.md", "benchmarking.md"])
def test_the_pages_lead_to_the_report(page: str) -> None:
    """Figures that nobody finds are not there."""
    assert "(benchmark/table.md)" in (ROOT / "docs" / page).read_text("utf-8")


def test_the_report_shows_every_plot_beside_it() -> None:
    """One that is not shown is left from an earlier report."""
    page = (REPORT / "table.md").read_text("utf-8")
    assert sorted(path.name for path in REPORT.glob("*.svg")) == sorted(
        re.findall(r"\]\((\w+\.svg)\)", page)
    )
