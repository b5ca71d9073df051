"""What Redis says of its steps against what Kafka says."""

from dataclasses import replace

import pytest

from reservation_worker.ports import Moment, OutboxLook, Position, ShardState
from reservation_worker.verification.position import position_problems
from reservation_worker.verification.wholeness import obstacle

POSITION = Position(minted=20, served=10, step=100, shards_total=4)
RIGHT = OutboxLook(Moment(10, 100, torn=False), 100, (), ())
STATE = ShardState(10, 100, 100, torn=False, verified_server="one", server="one")


def at(step: int, published: int, epoch: int = 10) -> OutboxLook:
    """Return a look in which nothing is missing."""
    return OutboxLook(Moment(epoch, step, torn=False), published, (), ())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (RIGHT, RIGHT),
        (at(110, 90), at(120, 110)),
        (at(90, 80), at(100, 90)),
        (at(100, 100, epoch=20), at(100, 100, epoch=20)),
    ],
)
def test_what_goes_on_meanwhile_is_no_problem(before: OutboxLook, after: OutboxLook) -> None:
    """Redis is told last of what is published, and decides first."""
    assert [] == position_problems(before, POSITION, after)


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        (at(101, 101), at(101, 101), "published"),
        (RIGHT, at(99, 99), "step"),
        (at(100, 100, epoch=21), RIGHT, "epoch"),
        (RIGHT, at(100, 100, epoch=9), "epoch"),
        (RIGHT, at(100, 101), "published"),
        (RIGHT, replace(RIGHT, missing=(101,)), "entry of step 101"),
        (RIGHT, replace(RIGHT, strays=(7,)), "entry of step 7"),
    ],
)
def test_what_cannot_be_is_told(before: OutboxLook, after: OutboxLook, field: str) -> None:
    """Each by its field."""
    assert [field] == [one.field for one in position_problems(before, POSITION, after)]


def test_a_shard_is_verified_only_when_it_is_whole() -> None:
    """What is only being done is no difference; what nobody does anything about is one."""
    assert obstacle(STATE, POSITION) is None
    rebuilt = replace(STATE, torn=True, published=0)
    failed_over = replace(STATE, server="other")
    for state, field in (
        (replace(STATE, epoch=0), "epoch"),
        (replace(STATE, torn=True), "writing"),
        (replace(STATE, verified_server=""), "server"),
        (replace(STATE, epoch=0, foreign="cluster/other"), None),
        (rebuilt, None),
        (failed_over, None),
    ):
        found = obstacle(state, POSITION)
        assert found is not None
        assert field == found.field
