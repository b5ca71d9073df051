"""More members than input partitions: who reads nothing is ready, stays, and takes over."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Thread

from confluent_kafka import Consumer

from reservation_worker.adapters.kafka.configuration import KafkaConfig, member_options
from reservation_worker.telemetry.log_events import GROUP_NOT_JOINED
from tests.integration import shop
from tests.integration.conftest import NewStage
from tests.integration.stage import Stage
from tests.waiting import wait_until

TIMEOUT_MS = 60_000
REJOIN_TIMEOUT_MS = 4_000
"""Twice the session of a stage's workers."""


@contextmanager
def other_members(stage: Stage) -> Iterator[None]:
    """As many members as there are input partitions, so that each of them holds one."""
    ended = Event()
    with ExitStack() as stack:
        consumers = []
        for number in range(len(stage.topics.inputs)):
            config = KafkaConfig(stage.cluster.bootstrap_servers, stage.group_id, f"other-{number}")
            consumers.append(Consumer(member_options(config, "apply", config.group_id)))
            stack.callback(consumers[-1].close)
            consumers[-1].subscribe(list(stage.topics.inputs))

        def serve() -> None:
            while not ended.wait(0.01):
                for consumer in consumers:
                    consumer.poll(0)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(ended.set)
        wait_until(
            lambda: len(consumers) == stage.cluster.busy_members(stage.group_id),
            timeout_ms=TIMEOUT_MS,
            what="each of them holds a partition",
        )
        yield


def test_a_spare_is_ready_and_takes_over(new_stage: NewStage) -> None:
    """It loses nothing by waiting, and a rollout must not wait for it."""
    stage = new_stage(
        input_partitions=1,
        settings={"RESERVATION_PROCESS__REJOIN_TIMEOUT_MS": str(REJOIN_TIMEOUT_MS)},
    )
    with other_members(stage):
        worker = stage.start()
        worker.wait_until_ready()
        others = len(stage.topics.inputs)
        assert others == stage.cluster.busy_members(stage.group_id)
        assert others + 1 == stage.cluster.members(stage.group_id)
        spare_at_ms = stage.clock.monotonic_ms()
        wait_until(
            lambda: stage.clock.monotonic_ms() > spare_at_ms + REJOIN_TIMEOUT_MS + 1_000,
            timeout_ms=TIMEOUT_MS,
            what="it would have been given up",
        )
        assert () == worker.problems()
    stage.send(shop.balances(stage.clock.now_ms(), stage.accounts()))
    stage.sell(1, "after")
    stage.wait_until_settled()
    assert [] == worker.logged(GROUP_NOT_JOINED)
    stage.assert_nothing_violated()
    assert 0 == worker.drain()
