"""Looks at a shard on a real server: what they say is of one moment, and nothing is changed."""

from random import Random

import pytest
import redis

from reservation_worker.adapters.redis.books import RedisBooks, read_version
from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.ports import Moment
from tests.store.conftest import Bounds, redis_store
from tests.store.facts import STOCK_ID, counted, invoiced, ordered, paid, reservation_id
from tests.store.random_facts import random_facts
from tests.store.restored import contents
from tests.store.shard import EPOCH, SHARD, claim, step

DAY = (counted(10), ordered("held"), ordered("sold"), paid("sold"), invoiced("sold"))
KEYS = tuple(reservation_id(name).key for name in ("held", "sold", "unknown"))
MANY = 700


@pytest.fixture
def books(client: redis.Redis) -> RedisBooks:
    """Give looks at a shard with one order that is held and one that is handed over."""
    store = redis_store(client, Bounds())
    claim(store)
    for fact in DAY:
        step(store, [fact])
    return RedisBooks(client, StoreConfig())


def all_keys(books: RedisBooks) -> dict[str, set[object]]:
    """Return everything that scanning finds, by kind."""
    found: dict[str, set[object]] = {"r": set(), "s": set(), "a": set(), "o": set()}
    cursor = -1
    while cursor:
        keys = books.scan(SHARD, max(cursor, 0))
        cursor = keys.next_cursor
        found["r"] |= set(keys.reservations)
        found["s"] |= set(keys.stocks)
        found["a"] |= set(keys.entries_of)
        found["o"] |= set(keys.outbox_steps)
    return found


def test_scanning_finds_every_key_by_its_kind(books: RedisBooks, client: redis.Redis) -> None:
    """And nothing of a neighbour, or that is no key of a worker."""
    client.set(f"{{s{SHARD}}}:o:nonsense", b"")
    client.set(f"{{s{SHARD}0}}:r:shop/other", b"")
    client.set(f"{{s{SHARD}}}:r:\xff".encode("latin-1"), b"")
    found = all_keys(books)
    assert {KEYS[0], KEYS[1], "\ufffd"} == found["r"]
    assert ({STOCK_ID.key}, {STOCK_ID.key}) == (found["s"], found["a"])
    assert set(range(1, len(DAY) + 1)) == found["o"]


def test_reservations_are_seen_with_what_the_indexes_have(books: RedisBooks) -> None:
    """A deadline, acknowledged units, and one that is not there."""
    (member,) = books.scan_index(SHARD, f"a:{STOCK_ID.key}", 0)[1]
    entries = [(f"a:{STOCK_ID.key}", member), ("settle", "nothing")]
    look = books.look_at_reservations(SHARD, ("due", "settle"), KEYS, entries)
    held, sold, unknown = look.reservations
    assert Moment(EPOCH, len(DAY), torn=False) == look.moment
    assert held.reservation is not None
    assert (held.reservation.expires_at_ms, None) == held.scores
    assert sold.reservation is not None
    (units,) = sold.acknowledged
    (acknowledged,) = sold.reservation.acknowledged
    assert (acknowledged.compared_at_ms, None) == (units.entry_score, units.settlement_score)
    assert units.stock is not None
    assert STOCK_ID == units.stock.id
    assert (None, None, (None, None), ()) == (
        *(unknown.packed, unknown.reservation, unknown.scores, unknown.acknowledged),
    )
    assert (acknowledged.compared_at_ms, None) == look.entry_scores


def test_what_no_worker_has_packed_is_seen_and_not_read(
    books: RedisBooks, client: redis.Redis
) -> None:
    """Whatever somebody put there, the look goes on."""
    for value in (b"", b"\x93", b"\xff\xff", b"\x9c" + b"\x01" * 12, b"text"):
        client.set(f"{{s{SHARD}}}:r:{KEYS[0]}", value)
        client.set(f"{{s{SHARD}}}:s:{STOCK_ID.key}", value)
        (looked,) = books.look_at_reservations(SHARD, ("due",), KEYS[:1], ()).reservations
        assert (value, None) == (looked.packed, looked.reservation)
        (stock,) = books.look_at_stocks(SHARD, (STOCK_ID.key,)).stocks
        assert (value, None) == (stock.packed, stock.stock)


def test_stocks_are_seen_with_the_settlement_that_waits(
    books: RedisBooks, client: redis.Redis
) -> None:
    """With their versions, and those that are not there."""
    client.zadd(f"{{s{SHARD}}}:settle", {STOCK_ID.key: 7})
    stock, unknown = books.look_at_stocks(SHARD, (STOCK_ID.key, "shop/main/unknown")).stocks
    assert stock.packed is not None
    assert (7, len(DAY)) == (stock.settlement_score, read_version(stock.packed))
    assert (None, None, None) == (unknown.packed, unknown.stock, unknown.settlement_score)


def test_the_outbox_is_seen_with_what_is_missing_and_what_is_too_much(
    books: RedisBooks, client: redis.Redis
) -> None:
    """Between the published step and the last one every entry must be there, and no other."""
    asked = range(MANY)
    look = books.look_at_outbox(SHARD, asked)
    assert (Moment(EPOCH, 5, torn=False), 0, (), ()) == (
        *(look.moment, look.published, look.missing, look.strays),
    )
    client.delete(f"{{s{SHARD}}}:o:2")
    client.set(f"{{s{SHARD}}}:o:6", b"")
    client.hset(f"{{s{SHARD}}}:meta", mapping={"published": 1, "writing": "1"})
    look = books.look_at_outbox(SHARD, asked)
    assert (Moment(EPOCH, 5, torn=True), 1, (2,), (1, 6)) == (
        *(look.moment, look.published, look.missing, look.strays),
    )


def test_an_index_is_read_a_part_at_a_time(books: RedisBooks, client: redis.Redis) -> None:
    """A large one does not stop the server."""
    members = {f"member-{number}": number for number in range(MANY)}
    client.zadd(f"{{s{SHARD}}}:due", members)
    found: set[str] = set()
    cursor, parts = -1, 0
    while cursor:
        cursor, some = books.scan_index(SHARD, "due", max(cursor, 0))
        found |= set(some)
        parts += 1
    assert members.keys() <= found
    assert parts > 1


def test_looks_change_nothing(client: redis.Redis) -> None:
    """On a random day, key by key; the scripts are declared to write nothing as well."""
    store, random = redis_store(client, Bounds()), Random(1)
    claim(store)
    for number in range(30):
        step(store, random_facts(random, number, 10, []), EPOCH)
    before = contents(client, SHARD)
    books = RedisBooks(client, StoreConfig())
    found = all_keys(books)
    reservations = sorted(map(str, found["r"]))
    books.look_at_reservations(SHARD, ("due",), reservations, [("settle", one) for one in "ab"])
    books.look_at_stocks(SHARD, sorted(map(str, found["s"])))
    books.look_at_outbox(SHARD, [1, 2])
    assert before == contents(client, SHARD)
