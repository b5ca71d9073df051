"""What every store must do; each test runs on a real server and in memory."""

from dataclasses import replace

from reservation_worker.contracts.records import OutputRecord
from reservation_worker.domain.deadline import INSTANT_MAX_MS
from reservation_worker.domain.facts import (
    REMEMBERED_PER_RESERVATION_MAX,
    Cause,
    DeadlineReached,
    Fact,
    LineUnits,
    OrderLine,
    ReservationSettlementDue,
    StockSettlementDue,
)
from reservation_worker.domain.outcome import (
    OutcomeKind,
    ReservationChanged,
    StockChanged,
    UnitsAcknowledged,
)
from reservation_worker.domain.reservation import Status
from reservation_worker.ports import (
    ShardEpoch,
    ShardStep,
    StepRefusal,
    StepRefused,
    Store,
)
from tests.published import events_of
from tests.store.conftest import Bounds, StoreFactory
from tests.store.facts import (
    ACCOUNT,
    EXPIRES_AT_MS,
    STOCK_ID,
    canceled,
    cause,
    counted,
    invoiced,
    ordered,
    paid,
    reservation_id,
)
from tests.store.random_facts import NOW_MS
from tests.store.shard import EPOCH, SHARD, apply_all, claim, due, events, outbox, step

CHANGED, REPEAT, REFUSED = OutcomeKind.CHANGED, OutcomeKind.REPEAT, OutcomeKind.REFUSED


def test_a_shard_without_meta_says_so_and_refuses_every_call(store: Store[OutputRecord]) -> None:
    """Nothing may be decided before an owner has looked."""
    state = store.inspect(SHARD)
    assert (0, 0, 0, False, "") == (
        state.epoch,
        state.step,
        state.published,
        state.torn,
        state.verified_server,
    )
    refused = StepRefused(StepRefusal.EPOCH, 0)
    assert refused == store.step(SHARD, EPOCH, [ordered()])
    assert refused == store.read_outbox([ShardStep(SHARD, EPOCH, 0)], 10)[0]
    assert refused == store.mark_published([ShardStep(SHARD, EPOCH, 0)])[0]
    assert refused == store.due([ShardEpoch(SHARD, EPOCH)], NOW_MS, 10)[0]


def test_another_epoch_is_refused_and_the_refusal_names_the_current_one(
    store: Store[OutputRecord],
) -> None:
    """That is how the apply loop learns of a new owner."""
    claim(store)
    claim(store, EPOCH + 1)
    assert StepRefused(StepRefusal.EPOCH, EPOCH + 1) == store.step(SHARD, EPOCH, [ordered()])
    assert (0,) == store.look([], [SHARD]).latest_steps


def test_claiming_never_goes_over_a_newer_epoch(store: Store[OutputRecord]) -> None:
    """An owner that was asleep must not take a shard back."""
    asleep = store.inspect(SHARD)
    claim(store, EPOCH + 1)
    assert not store.claim(SHARD, asleep, EPOCH)
    assert not store.claim(SHARD, store.inspect(SHARD), EPOCH)
    assert EPOCH + 1 == store.inspect(SHARD).epoch


def test_claiming_compares_everything_that_was_inspected(store: Store[OutputRecord]) -> None:
    """What has changed since the owner looked, it has not verified."""
    claim(store)
    inspected = store.inspect(SHARD)
    apply_all(store, [counted(1)])
    assert not store.claim(SHARD, inspected, EPOCH + 1)
    current = store.inspect(SHARD)
    assert not store.claim(SHARD, replace(current, server="another/server"), EPOCH + 1)
    assert not store.claim(SHARD, replace(current, verified_server="x/y"), EPOCH + 1)
    assert not store.claim(SHARD, replace(current, epoch=EPOCH - 1), EPOCH + 1)
    assert store.claim(SHARD, current, EPOCH + 1)


def test_claiming_twice_with_the_same_epoch_is_one_claim(store: Store[OutputRecord]) -> None:
    """The reply to the first may have been lost."""
    inspected = store.inspect(SHARD)
    assert store.claim(SHARD, inspected, EPOCH)
    assert store.claim(SHARD, inspected, EPOCH)


def test_a_shard_begins_at_the_step_that_was_inspected(store: Store[OutputRecord]) -> None:
    """Steps that were published before must not come again."""
    assert store.claim(SHARD, replace(store.inspect(SHARD), step=41), EPOCH)
    reply = step(store, [counted(1)])
    assert (42, 41) == (reply.step, reply.published)
    assert [42] == [entry.step for entry in outbox(store, 41)]


def test_a_step_publishes_changes_in_the_order_of_decisions_then_stocks(
    store: Store[OutputRecord],
) -> None:
    """The index of an event in its step is part of its id."""
    claim(store)
    apply_all(store, [counted(10)])
    step(store, [ordered(quantity=3), paid(), invoiced(invoice_id="i1"), ordered("v2")])
    entry = outbox(store, 1)[0]
    assert [
        ReservationChanged,
        ReservationChanged,
        ReservationChanged,
        UnitsAcknowledged,
        ReservationChanged,
        StockChanged,
    ] == [type(event) for event in events_of(entry)]
    stock_event = events_of(entry)[-1]
    assert isinstance(stock_event, StockChanged)
    assert (10, 1, 0, 3) == (
        stock_event.stock.on_hand,
        stock_event.stock.authorized,
        stock_event.stock.confirmed,
        stock_event.stock.acknowledged,
    )
    assert (2, NOW_MS, None, "trace-1") == (
        stock_event.version,
        stock_event.occurred_at_ms,
        stock_event.cause,
        stock_event.traceparent,
    )


def test_a_step_of_repeats_gets_the_current_step_and_publishes_nothing(
    store: Store[OutputRecord],
) -> None:
    """What it repeats may not be published yet."""
    claim(store)
    facts: list[Fact] = [counted(5), ordered()]
    apply_all(store, facts)
    step_before = store.inspect(SHARD).step
    reply = step(store, facts)
    assert (REPEAT,) * len(reply.outcomes) == reply.outcomes
    assert step_before == reply.step == store.inspect(SHARD).step


def test_a_stock_that_is_as_it_was_before_the_step_is_not_published(
    store: Store[OutputRecord],
) -> None:
    """Only what a reader does not know yet is an event."""
    claim(store)
    apply_all(store, [counted(5)])
    step(store, [ordered(), canceled()])
    assert [ReservationChanged] * 2 == [type(event) for event in events_of(outbox(store, 1)[0])]


def test_a_refusal_is_final_for_its_fact_after_stock_arrives(store: Store[OutputRecord]) -> None:
    """The same order read again gives the answer that it gave the first time."""
    claim(store)
    assert (REFUSED,) == apply_all(store, [ordered()])
    assert (CHANGED, REPEAT) == apply_all(store, [counted(5), ordered()])
    reservation = store.reservation(SHARD, reservation_id())
    assert reservation is not None
    assert Status.DENIED == reservation.status


def test_two_lines_on_one_stock_cannot_pass_one_by_one(store: Store[OutputRecord]) -> None:
    """Demand is summed per stock before it is checked."""
    claim(store)
    facts: list[Fact] = [counted(3), ordered(quantity=2, lines=2)]
    assert (CHANGED, REFUSED) == apply_all(store, facts)


def test_a_balance_has_its_stock_to_itself_in_a_step(store: Store[OutputRecord]) -> None:
    """So an auditor knows whether a count or reservations changed a stock."""
    claim(store)
    facts: list[Fact] = [ordered(), counted(5), ordered("v2"), counted(9, sku="table")]
    assert 1 == len(step(store, facts).outcomes)
    assert 1 == len(step(store, facts[1:]).outcomes)
    assert 2 == len(step(store, facts[2:]).outcomes)


def test_two_balances_of_one_stock_are_two_steps(store: Store[OutputRecord]) -> None:
    """Each has an event that names it."""
    claim(store)
    facts: list[Fact] = [counted(5), counted(6, at_ms=NOW_MS)]
    assert 1 == len(step(store, facts).outcomes)
    apply_all(store, facts[1:])
    causes = [event.cause for event in events(store) if isinstance(event, StockChanged)]
    assert [cause(5), cause(5)] == causes


def test_a_step_takes_no_more_facts_than_its_bound(make_store: StoreFactory) -> None:
    """It bounds the pause of the server."""
    store = make_store(Bounds(facts_per_step_max=2))
    claim(store)
    facts: list[Fact] = [ordered(f"v{number}") for number in range(5)]
    assert 2 == len(step(store, facts).outcomes)
    assert (REPEAT, REPEAT, REFUSED, REFUSED, REFUSED) == apply_all(store, facts)


def test_deadlines_are_due_when_they_have_passed_and_expire_once(
    store: Store[OutputRecord],
) -> None:
    """A paid order has none any more."""
    claim(store)
    apply_all(store, [counted(5), ordered("v1"), ordered("v2"), paid("v2")])
    assert () == due(store, EXPIRES_AT_MS - 1).deadlines
    deadline = DeadlineReached(ACCOUNT, "v1", EXPIRES_AT_MS)
    assert (deadline,) == due(store, EXPIRES_AT_MS).deadlines
    outdated = replace(deadline, expires_at_ms=EXPIRES_AT_MS - 1)
    facts: list[Fact] = [outdated, deadline, deadline]
    assert (REPEAT, CHANGED, REPEAT) == apply_all(store, facts)
    assert () == due(store).deadlines


def test_a_balance_settles_what_it_covers_and_leaves_the_reservations_as_work(
    store: Store[OutputRecord],
) -> None:
    """The stock is right at once; each reservation follows with a change of its own."""
    claim(store)
    apply_all(store, [counted(9), ordered(quantity=2), invoiced()])
    apply_all(store, [counted(7, at_ms=NOW_MS + 10)])
    stock = store.stock(SHARD, STOCK_ID)
    assert stock is not None
    assert (7, 0, 7) == (stock.on_hand, stock.acknowledged, stock.available)
    work = due(store).settlements
    assert (ReservationSettlementDue(ACCOUNT, "main", "chair", "v1"),) == work
    assert (CHANGED,) == apply_all(store, work)
    change = events(store)[-1]
    assert isinstance(change, ReservationChanged)
    assert (Status.SETTLED, cause(5)) == (change.reservation.status, change.cause)
    assert () == due(store).settlements


def test_a_balance_that_covers_too_much_for_one_step_goes_on_in_others(
    make_store: StoreFactory,
) -> None:
    """Until then available is too low, never too high."""
    store = make_store(Bounds(settled_entries_max=2))
    claim(store)
    orders = [f"v{number}" for number in range(5)]
    apply_all(store, [counted(9), *(ordered(order) for order in orders)])
    apply_all(store, [invoiced(order) for order in orders])
    apply_all(store, [counted(4, at_ms=NOW_MS + 10)])
    acknowledged = []
    for _ in range(3):
        stock = store.stock(SHARD, STOCK_ID)
        assert stock is not None
        acknowledged.append(stock.acknowledged)
        apply_all(store, [StockSettlementDue(ACCOUNT, "main", "chair")])
    assert [3, 1, 0] == acknowledged
    apply_all(store, due(store).settlements)
    assert () == due(store).settlements
    for order in orders:
        reservation = store.reservation(SHARD, reservation_id(order))
        assert reservation is not None
        assert Status.SETTLED == reservation.status


def test_a_settlement_that_has_nothing_to_do_is_not_due_again(store: Store[OutputRecord]) -> None:
    """Else the schedule would turn on it for ever."""
    claim(store)
    apply_all(store, [counted(9), ordered(), invoiced()])
    apply_all(store, [counted(8, at_ms=NOW_MS + 10)])
    work = due(store).settlements
    assert (CHANGED, REPEAT) == apply_all(store, [*work, *work])
    assert () == due(store).settlements


def test_one_invoice_too_many_to_remember_is_out_of_bounds_and_changes_nothing(
    store: Store[OutputRecord],
) -> None:
    """A reservation must not grow without end."""
    claim(store)
    line = (LineUnits("1", 1),)
    facts: list[Fact] = [
        invoiced(invoice_id=f"i{number}", lines=line)
        for number in range(REMEMBERED_PER_RESERVATION_MAX + 1)
    ]
    outcomes = apply_all(store, facts)
    assert (CHANGED,) * REMEMBERED_PER_RESERVATION_MAX == outcomes[:-1]
    assert OutcomeKind.OUT_OF_BOUNDS == outcomes[-1]
    reservation = store.reservation(SHARD, reservation_id())
    assert reservation is not None
    assert REMEMBERED_PER_RESERVATION_MAX == reservation.version


def test_what_would_not_fit_a_record_is_out_of_bounds_and_changes_nothing(
    make_store: StoreFactory,
) -> None:
    """An event that cannot be published would stop its shard."""
    store = make_store(Bounds(event_bytes_max=4_000))
    claim(store)
    large = ordered(lines=10)
    small = ordered(lines=2)
    facts: list[Fact] = [counted(100), large, small, large]
    expected = (CHANGED, OutcomeKind.OUT_OF_BOUNDS, CHANGED, OutcomeKind.CONFLICT)
    assert expected == apply_all(store, facts)
    stock = store.stock(SHARD, STOCK_ID)
    assert stock is not None
    assert 2 == stock.authorized


def test_where_early_facts_stand_counts_for_what_must_fit_a_record(
    make_store: StoreFactory,
) -> None:
    """A reservation that waits for its order remembers a place for each of its facts."""
    store = make_store(Bounds(event_bytes_max=6_000))
    claim(store)
    topic = "a-long-name" * 20
    facts: list[Fact] = [
        replace(invoiced(invoice_id=f"i{number}"), cause=Cause(topic, 0, number))
        for number in range(20)
    ]
    outcomes = apply_all(store, facts)
    remembered = outcomes.count(CHANGED)
    assert 1 < remembered < 10
    assert (OutcomeKind.OUT_OF_BOUNDS,) * (20 - remembered) == outcomes[remembered:]
    reservation = store.reservation(SHARD, reservation_id())
    assert reservation is not None
    assert tuple((topic, 0, number) for number in range(remembered)) == reservation.early_facts


def test_ids_that_look_like_keys_stay_apart(store: Store[OutputRecord]) -> None:
    """No input may reach another order's or another account's data."""
    claim(store)
    ids = ("a/b", "a%2Fb", "{s1}:meta", "r:x", "ä\u2028", "a" * 128)
    for number, order_id in enumerate(ids, 1):
        order = ordered(order_id, quantity=number)
        apply_all(store, [replace(order, lines=(OrderLine(order_id, order_id, order_id, number),))])
    for number, order_id in enumerate(ids, 1):
        reservation = store.reservation(SHARD, reservation_id(order_id))
        assert reservation is not None
        assert (number, order_id) == (
            reservation.lines[0].quantity,
            reservation.lines[0].warehouse_id,
        )


def test_latest_steps_are_a_hint_for_several_shards(store: Store[OutputRecord]) -> None:
    """The publisher need not ask shards that have nothing to say."""
    claim(store)
    step(store, [ordered()])
    assert (0, 1, 0) == store.look([], [SHARD - 1, SHARD, SHARD + 1]).latest_steps


def test_the_largest_numbers_of_the_domain_survive(store: Store[OutputRecord]) -> None:
    """Lua corrupts integers that are printed carelessly."""
    claim(store)
    huge = 10**12
    apply_all(store, [counted(huge, at_ms=INSTANT_MAX_MS - 1), ordered(quantity=10**6)])
    stock = store.stock(SHARD, STOCK_ID)
    assert stock is not None
    assert (huge, INSTANT_MAX_MS - 1, huge - 10**6) == (
        stock.on_hand,
        stock.counted_at_ms,
        stock.available,
    )
    apply_all(store, [replace(invoiced(), invoiced_at_ms=INSTANT_MAX_MS)])
    apply_all(store, [counted(-huge, sku="table", at_ms=1)])
    assert () == due(store).settlements


def test_the_server_tells_the_time(store: Store[OutputRecord]) -> None:
    """The payment frontier needs a second clock."""
    assert store.now_ms() > NOW_MS - 366 * 86_400_000
