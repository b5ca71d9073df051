"""Large records that nobody can read, while nothing can be committed."""

from tests.integration import shop
from tests.integration.conftest import NewStage
from tests.integration.topic_changes import Operator
from tests.integration.topics import DEAD_LETTER, Message
from tests.waiting import wait_until

WAIT_MS = 20_000
RECORDS = 400
RECORD_BYTES = 50_000
IN_HAND_BYTES_MAX = 200_000
ONE_POLL_RECORDS = 10
"""A poll is not bounded in bytes: that of the first large ones goes beyond the bound."""
SETTINGS = {
    "RESERVATION_TOPICS__LOOK_INTERVAL_MS": "200",
    "RESERVATION_INPUT__RECORD_BYTES_MAX": "100000",
    "RESERVATION_APPLY__UNCOMMITTED_BYTES_MAX": str(IN_HAND_BYTES_MAX),
    "RESERVATION_APPLY__RECORDS_PER_POLL_MAX": str(ONE_POLL_RECORDS),
    "RESERVATION_APPLY__DEAD_LETTER_BYTES_PER_COMMIT_MAX": "150000",
}


def test_what_is_in_hand_stays_within_its_bound(new_stage: NewStage) -> None:
    """It counts until it is committed; then every record is a dead letter, once."""
    stage = new_stage(input_partitions=1, settings=SETTINGS)
    operator = Operator(stage.cluster.bootstrap_servers)
    worker = stage.open_shop()
    name = stage.topics.name("stock-changed")
    operator.set_up(name, {"cleanup.policy": "delete"})
    wait_until(
        lambda: any(name in problem for problem in worker.problems() or ()),
        timeout_ms=WAIT_MS,
        what="the worker refuses to commit",
    )
    paused_before = len(worker.logged("partitions_paused"))
    garbage = b"\xff" * RECORD_BYTES
    stage.send([Message("order-completed", garbage)] * RECORDS)
    wait_until(
        lambda: len(worker.logged("partitions_paused")) > paused_before,
        timeout_ms=WAIT_MS,
        what="reading pauses",
    )
    in_hand = worker.logged("partitions_paused")[-1]["uncommitted_records"]
    assert 0 < in_hand <= ONE_POLL_RECORDS + IN_HAND_BYTES_MAX // RECORD_BYTES
    tried = len(worker.logged("commit_failed"))
    wait_until(
        lambda: len(worker.logged("commit_failed")) > tried,
        timeout_ms=WAIT_MS,
        what="a commit is refused while reading is paused",
    )
    assert len(worker.logged("partitions_resumed")) <= paused_before
    assert not stage.cluster.read([stage.topics.name(DEAD_LETTER)])
    operator.set_up(name, {"cleanup.policy": "compact"})
    stage.send(shop.balances(stage.clock.now_ms(), stage.accounts(), on_hand=7))
    stage.wait_until_settled()
    letters = stage.cluster.read([stage.topics.name(DEAD_LETTER)])
    assert [garbage] * RECORDS == [letter.value for letter in letters]
    stage.assert_nothing_violated()
    assert 0 == worker.drain()
