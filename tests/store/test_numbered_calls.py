"""Each call of a rebuild is run once, in its turn, or not at all."""

from dataclasses import replace

from reservation_worker.contracts.records import OutputRecord, OutputTopic, PublishedRecord
from reservation_worker.ports import Restoring, StepRefusal, StepRefused, Store
from tests.store.facts import STOCK_ID, counted, ordered, paid, reservation_id
from tests.store.restored import Rebuilding, published
from tests.store.shard import EPOCH, SHARD, apply_all, claim, outbox, step

NEXT = EPOCH + 1


def test_each_call_of_a_rebuild_is_run_once_in_its_turn_or_not_at_all(
    store: Store[OutputRecord], restoring: Restoring[PublishedRecord]
) -> None:
    """One that timed out was made again; it may still arrive, and must not undo what came after."""
    claim(store)
    apply_all(store, [counted(5), ordered()])
    records = [record for entry in outbox(store) for record in entry.records]
    stocks = published(records, OutputTopic.STOCK_CHANGED)[-1:]
    reservations = published(records, OutputTopic.RESERVATION_CHANGED)
    rebuilding = Rebuilding(store, restoring, SHARD, NEXT)
    drop, keys = rebuilding.turn, restoring.keys(SHARD, 0)[1]
    too_early = replace(drop, number=drop.number + 1)
    assert StepRefused(StepRefusal.TURN, NEXT) == restoring.restore(too_early, stocks)
    assert store.stock(SHARD, STOCK_ID) is not None, "nothing is dropped yet"
    rebuilding.drop_all()
    restore_stocks = rebuilding.turn
    rebuilding.restore(stocks)
    assert restore_stocks.number == restoring.drop(drop, keys), "it is answered as done"
    assert store.stock(SHARD, STOCK_ID) is not None, "and was not run again"
    rebuilding.restore(reservations)
    finish = rebuilding.turn
    rebuilding.finish(2)
    assert restoring.finish(finish, 2) is None
    step(store, [paid()], NEXT)
    done = store.reservation(SHARD, reservation_id())
    for late in (drop, restore_stocks):
        restoring.restore(late, stocks)
        restoring.drop(late, keys)
    restoring.finish(finish, 2)
    assert done is not None
    assert done == store.reservation(SHARD, reservation_id())
    assert (NEXT, 3, 2, False) == _progress(store)


def _progress(store: Store[OutputRecord]) -> tuple[int, int, int, bool]:
    state = store.inspect(SHARD)
    return state.epoch, state.step, state.published, state.torn
