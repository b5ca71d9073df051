"""Kinds of damage to the indexes of a shard, each as somebody or something might do it."""

from typing import Any

from tests.integration.damages import (
    EXPIRES_AT,
    STEP_FAR_AWAY,
    Target,
    is_held,
    unpack,
)


def member(target: Target, index: bytes) -> tuple[bytes, float]:
    """Return the first member of an index."""
    found: Any = target.client.zrange(index, 0, 0, withscores=True)
    name, score = found[0]
    return name, score


def due_entry_missing(target: Target) -> None:
    """The reservation would never expire."""
    target.client.zrem(target.key("due"), member(target, target.key("due"))[0])


def due_entry_extra(target: Target) -> None:
    """Time would be stated of an order that is paid."""
    key, _ = target.reservation(lambda one: one[EXPIRES_AT] is False)
    name = key.partition(b":r:")[2]
    target.client.zadd(target.key("due"), {name: STEP_FAR_AWAY})


def due_entry_of_nothing(target: Target) -> None:
    """There is no such order."""
    target.client.zadd(target.key("due"), {"shop/nothing": STEP_FAR_AWAY})


def due_score_wrong(target: Target) -> None:
    """It would expire an hour too late."""
    name, score = member(target, target.key("due"))
    target.client.zadd(target.key("due"), {name: score + 3_600_000})


def settlement_missing(target: Target) -> None:
    """The reservation would never hear that its units are settled."""
    key, entry = acknowledged_entry(target)
    # The count covers the entry, and it has left the bucket: all as the script of a balance does.
    stock_key = target.key("s:") + key.partition(b":a:")[2]
    values, counts = unpack(target.value(stock_key))
    values[7] = int(entry[1]) + 1
    target.change(stock_key, (values, counts))


def settlement_extra(target: Target) -> None:
    """No unit of the order waits to be settled."""
    key, _ = target.reservation(is_held)
    account, _, order = key.partition(b":r:")[2].partition(b"/")
    name = account + b"/main/cup/" + order
    target.client.zadd(target.key("settle"), {name: STEP_FAR_AWAY})


def settlement_of_a_stock_extra(target: Target) -> None:
    """No count of the stock is unfinished."""
    key = target.keys("s")[0]
    values, _ = unpack(target.value(key))
    target.client.zadd(target.key("settle"), {key.partition(b":s:")[2]: values[7]})


def acknowledged_entry(target: Target) -> tuple[bytes, tuple[bytes, float]]:
    """Return the key of a stock's entries, and the first of them."""
    key = target.keys("a")[0]
    return key, member(target, key)


def acknowledged_entry_missing(target: Target) -> None:
    """No count would ever settle the units."""
    key, (name, _) = acknowledged_entry(target)
    target.client.zrem(key, name)


def acknowledged_entry_extra(target: Target) -> None:
    """A count would settle units that nobody has acknowledged."""
    key, (name, score) = acknowledged_entry(target)
    order, index, units, date = name.split(b"/")
    more = b"/".join((order, index, str(int(units) + 5).encode(), date))
    target.client.zadd(key, {more: score})


def acknowledged_score_wrong(target: Target) -> None:
    """A count would settle the units too early."""
    key, (name, score) = acknowledged_entry(target)
    target.client.zadd(key, {name: score - 3_600_000})


# ---- what is kept


def over_entry_missing(target: Target) -> None:
    """The reservation would stay for ever."""
    target.client.zrem(target.key("over"), member(target, target.key("over"))[0])


def over_entry_extra(target: Target) -> None:
    """A reservation that still holds units would be looked at again and again."""
    key, _ = target.reservation(is_held)
    target.client.zadd(target.key("over"), {key.partition(b":r:")[2]: STEP_FAR_AWAY})


def awaiting_entry_missing(target: Target) -> None:
    """Nobody would ever hear that the order did not come."""
    target.client.zrem(target.key("awaiting"), member(target, target.key("awaiting"))[0])
