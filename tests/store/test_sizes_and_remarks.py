"""What a step must be able to publish, and what of it is counted: on a server and in memory."""

from dataclasses import replace

import pytest

from reservation_worker.adapters.in_memory.store import InMemoryStore
from reservation_worker.contracts.records import OutputRecord
from reservation_worker.domain.facts import (
    Cause,
    DeadlineReached,
    Fact,
    ReservationSettlementDue,
    StockSettlementDue,
)
from reservation_worker.domain.outcome import AnyRemark, OutcomeKind, Remark, ShortfallRemark
from reservation_worker.domain.reservation import Status
from reservation_worker.ports import Store
from tests.store.conftest import Bounds, StoreFactory
from tests.store.facts import (
    ACCOUNT,
    EXPIRES_AT_MS,
    canceled,
    counted,
    invoiced,
    ordered,
    paid,
    reservation_id,
)
from tests.store.random_facts import NOW_MS
from tests.store.shard import SHARD, apply_all, claim, outbox

CHANGED = OutcomeKind.CHANGED


def remarks_of(store: Store[OutputRecord]) -> list[AnyRemark]:
    """Return all that there is to count of the steps that wait to be published."""
    return [remark for entry in outbox(store) for remark in entry.remarks]


def test_what_time_states_is_never_refused_for_its_size(make_store: StoreFactory) -> None:
    """The order's own facts were judged by a larger bound: what they began must come to its end."""
    before, after = make_store(Bounds()), make_store(Bounds(event_bytes_max=1_100))
    claim(before)
    late = replace(counted(100, at_ms=NOW_MS + 9), cause=Cause("t" * 249, 0, 1, "e" * 128))
    facts: list[Fact] = [counted(100), ordered(lines=10), ordered("v2", lines=10)]
    facts += [invoiced(), late]
    assert (CHANGED,) * len(facts) == apply_all(before, facts)
    if isinstance(before, InMemoryStore) and isinstance(after, InMemoryStore):
        after.put(before.held(SHARD))
    settlement = ReservationSettlementDue(ACCOUNT, "main", "chair", "v1")
    deadline = DeadlineReached(ACCOUNT, "v2", EXPIRES_AT_MS)
    assert (CHANGED, CHANGED) == apply_all(after, [settlement, deadline])
    assert (OutcomeKind.OUT_OF_BOUNDS,) == apply_all(after, [paid()])
    statuses = [after.reservation(SHARD, reservation_id(one)) for one in ("v1", "v2")]
    assert [Status.SETTLED, Status.EXPIRED] == [one.status for one in statuses if one]


def test_a_stock_that_becomes_short_is_remarked_once(make_store: StoreFactory) -> None:
    """Somebody will go without: the count that says so is told, and not each one behind it."""
    store = make_store(Bounds(settled_entries_max=1))
    claim(store)
    apply_all(store, [counted(10), ordered(quantity=4), ordered("v2"), ordered("v3")])
    counts = [
        counted(3, at_ms=NOW_MS + 1),
        counted(2, at_ms=NOW_MS + 2),
        counted(9, at_ms=NOW_MS + 3),
        counted(5, at_ms=NOW_MS + 3),
        replace(counted(5, at_ms=NOW_MS + 4), limit=-1),
        replace(counted(5, at_ms=NOW_MS + 5), limit=0),
        replace(counted(0, at_ms=NOW_MS + 6), unlimited=True),
    ]
    expected = [True, False, False, True, False, True, False]
    for count, is_short in zip(counts, expected, strict=True):
        before = remarks_of(store)
        assert (CHANGED,) == apply_all(store, [count])
        told = [ShortfallRemark(1)] if is_short else []
        assert [*before, *told] == remarks_of(store), count


@pytest.mark.parametrize(("on_hand", "told"), [(3, []), (2, [ShortfallRemark(1)])])
def test_a_stock_is_short_when_its_settlement_has_come_to_its_end(
    make_store: StoreFactory, on_hand: int, told: list[ShortfallRemark]
) -> None:
    """Until then available is too low: nobody knows whether anything is missing."""
    store = make_store(Bounds(settled_entries_max=1))
    claim(store)
    orders = [ordered(f"v{number}") for number in range(1, 6)]
    facts: list[Fact] = [counted(5), *orders, invoiced("v1"), invoiced("v2")]
    apply_all(store, [*facts, counted(on_hand, at_ms=NOW_MS + 9)])
    assert [] == remarks_of(store)
    apply_all(store, [StockSettlementDue(ACCOUNT, "main", "chair")])
    assert told == remarks_of(store)


def test_a_payment_that_only_gets_its_id_is_no_second_refund(make_store: StoreFactory) -> None:
    """The money is owed once."""
    store = make_store(Bounds())
    claim(store)
    facts: list[Fact] = [counted(5), ordered(), canceled(), paid(), paid(payment_id="p1")]
    assert (CHANGED,) * 5 == apply_all(store, facts)
    found = [one.refund_needed for one in remarks_of(store) if isinstance(one, Remark)]
    assert [True] == found
