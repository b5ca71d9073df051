"""The verdict is readable where there is no terminal."""

from io import StringIO

from rich.console import Console

from reservation_worker.demo.show import Show, show_verdict
from reservation_worker.demo.tally import Tally
from tests.audit.small_day import ordinary_shop


def _console() -> Console:
    return Console(file=StringIO(), width=100)


def _text(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_verdict_names_every_law_with_its_counts() -> None:
    """What was proven must be seen, and how often."""
    console = _console()
    verdict = ordinary_shop().worker.verdict()
    show_verdict(verdict, console)
    for law in verdict.laws:
        assert law.law.value in _text(console)
        assert str(law.checked) in _text(console)
    assert "Every law was checked, and none is violated." in _text(console)


def test_violations_are_named_below_the_table() -> None:
    """A red law without a sentence helps nobody."""
    console = _console()
    shop = ordinary_shop()
    shop.order(7_000, "lost", is_taken=False)
    show_verdict(shop.worker.verdict(), console)
    assert "order acme/lost" in _text(console)
    assert "Violated or never checked: G2" in _text(console)


def test_progress_is_plain_lines_without_a_terminal() -> None:
    """A log of a build shows the day as well, and is not flooded."""
    console = _console()
    with Show(console) as show:
        for at_ms in range(0, 11_000, 100):
            show.progress(at_ms, 7, Tally(changes=3))
    lines = [line for line in _text(console).splitlines() if "7 records sent" in line]
    assert 2 == len(lines)
