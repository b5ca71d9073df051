"""What no file may contain."""

import re

import pytest

from tests.tidy.tree import name_of, project_files

HOSTS = frozenset(
    {
        "127.0.0.1",
        "localhost",
        "{LOOPBACK}",
        # Where a standard says what it means; nothing is fetched from there.
        "json-schema.org",
        "keepachangelog.com",
        "semver.org",
        "www.apache.org",
        "www.w3.org",
        # Services of deploy/compose.yaml.
        "kafka",
        "redis",
        "worker",
    }
)
TEXT_MAX_BYTES = 1_000_000
ADDRESS = re.compile(r"\bhttps?://([^\s/:\"'`)>\]]+)")
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.$}-])/(?:home|root|Users|work|mnt)/\w"),
    "an unfinished thought": re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X]|HAC[K])\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a registry of packages": re.compile(r"pypi\.or[g]|pythonhoste[d]|repo1\.mave[n]|npmjs\.co[m]"),
    "a tab": re.compile(r"\t"),
    "a space at the end of a line": re.compile(r"[ \t]+$", re.MULTILINE),
}
MAY = {
    "a tab": {"Makefile"},
}


def _texts() -> dict[str, str]:
    return {
        name_of(path): path.read_text(encoding="utf-8")
        for path in project_files()
        if path.stat().st_size <= TEXT_MAX_BYTES
    }


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_contains(what: str) -> None:
    """A clone must work anywhere, and hold nothing that was meant for somewhere else."""
    assert [] == [
        f"{name}:{text.count(chr(10), 0, found.start()) + 1} {found[0]!r}"
        for name, text in _texts().items()
        if name not in MAY.get(what, ()) and name != "LICENSE"
        for found in FORBIDDEN[what].finditer(text)
    ]


def test_no_file_names_a_host_but_those_of_standards_and_of_compose() -> None:
    """Where packages, jars and images come from is for the user's own configuration to say."""
    assert [] == [
        f"{name}: {found[0]}"
        for name, text in _texts().items()
        for found in ADDRESS.finditer(text)
        if found[1] not in HOSTS
    ]


def test_every_text_ends_with_one_newline() -> None:
    """So that a change of the last line is a change of one line."""
    assert [] == [
        name
        for name, text in _texts().items()
        if text and (not text.endswith("\n") or text.endswith("\n\n"))
    ]
