"""The planted bugs fit the code as it is, and the command that plants them can be trusted."""

from pathlib import Path

import pytest

from tests.mutants.planting import (
    ROOT,
    CannotBePlanted,
    Edit,
    Mutant,
    planted,
    read_mutants,
)
from tests.mutants.reporting import names_reported, write_report
from tests.mutants.running import Copy, Verdict

FILE = "reservation_worker/__init__.py"
TIMEOUT_SECONDS = 60
PAGE = "Before.\n\n{}\n\nold\n\n<!-- mutants: end -->\n\nAfter.\n"


def mutant_of(*edits: Edit) -> Mutant:
    """Return a mutant of these edits."""
    return Mutant("one", "It breaks.", "G1", ("tests/test_a.py",), edits)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """Give a copy of the tree in which tests end soon."""
    return Copy(tmp_path, TIMEOUT_SECONDS)


def written(copy_path: Path, test: str) -> tuple[str]:
    """Write a file of tests into a copy."""
    path = copy_path / "tests" / "mutants" / "test_written.py"
    path.write_text(test, "utf-8")
    return (path.relative_to(copy_path).as_posix(),)


@pytest.mark.parametrize("mutant", read_mutants(), ids=lambda mutant: mutant.name)
def test_each_bug_can_be_planted_in_the_code_as_it_is(mutant: Mutant) -> None:
    """A bug that cannot be planted proves nothing; its text must follow the code."""
    assert len({edit.file for edit in mutant.edits}) == len(planted(ROOT, mutant.edits))
    assert [] == [test for test in mutant.tests if not (ROOT / test.partition("::")[0]).exists()]


def test_the_page_has_every_bug() -> None:
    """`make mutants ARGS=--report` writes the table; nobody edits it."""
    assert [one.name for one in read_mutants()] == names_reported()


def test_a_text_that_is_gone_is_shown_beside_the_nearest_one(tmp_path: Path) -> None:
    """Whoever changed the code must find at once what to write instead."""
    (tmp_path / "a.py").write_text("one\ntwo = max(1, x)\nthree\n", "utf-8")
    with pytest.raises(CannotBePlanted, match=r"line 2:\ntwo = max\(1, x\)"):
        planted(tmp_path, (Edit("a.py", "two = min(1, x)", "two = x"),))
    with pytest.raises(CannotBePlanted, match=r"There is no file b\.py"):
        planted(tmp_path, (Edit("b.py", "one", "two"),))
    with pytest.raises(CannotBePlanted, match="3 times"):
        planted(tmp_path, (Edit("a.py", "e", "a"),))


def test_several_edits_of_one_file_are_planted_together(tmp_path: Path) -> None:
    """The second is looked for in what the first has left."""
    (tmp_path / "a.py").write_text("one\ntwo\n", "utf-8")
    edits = (Edit("a.py", "one", "three"), Edit("a.py", "two", "four"))
    assert {tmp_path / "a.py": "three\nfour\n"} == planted(tmp_path, edits)


def test_a_bug_is_planted_in_the_copy_and_taken_out_again(copy: Copy, tmp_path: Path) -> None:
    """The tests of the copy see it, and neither the next one nor the working tree has it."""
    original = (ROOT / FILE).read_text("utf-8")
    line = original.splitlines()[0]
    tests = written(
        tmp_path,
        f"import reservation_worker\n\ndef test_one():\n"
        f"    assert reservation_worker.__doc__ in {line!r}\n",
    )  # fmt: skip
    edit = Edit(FILE, line, line.replace("e", "x"))
    mutant = Mutant("one", "It breaks.", "G1", tests, (edit,))
    assert Verdict(killed_by="mutants/test_written.py::test_one") == copy.judge(mutant)
    assert Verdict() == copy.run(tests)
    assert original == (ROOT / FILE).read_text("utf-8")


def test_a_bug_that_hangs_is_ended_and_counts_as_red(tmp_path: Path) -> None:
    """Whatever its tests have started ends with it."""
    hanging = Copy(tmp_path, timeout_seconds=3)
    tests = written(tmp_path, "import time\n\ndef test_one():\n    time.sleep(600)\n")
    assert Verdict(killed_by="time-out after 3 s") == hanging.run(tests)


def test_tests_that_cannot_run_kill_nothing(copy: Copy, tmp_path: Path) -> None:
    """A bug that is no Python would turn everything red, and show nothing."""
    verdict = copy.run(written(tmp_path, "def test_one(:\n"))
    assert "did not run" in verdict.problem
    assert not verdict.killed_by


def test_the_report_replaces_the_table_and_nothing_else(tmp_path: Path) -> None:
    """Its page is written by hand around it."""
    page = tmp_path / "page.md"
    begin = "<!-- mutants: written by `make mutants ARGS=--report` -->"
    page.write_text(PAGE.format(begin), "utf-8")
    mutants = (mutant_of(Edit("a.py", "one", "two")),)
    write_report(mutants, {"one": Verdict(killed_by="test_a.py::test_one")}, page)
    text = page.read_text("utf-8")
    assert ["one"] == names_reported(page)
    assert "| `one` | It breaks. | G1 | `test_a.py` | test_a.py::test_one |" in text
    assert "1 planted bugs: 1 turned a test red" in text
    assert text.startswith("Before.\n")
    assert text.endswith("After.\n")
    assert "old" not in text
