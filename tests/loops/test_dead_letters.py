"""Dead letters in hand are bounded, each is written once, and a repeat waits like its original."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest

from reservation_worker.adapters.in_memory.broker import Fault
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.records import DeadLetter
from reservation_worker.ports import Membership, Partition
from tests.loops.small_shop import SmallShop

GARBAGE = b"x" * 50_000
ORDERS = ("order-completed", 0)


def test_letters_that_cannot_be_committed_stay_within_the_bytes_that_may_be_in_hand() -> None:
    """Four hundred of them were once twenty megabytes, with a bound of a hundred kilobytes."""
    shop = SmallShop()
    bytes_max = 2 * len(GARBAGE)
    shop.apply_config = replace(
        shop.apply_config, records_per_poll_max=2_000, uncommitted_bytes_max=bytes_max
    )
    worker = shop.start()
    shop.finish(worker)
    for number in range(400):
        shop.send(FactKind.ORDER_COMPLETED, GARBAGE, number % 2)
    shop.broker.faults.extend([Fault.ABORTED] * 100)
    largest = 0
    while shop.broker.faults:
        worker.apply.turn()
        largest = max(largest, worker.apply.status.uncommitted_bytes)
        shop.clock.advance(500)
    assert bytes_max <= largest <= bytes_max + len(GARBAGE)
    shop.apply_config = replace(shop.apply_config, uncommitted_bytes_max=10_000_000)
    shop.bury()
    shop.finish(shop.start())
    assert 400 == len(shop.broker.dead_letters)


@pytest.mark.parametrize(
    ("letters_max", "bytes_max", "most"), [(500, 120_000, 2), (3, 10_000_000, 3), (500, 1, 1)]
)
def test_a_commit_is_bounded_though_one_poll_brought_more(
    monkeypatch: pytest.MonkeyPatch, letters_max: int, bytes_max: int, most: int
) -> None:
    """A poll is divided: a transaction must not grow with what producers send."""
    shop = SmallShop()
    shop.apply_config = replace(
        shop.apply_config,
        records_per_poll_max=2_000,
        dead_letters_per_commit_max=letters_max,
        dead_letter_bytes_per_commit_max=bytes_max,
    )
    sizes: list[int] = []
    commit = shop.broker.commit_input

    def counting(
        offsets: Mapping[Partition, int],
        dead_letters: Iterable[DeadLetter],
        membership: Membership,
    ) -> None:
        letters = list(dead_letters)
        sizes.append(len(letters))
        commit(offsets, letters, membership)

    monkeypatch.setattr(shop.broker, "commit_input", counting)
    for _ in range(40):
        shop.send(FactKind.ORDER_COMPLETED, GARBAGE)
    shop.finish(shop.start())
    assert most == max(sizes)
    assert 40 == sum(sizes) == len(shop.broker.dead_letters)


@pytest.mark.parametrize("fault", [Fault.LOST_AFTER_COMMIT, Fault.LOST_BEFORE_COMMIT])
def test_a_commit_of_unknown_fate_is_looked_at_and_not_tried_again(fault: Fault) -> None:
    """Tried again, a letter that had been written would be written twice."""
    shop = SmallShop()
    worker = shop.start()
    shop.finish(worker)
    shop.send(FactKind.ORDER_COMPLETED, b"not JSON")
    shop.broker.faults.append(fault)
    shop.finish(worker)
    for _ in range(30):
        shop.turn(worker)
    assert not shop.broker.faults
    assert 1 == len(shop.broker.dead_letters)


def test_a_repeat_is_not_committed_before_what_it_repeats_is_published() -> None:
    """The first worker died between the step and its publishing: Redis may lose the step yet."""
    shop = SmallShop()
    first = shop.start()
    shop.finish(first)
    shop.order("A", "boots")
    for _ in range(3):
        first.apply.turn()
    shop.bury()
    second = shop.start()
    for _ in range(30):
        second.apply.turn()
        shop.clock.advance(shop.apply_config.commit_interval_ms)
    repeats = {"fact": "order_completed", "outcome": "repeat"}
    assert second.metrics.registry.get_sample_value("reservation_facts_total", repeats)
    assert 0 == shop.broker.committed[ORDERS]
    shop.finish(second)
    assert ["acme/A"] == list(shop.statuses())
