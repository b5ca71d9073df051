"""The whole demo, as a user starts it."""

import json
import subprocess
import sys

DEMO_TIMEOUT_SECONDS = 280


def test_demo_ends_with_every_law_checked_and_none_violated() -> None:
    """The promise of the README's first command."""
    done = subprocess.run(
        [sys.executable, "-m", "reservation_worker", "demo", "--seed", "7", "--json"],
        capture_output=True,
        check=False,
        timeout=DEMO_TIMEOUT_SECONDS,
    )
    assert 0 == done.returncode, done.stderr.decode()
    said = json.loads(done.stdout)
    assert said["is_quiet"]
    assert said["holds"]
    assert ["G1", "G2", "G3", "G4", "G5", "G6"] == [law["law"] for law in said["laws"]]
    assert all(law["checked"] > 0 and law["holds"] for law in said["laws"])


def test_unknown_sabotage_is_refused_with_those_that_there_are() -> None:
    """Nothing is started for a name that was mistyped."""
    done = subprocess.run(
        [sys.executable, "-m", "reservation_worker", "demo", "--sabotage", "nothing"],
        capture_output=True,
        check=False,
        timeout=DEMO_TIMEOUT_SECONDS,
    )
    assert 2 == done.returncode
    assert "refusal-not-recorded" in done.stderr.decode()
