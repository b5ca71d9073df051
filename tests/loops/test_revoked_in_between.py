"""A partition goes to another worker while steps of its facts are under way."""

import pytest

from reservation_worker.contracts.inputs import FactKind
from tests.loops.small_shop import SmallShop


@pytest.mark.parametrize("partition", [0, 1])
@pytest.mark.parametrize("orders", [0, 1])
def test_a_dead_letter_belongs_to_whoever_commits_its_offset(partition: int, orders: int) -> None:
    """A step says that a count differs, after its partition was revoked: one dead letter, not two.

    One of the two partitions goes to the second worker; an order stays with the first.
    """
    shop = SmallShop()
    first = shop.start()
    shop.count("boots", 5)
    shop.finish(first)
    count = {"account": "acme", "warehouse_id": "main", "sku": "boots", "on_hand": 6}
    shop.send(
        FactKind.INVENTORY_UPDATED, {**count, "counted_at": "2026-01-01T00:00:00Z"}, partition
    )
    for number in range(orders):
        shop.order(f"{number}", "boots")
    # Read, and the step is under way.
    first.apply.turn()
    second = shop.start()
    second.apply.turn()
    # The first hears of the rebalance together with the answer.
    first.apply.turn()
    shop.finish(first, second)
    (letter,) = shop.broker.dead_letters
    assert dict(letter.headers)["reservation.dlq.code"] == b"BALANCE_DIFFERS"
