"""Tokens of a file, as the client library asks for them."""

from pathlib import Path

from reservation_worker.adapters.kafka.token_file import TOKEN_READ_AGAIN_MS, token_callback
from tests.tokens import token_for

NOW_MS = 4_000_000_000_000
"""Later than the test, so that no token of its own is still good by then."""


def test_a_token_is_read_again_each_time(tmp_path: Path) -> None:
    """Somebody else keeps the file, and rewrites it when he likes."""
    file = tmp_path / "token"
    ask = token_callback(lambda: file.read_text("utf-8"), lambda: NOW_MS)
    file.write_text("first", "utf-8")
    assert "first" == ask("")[0]
    file.write_text("second", "utf-8")
    assert "second" == ask("")[0]


def test_a_token_that_says_how_long_it_is_good_is_believed() -> None:
    """Shown later, the brokers would refuse it."""
    token = token_for("worker", lifetime_seconds=7)
    text, until = token_callback(lambda: token, lambda: 0)("")
    assert text == token
    assert TOKEN_READ_AGAIN_MS / 1000 == until, "not so soon after the epoch"
    assert token_callback(lambda: token, lambda: NOW_MS)("")[1] < NOW_MS / 1000


def test_any_other_token_is_read_again_after_a_minute() -> None:
    """What it is, only the brokers know."""
    for token in ("opaque", "a.b.c", "a.e30.c", "..", "a.bnVsbA.c"):
        assert (token, (NOW_MS + TOKEN_READ_AGAIN_MS) / 1000) == token_callback(
            lambda token=token: token,  # type: ignore[misc]
            lambda: NOW_MS,
        )("")
