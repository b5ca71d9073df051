"""Where a bound, a version or a member begins to count: one off is a fault that days hide."""

import pytest
import redis

from reservation_worker.contracts.records import OutputRecord
from reservation_worker.domain.facts import LineUnits, RetentionReached
from reservation_worker.domain.outcome import OutcomeKind
from reservation_worker.ports import (
    RetentionAt,
    ShardEpoch,
    ShardStep,
    StepRefusal,
    StepRefused,
    Store,
)
from tests.store.conftest import Bounds, StoreFactory, redis_store
from tests.store.facts import (
    ACCOUNT,
    STOCK_ID,
    canceled,
    counted,
    invoiced,
    ordered,
    paid,
    reservation_id,
)
from tests.store.random_facts import NOW_MS
from tests.store.shard import EPOCH, FAR_FUTURE_MS, SHARD, apply_all, claim, outbox, step

SKUS = ("chair", "table", "lamp")


def test_the_outbox_takes_as_many_steps_as_its_limit_and_none_more(
    make_store: StoreFactory,
) -> None:
    """What waits is memory of Redis: the limit is where reading pauses, not one step later."""
    store = make_store(Bounds(outbox_steps_max=2))
    claim(store)
    for sku in SKUS[:2]:
        step(store, [counted(5, sku=sku)])
    full = StepRefused(StepRefusal.OUTBOX_FULL, EPOCH)
    assert full == store.step(SHARD, EPOCH, [counted(5, sku=SKUS[2])])
    assert store.mark_published([ShardStep(SHARD, EPOCH, 1)]) == (None,)
    assert 3 == step(store, [counted(5, sku=SKUS[2])]).step
    assert full == store.step(SHARD, EPOCH, [ordered()])


def test_a_mark_beyond_the_last_step_changes_nothing(store: Store[OutputRecord]) -> None:
    """The shard has lost steps that are published: whoever marks them must hear of it."""
    claim(store)
    step(store, [counted(5)])
    incomplete = StepRefused(StepRefusal.INCOMPLETE, EPOCH)
    assert (incomplete,) == store.mark_published([ShardStep(SHARD, EPOCH, 2)])
    assert 0 == store.inspect(SHARD).published
    assert [1] == [entry.step for entry in outbox(store)]
    assert (None,) == store.mark_published([ShardStep(SHARD, EPOCH, 1)])


def test_a_retention_that_was_reached_for_another_version_removes_nothing(
    store: Store[OutputRecord],
) -> None:
    """Between the look and the step it changed: it is kept from then on."""
    claim(store)
    apply_all(store, [counted(5), ordered(), canceled()])
    (removable,) = store.removable([ShardEpoch(SHARD, EPOCH)], RetentionAt(NOW_MS, 0, 0), 10)
    assert not isinstance(removable, StepRefused)
    (reached,) = removable
    step(store, [paid()])
    for version in (reached.version, reached.version + 2):
        late = RetentionReached(ACCOUNT, "v1", version, NOW_MS)
        assert (OutcomeKind.REPEAT,) == step(store, [late]).outcomes
    assert store.reservation(SHARD, reservation_id()) is not None
    in_time = RetentionReached(ACCOUNT, "v1", reached.version + 1, NOW_MS)
    assert (OutcomeKind.CHANGED,) == step(store, [in_time]).outcomes


def test_what_does_not_fit_leaves_the_stocks_of_its_step_as_they_were(
    make_store: StoreFactory,
) -> None:
    """It was decided in memory before its size was known: the next fact must not see it."""
    store = make_store(Bounds(event_bytes_max=11_000))
    claim(store)
    step(store, [counted(40)])
    reply = step(store, [ordered("large", lines=40), ordered("v2", quantity=40)])
    assert (OutcomeKind.OUT_OF_BOUNDS, OutcomeKind.CHANGED) == reply.outcomes
    stock = store.stock(SHARD, STOCK_ID)
    assert stock is not None
    assert (40, 0) == (stock.authorized, stock.available)
    assert store.reservation(SHARD, reservation_id("large")) is None


def test_what_is_packed_small_may_still_be_too_large_to_publish(make_store: StoreFactory) -> None:
    """The names of fields are no part of what Redis keeps, and most of what is published."""
    for lines, outcome in ((30, OutcomeKind.CHANGED), (40, OutcomeKind.OUT_OF_BOUNDS)):
        store = make_store(Bounds(event_bytes_max=11_000))
        store_epoch = EPOCH + lines
        assert store.claim(SHARD, store.inspect(SHARD), store_epoch)
        step(store, [counted(100, at_ms=NOW_MS - lines)], store_epoch)
        reply = step(store, [ordered(f"v{lines}", lines=lines)], store_epoch)
        assert (outcome,) == reply.outcomes


def test_an_entry_that_comes_and_goes_in_one_step_is_gone(client: redis.Redis) -> None:
    """Two invoices of one line with one date are one entry: the first one's must not stay."""
    store = redis_store(client, Bounds())
    claim(store)
    apply_all(store, [counted(5), ordered(quantity=3)])
    facts = [
        invoiced(invoice_id="a", lines=(LineUnits("1", 1),)),
        invoiced(invoice_id="b", lines=(LineUnits("1", 2),)),
    ]
    assert (OutcomeKind.CHANGED,) * 2 == step(store, facts).outcomes
    (entry,) = client.zrange(f"{{s{SHARD}}}:a:{STOCK_ID.key}", 0, -1)
    assert b"/3/" in entry, "all three units"


@pytest.mark.parametrize("index", ["due", "settle", "over", "awaiting"])
def test_a_member_of_an_index_without_its_value_is_a_shard_that_lost_something(
    client: redis.Redis, index: str
) -> None:
    """It would be stated again and again, or end the process: the shard is to be rebuilt."""
    store = redis_store(client, Bounds())
    claim(store)
    step(store, [counted(5)])
    member = f"{STOCK_ID.key}/gone" if index == "settle" else f"{ACCOUNT}/gone"
    client.zadd(f"{{s{SHARD}}}:{index}", {member: NOW_MS})
    incomplete = StepRefused(StepRefusal.INCOMPLETE, EPOCH)
    shards = [ShardEpoch(SHARD, EPOCH)]
    if index in {"due", "settle"}:
        assert (incomplete,) == store.due(shards, FAR_FUTURE_MS, 10)
    else:
        assert (incomplete,) == store.removable(shards, RetentionAt(FAR_FUTURE_MS, 0, 0), 10)


def test_an_older_release_has_left_a_shard_that_its_owner_claims(client: redis.Redis) -> None:
    """Its meta names no deployment: nobody writes there before the owner has looked."""
    store = redis_store(client, Bounds())
    claim(store)
    step(store, [counted(5)])
    client.hdel(f"{{s{SHARD}}}:meta", "deployment")
    assert StepRefused(StepRefusal.SERVER, EPOCH) == store.step(SHARD, EPOCH, [ordered()])
    claim(store, EPOCH + 1)
    assert (OutcomeKind.CHANGED,) == step(store, [ordered()], EPOCH + 1).outcomes
