"""Every story of the scenario files holds, in each world that can play it."""

import re
from pathlib import Path

import pytest

from reservation_worker.domain.outcome import Conflict
from tests.scenarios.conftest import MakeWorld
from tests.scenarios.script import Scenario, ScriptError, read_happening, read_scenarios
from tests.scenarios.stage import EXPECTATIONS, play
from tests.scenarios.world import LedgerWorld

FOLDER = Path(__file__).parent
FILES = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
SCENARIOS = [scenario for path in FILES for scenario in read_scenarios(path)]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_story_holds(scenario: Scenario, make_world: MakeWorld) -> None:
    """A shop's people can read what the worker does, and it is true."""
    play(scenario, make_world(scenario.settled_entries_max))


def test_the_stories_are_not_lost() -> None:
    """A pattern that no longer finds the files would prove nothing, silently."""
    assert len(FILES) >= 7
    assert len(SCENARIOS) >= 60
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)


def test_every_conflict_has_a_story() -> None:
    """A shop's people must be able to look up each conflict that they may read in an event."""
    told = {
        expectation.removeprefix("conflict ")
        for scenario in SCENARIOS
        for step in scenario.steps
        for expectation in step.expectations
        if expectation.startswith("conflict ")
    }
    assert set(Conflict) == told


def test_every_sentence_that_the_guide_lists_is_in_the_language() -> None:
    """The guide to the language is what people write their stories from."""
    happenings, expectations = re.findall(
        r"^```\n(.*?)^```$",
        (FOLDER / "README.md").read_text(encoding="utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )
    sentences = happenings.splitlines()
    assert sentences == [read_happening(text).text for text in sentences]
    known = [pattern for pattern, _ in EXPECTATIONS]
    for text in map(str.strip, expectations.splitlines()):
        assert any(re.fullmatch(pattern, text) for pattern in known), text


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("09:00 something of A", "not a sentence"),
        ("08:00 count of shirt: 1 on hand\n    shirt: 1 on hand, 1 lost", "not one of"),
        ("08:00 count of shirt: 1 on hand\n    shirt is nice", "not a sentence"),
        ("    A is Denied", "nothing has happened"),
        ("09:00 order A: many shirts", "not a line of an order"),
        ("09:00 invoice of A as N: all", "not units of a line"),
    ],
)
def test_a_sentence_that_is_not_in_the_language_fails(
    script: str, problem: str, tmp_path: Path
) -> None:
    """A story with a typing error must never pass because nothing was checked."""
    path = tmp_path / "story.md"
    path.write_text(f"# Story\n\n## One\n\n```\n{script}\n```\n", encoding="utf-8")
    with pytest.raises(ScriptError, match=problem):
        _play_all(path)


@pytest.mark.parametrize(
    "expectation",
    [
        "A is Confirmed",
        "A is Authorized until 13:00",
        "A is Authorized, version 2",
        "A line 1: 1 held, 1 settled",
        "shirt: 10 on hand, 8 available, 2 confirmed",
        "shirt: 11 on hand, 8 available, 2 authorized",
        "it is a repeat",
        "conflict paid_twice",
        "shortage of shirt: 2 requested, 1 available",
        "the ERP is told: A: 2 of line 1",
        "refund is needed for A",
        "published: A from Denied to Authorized by order_completed",
        "no stock changed",
        "nothing is known of A",
    ],
)
def test_a_sentence_that_is_not_true_fails(expectation: str, tmp_path: Path) -> None:
    """The stage must be able to say no, or no story proves anything."""
    path = tmp_path / "story.md"
    script = f"08:00 count of shirt: 10 on hand\n09:00 order A: 2 shirt\n    {expectation}\n"
    path.write_text(f"# Story\n\n## One\n\n```\n{script}```\n", encoding="utf-8")
    (scenario,) = read_scenarios(path)
    with pytest.raises(AssertionError):
        play(scenario, LedgerWorld(100))


def _play_all(path: Path) -> None:
    for scenario in read_scenarios(path):
        play(scenario, LedgerWorld(100))
