"""Which offsets may be committed: a prefix, of batches that are published in their epoch."""

from reservation_worker.apply.batches import Batch, InFlight, Published, Unusable
from reservation_worker.contracts.records import Record, Rejection, RejectionCode
from reservation_worker.ports import Membership

PARTITION = ("order-completed", 0)
OTHER = ("payment-approved", 1)
MEMBER = Membership("member", 1)
DEAD_LETTERS_MAX = 2


def batch(end: int, *touched: tuple[int, int, int], unusable: int = 0) -> Batch:
    """Return a batch up to an offset, touching (shard, epoch, step)s."""
    made = Batch({PARTITION: end}, MEMBER, 1)
    for shard, epoch, step in touched:
        made.touch(shard, epoch, step)
    for offset in range(unusable):
        record = Record(*PARTITION, offset, 0, None, b"", ())
        made.unusable.append(
            Unusable(record, Rejection(RejectionCode.DECODE_FAILED, None, "Not JSON."))
        )
    return made


def in_flight(*batches: Batch) -> InFlight:
    """Return batches in flight, oldest first."""
    flight = InFlight()
    for one in batches:
        flight.add(one)
    return flight


def published(*steps: tuple[int, int, int]) -> Published:
    """Return what is known to be published: (shard, epoch, step)s."""
    known = Published()
    for shard, epoch, step in steps:
        known.learn(shard, epoch, step)
    return known


def committed_end(flight: InFlight, known: Published) -> int | None:
    """Return the offset that may be committed; None if there is none."""
    committable = flight.committable(known, DEAD_LETTERS_MAX)
    return None if committable is None else committable.offsets[PARTITION]


def test_nothing_is_committed_before_its_step_is_published() -> None:
    """A crash after the commit would lose what the step says."""
    assert committed_end(in_flight(batch(5, (0, 1, 7))), published((0, 1, 6))) is None


def test_a_published_batch_behind_an_unpublished_one_waits_for_it() -> None:
    """Committing is cumulative: the offset behind a hole would skip the hole."""
    flight = in_flight(batch(5, (0, 1, 7)), batch(9, (1, 1, 3)))
    assert committed_end(flight, published((1, 1, 3))) is None
    assert committed_end(flight, published((0, 1, 7), (1, 1, 3))) == 9


def test_every_touched_shard_must_have_published() -> None:
    """A batch's facts go to many shards, each with its own owner."""
    flight = in_flight(batch(5, (0, 1, 7), (1, 1, 3)))
    assert committed_end(flight, published((0, 1, 7))) is None


def test_a_step_published_in_another_epoch_proves_nothing() -> None:
    """After lost writes the same step number may stand for other changes."""
    assert committed_end(in_flight(batch(5, (0, 1, 7))), published((0, 2, 9))) is None


def test_a_batch_with_waiting_facts_stops_the_prefix() -> None:
    """Its facts are in no step yet."""
    waiting = batch(9)
    waiting.waiting_facts = 1
    assert committed_end(in_flight(batch(5), waiting, batch(12)), published()) == 5


def test_a_batch_without_facts_is_committed_at_once() -> None:
    """An end-of-partition position holds back the payment frontier until it is committed."""
    assert committed_end(in_flight(batch(5)), published()) == 5


def test_dead_letters_of_one_commit_are_bounded_except_for_a_single_batch() -> None:
    """A transaction must stay small, and one batch cannot be divided."""
    flight = in_flight(batch(5, unusable=1), batch(9, unusable=2))
    assert committed_end(flight, published()) == 5
    assert committed_end(in_flight(batch(9, unusable=3)), published()) == 9


def test_revoked_partitions_take_their_offsets_and_dead_letters_along() -> None:
    """Their new reader commits them and writes the dead letters itself."""
    mixed = batch(5, unusable=1)
    mixed.ends[OTHER] = 3
    flight = in_flight(mixed)
    flight.drop_partitions(frozenset({PARTITION}))
    committable = flight.committable(published(), DEAD_LETTERS_MAX)
    assert committable is not None
    assert {OTHER: 3} == committable.offsets
    assert not committable.unusable
