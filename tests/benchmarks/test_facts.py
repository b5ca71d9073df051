"""What the benchmarks send."""

import json
from datetime import UTC, datetime, timedelta

from reservation_worker.benchmark import mix
from reservation_worker.benchmark.mix import Message, Shops
from reservation_worker.benchmark.place import nested

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SHOPS = Shops(2, "run", name="benchmark")


def bodies(messages: list[Message]) -> list[dict[str, object]]:
    """Return what the messages say."""
    return [json.loads(message.value) for message in messages]


def test_one_seed_gives_the_same_day_and_another_one_another() -> None:
    """A figure is repeated by its command, seed included."""
    day = list(mix.day(SHOPS, 100, NOW, seed=7))
    assert day == list(mix.day(SHOPS, 100, NOW, seed=7))
    assert day != list(mix.day(SHOPS, 100, NOW, seed=8))


def test_accounts_are_named_as_they_are_told() -> None:
    """On given servers nobody else's account may be met."""
    day = bodies(list(mix.day(SHOPS, 100, NOW, seed=7)))
    assert {"benchmark-0", "benchmark-1"} == {body["account"] for body in day}


def test_hot_orders_want_one_unit_each_of_the_one_stock_that_is_counted() -> None:
    """So exactly as many of them can hold something as there are units."""
    stock = json.loads(mix.hot_stock(SHOPS, 10, NOW).value)
    orders = bodies(list(mix.hot_orders(Shops(1, "run", name="benchmark"), 20, NOW)))
    lines = [order["lines"] for order in orders]
    wanted = {"line_id": "1", "warehouse_id": "main", "sku": stock["sku"], "quantity": 1}
    assert [[wanted]] * 20 == lines
    assert {stock["account"]} == {order["account"] for order in orders}
    assert 20 == len({str(order["order_id"]) for order in orders})


def test_large_orders_have_as_many_lines_as_are_asked_for_all_of_other_stocks() -> None:
    """A repeated stock would be cheaper."""
    for order in bodies(list(mix.large_orders(SHOPS, 3, 50, NOW, seed=1))):
        lines = order["lines"]
        assert isinstance(lines, list)
        assert 50 == len({line["sku"] for line in lines})


def test_due_orders_have_one_deadline() -> None:
    """They expire at one moment, whenever they were sent."""
    orders = bodies(list(mix.due_orders(SHOPS, 5, NOW, NOW + timedelta(hours=1), seed=1)))
    assert {"2026-01-01T01:00:00.000+00:00"} == {one["reservation_expires_at"] for one in orders}


def test_variables_become_the_settings_that_they_name() -> None:
    """Processes get them by their environment, this one by its arguments."""
    assert {
        "kafka": {"bootstrap_servers": "broker:1"},
        "topics": {"order_completed": "one", "shards": "two"},
        "default_account": "acme",
    } == nested(
        {
            "RESERVATION_KAFKA__BOOTSTRAP_SERVERS": "broker:1",
            "RESERVATION_TOPICS__ORDER_COMPLETED": "one",
            "RESERVATION_TOPICS__SHARDS": "two",
            "RESERVATION_DEFAULT_ACCOUNT": "acme",
        }
    )
