"""A transaction carries so much and no more; the rest comes with the next."""

from dataclasses import replace

from tests.loops.small_shop import SmallShop

ORDERS = 9


def test_what_does_not_fit_into_a_transaction_comes_with_the_next() -> None:
    """In order, and nothing is passed over: the position says how far it has come."""
    shop = SmallShop()
    shop.publish = replace(shop.publish, entries_per_shard_max=3, records_per_transaction_max=1)
    worker = shop.start()
    shop.count("boots", 50)
    shop.finish(worker)
    for number in range(ORDERS):
        shop.order(f"A{number}", "boots")
        for _ in range(2):
            worker.apply.turn()
    assert ORDERS - 1 <= sum(
        held.step - held.published for held in shop.store.saved().shards().values()
    )
    shop.finish(worker)
    assert {f"acme/A{number}": "Authorized" for number in range(ORDERS)} == shop.statuses()
    shop.check_order_of_publication()
