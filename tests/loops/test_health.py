"""Ready means that shards are owned and verified, not only that a group was joined."""

from dataclasses import replace

from reservation_worker.apply import ApplyStatus
from reservation_worker.worker.health import Health, judge
from reservation_worker.worker.owner import OwnerStatus

OWNS_ALL = OwnerStatus(
    turned_at_ms=0,
    in_group=True,
    assigned_shards=4,
    owned_shards=4,
    rebuilding_shards=0,
    held_shards={},
)


READS_ALL = ApplyStatus(
    turned_at_ms=0,
    holds_partitions=True,
    in_group=True,
    uncommitted_records=0,
    uncommitted_bytes=0,
)


def health_of_apply(apply: ApplyStatus) -> Health:
    """Judge a process that applies only."""
    return judge(
        apply, None, frontier=None, lost=(), draining=False, now_ms=0, loop_stalled_after_ms=1
    )


def health_of(owner: OwnerStatus, *lost: str) -> Health:
    """Judge a process that publishes only."""
    return judge(
        None,
        owner,
        frontier=None,
        lost=lost,
        draining=False,
        now_ms=0,
        loop_stalled_after_ms=1,
    )


def test_an_owner_of_verified_shards_is_ready_and_has_nothing_to_remark() -> None:
    """Whatever else is said must mean something."""
    assert health_of(OWNS_ALL).ready
    assert health_of(OWNS_ALL).remarks == ()


def test_shards_that_are_assigned_and_not_taken_over_keep_it_unready() -> None:
    """The group gave them to this process, and nobody publishes them."""
    health = health_of(replace(OWNS_ALL, owned_shards=1))
    assert not health.ready
    assert health.problems == ("3 assigned shards are not taken over and verified yet.",)


def test_shards_that_are_being_rebuilt_or_stopped_are_not_counted_twice() -> None:
    """Each sentence says something else to do."""
    owner = replace(OWNS_ALL, owned_shards=1, rebuilding_shards=2, held_shards={3: "Why."})
    assert health_of(owner).problems == (
        "2 shards are being restored from the topics.",
        "Shard 3: Why.",
    )


def test_a_spare_is_ready_and_says_that_it_has_nothing() -> None:
    """It takes over when another one leaves; a rollout must not wait for it for ever."""
    health = health_of(replace(OWNS_ALL, assigned_shards=0, owned_shards=0))
    assert health.ready
    assert health.remarks == ("No shard is assigned: other members of the group own all of them.",)


def test_a_process_that_has_not_been_told_what_it_owns_is_not_ready() -> None:
    """Nothing assigned and nothing known look the same otherwise."""
    owner = replace(OWNS_ALL, in_group=False, assigned_shards=0, owned_shards=0)
    assert not health_of(owner).ready


def test_a_lost_dependency_keeps_it_unready() -> None:
    """In the words of whoever missed it."""
    assert health_of(OWNS_ALL, "Kafka is lost.").problems == ("Kafka is lost.",)


def test_a_spare_of_the_appliers_is_ready_and_says_that_it_has_nothing() -> None:
    """With more workers than input partitions some read nothing: a rollout must not wait."""
    health = health_of_apply(replace(READS_ALL, holds_partitions=False))
    assert health.ready
    assert health.remarks == (
        "No input partition is assigned: other members of the group read all of them.",
    )


def test_an_applier_outside_of_its_group_is_not_ready() -> None:
    """Whatever it still holds."""
    assert not health_of_apply(replace(READS_ALL, in_group=False)).ready
    assert not health_of_apply(replace(READS_ALL, in_group=False, holds_partitions=False)).ready
    assert health_of_apply(READS_ALL).remarks == ()
