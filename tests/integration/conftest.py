"""Fixtures of the tests of whole workers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.integration.stage import Stage, open_stage

NewStage = Callable[..., Stage]


@pytest.fixture
def stage(kafka: str, tmp_path: Path) -> Iterator[Stage]:
    """Topics, a group and a Valkey of this test's own; no worker runs yet."""
    with open_stage(kafka, tmp_path, "stage") as opened:
        yield opened


@pytest.fixture
def new_stage(kafka: str, tmp_path: Path) -> Iterator[NewStage]:
    """Open stages with settings of the test's own: `new_stage(settings={...})`."""
    numbers = count(1)
    with ExitStack() as stack:

        def make(**options: object) -> Stage:
            directory = tmp_path / f"stage-{next(numbers)}"
            directory.mkdir()
            return stack.enter_context(open_stage(kafka, directory, "stage", **options))  # type: ignore[arg-type]

        yield make
