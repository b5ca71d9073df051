"""Fixtures of the tests of whole workers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from reservation_worker.domain.keys import shard_of
from tests.integration.golden import GoldenShop
from tests.integration.losing import Loss
from tests.integration.stage import REFUNDING_ACCOUNT, Stage, open_stage
from tests.integration.valkey_cluster import Cluster, running_cluster
from tests.losses import property_of

NewStage = Callable[..., Stage]
LONG_HOLDS = {"RESERVATION_INPUT__LONGEST_PERIOD_DAYS": "3650"}
"""The golden orders are of 2024, and some of them must not expire."""


@pytest.fixture
def stage(kafka: str, tmp_path: Path) -> Iterator[Stage]:
    """Topics, a group and a Valkey of this test's own; no worker runs yet."""
    with open_stage(kafka, tmp_path, "stage") as opened:
        yield opened


@pytest.fixture
def loss(stage: Stage, request: pytest.FixtureRequest) -> Loss:
    """Watch the stage lose what its Redis has: a row of the table."""
    return Loss(stage, lambda row: request.node.user_properties.append(property_of(row)))


@pytest.fixture
def cluster(stage: Stage, tmp_path: Path) -> Iterator[Cluster]:
    """Form a Redis Cluster, and let the stage look there."""
    with running_cluster(tmp_path) as cluster:
        stage.connect = cluster.connect
        yield cluster


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


@pytest.fixture(scope="module")
def golden_stage(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Open a stage with as many shards as the default has, and one worker that stays."""
    directory = tmp_path_factory.mktemp("golden")
    with open_stage(kafka, directory, "golden", shards_total=16, settings=LONG_HOLDS) as stage:
        stage.start().wait_until_ready()
        yield stage


@pytest.fixture(scope="module")
def unused_accounts(golden_stage: Stage) -> Iterator[str]:
    """Name accounts, each alone on its shard, so that its steps are counted from 1."""
    taken = shard_of(REFUNDING_ACCOUNT, golden_stage.topics.shards_total)
    accounts = golden_stage.accounts()
    return (one for shard, one in enumerate(accounts) if shard != taken)


@pytest.fixture
def shop(golden_stage: Stage, unused_accounts: Iterator[str]) -> GoldenShop:
    """Open a shop whose first step is still to come."""
    return GoldenShop(golden_stage, next(unused_accounts))
