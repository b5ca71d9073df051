"""Which offsets may be committed: a prefix, of batches that are published in their epoch."""

from reservation_worker.apply.batches import Batch, CommitBounds, InFlight, Published, Unusable
from reservation_worker.contracts.records import Record, Rejection, RejectionCode
from reservation_worker.ports import Membership

PARTITION = ("order-completed", 0)
OTHER = ("payment-approved", 1)
MEMBER = Membership("member", 1)
BOUNDS = CommitBounds(letters_max=2, bytes_max=10)


def batch(end: int, *touched: tuple[int, int, int], unusable: int = 0, value: bytes = b"") -> Batch:
    """Return a batch up to an offset, touching (shard, epoch, step)s."""
    made = Batch({PARTITION: end}, MEMBER, 1)
    for shard, epoch, step in touched:
        made.touch(shard, epoch, step)
    for offset in range(unusable):
        record = Record(*PARTITION, offset, 0, None, value, ())
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
    committable = flight.committable(known, BOUNDS)
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


def test_dead_letters_of_one_commit_are_bounded_in_number_and_in_bytes() -> None:
    """A transaction must stay small; no batch is larger than one commit may be."""
    flight = in_flight(batch(5, unusable=1), batch(9, unusable=2))
    assert committed_end(flight, published()) == 5
    large = in_flight(batch(5, unusable=1, value=b"12345678"), batch(9, unusable=1, value=b"123"))
    committable = large.committable(published(), BOUNDS)
    assert committable is not None
    assert {PARTITION: 5} == committable.offsets
    assert committable.is_cut
    assert 11 == large.letters_bytes
    large.remove(committable)
    assert 3 == large.letters_bytes


def test_a_commit_is_made_as_whoever_read_its_oldest_record() -> None:
    """A newer membership would let offsets pass of partitions that were lost in between."""
    oldest, newest = batch(5), batch(9)
    newest.membership = Membership("member", 2)
    committable = in_flight(oldest, newest).committable(published(), BOUNDS)
    assert committable is not None
    assert {PARTITION: 9} == committable.offsets
    assert MEMBER == committable.membership


def test_what_was_published_in_an_epoch_is_forgotten_in_the_next() -> None:
    """Steps may be lost with a server: the same number stands for other changes afterwards."""
    known = published((0, 1, 9), (0, 2, 3))
    assert known.covers(0, 2, 3)
    assert not known.covers(0, 2, 5)
    assert not known.covers(0, 1, 1)
    known.learn(0, 2, 1)
    assert known.covers(0, 2, 3)


def test_revoked_partitions_take_their_offsets_and_dead_letters_along() -> None:
    """Their new reader commits them and writes the dead letters itself."""
    mixed = batch(5, unusable=1)
    mixed.ends[OTHER] = 3
    flight = in_flight(mixed)
    flight.drop_partitions(frozenset({PARTITION}))
    committable = flight.committable(published(), BOUNDS)
    assert committable is not None
    assert {OTHER: 3} == committable.offsets
    assert not committable.unusable
