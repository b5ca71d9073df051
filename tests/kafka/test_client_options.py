"""What the clients are built from: what the settings say, and what bounds a reader's memory."""

from collections.abc import Mapping

import pytest

from reservation_worker.adapters.kafka.configuration import (
    FETCH_BYTES_MAX,
    QUEUED_KILOBYTES_MAX,
    KafkaConfig,
    connection_options,
    member_options,
    producer_options,
    reader_options,
)
from reservation_worker.adapters.kafka.producer import ProducerTimeouts
from reservation_worker.adapters.kafka.read_back import read_back_options
from reservation_worker.cli.options import read_settings
from reservation_worker.composition import kafka_config
from reservation_worker.ports import CallWatch
from tests.clocks import MachineClock

REFRESH = "topic.metadata.refresh.interval.ms"
QUEUED, FETCHED = "queued.max.messages.kbytes", "fetch.max.bytes"


def config_of(watch: CallWatch | None = None, **kafka: object) -> KafkaConfig:
    """Return what a worker with these settings builds its clients from."""
    settings = read_settings(None, {"kafka": kafka})
    return kafka_config(settings) if watch is None else kafka_config(settings, watch)


def all_options(config: KafkaConfig) -> Mapping[str, Mapping[str, object]]:
    """Return the options of every kind of client."""
    return {
        "admin": connection_options(config, "role"),
        "reader": reader_options(config, "role"),
        "member": member_options(config, "role", "group"),
        "restoring": read_back_options(config),
        "producer": producer_options(config, "role"),
    }


def test_every_client_asks_for_metadata_as_often_as_is_set() -> None:
    """A partition that was added holds the frontier back until all of them know it."""
    told = all_options(config_of(metadata_refresh_interval_ms=7_000))
    assert {7_000} == {options[REFRESH] for options in told.values()}
    shipped = all_options(config_of())
    assert {30_000} == {options[REFRESH] for options in shipped.values()}


@pytest.mark.parametrize("kind", ["reader", "member", "restoring"])
def test_every_reader_bounds_what_it_fetches_ahead(kind: str) -> None:
    """Else each of them may hold a hundred megabytes beside what the worker counts."""
    options = all_options(config_of())[kind]
    assert (QUEUED_KILOBYTES_MAX, FETCH_BYTES_MAX) == (options[QUEUED], options[FETCHED])
    assert QUEUED_KILOBYTES_MAX * 1024 + FETCH_BYTES_MAX <= 48 * 1024 * 1024


def test_time_outs_and_names_are_those_of_the_settings() -> None:
    """Each of them is told to the brokers or to the library, and to nobody else."""
    config = config_of(
        request_timeout_ms=4_000,
        session_timeout_ms=7_000,
        max_poll_interval_ms=77_000,
        transaction_timeout_ms=5_000,
        group_id="shop",
    )
    told = all_options(config)
    assert told["admin"]["socket.timeout.ms"] == 4_000
    assert (told["member"]["session.timeout.ms"], told["member"]["max.poll.interval.ms"]) == (
        7_000,
        77_000,
    )
    assert told["producer"]["transaction.timeout.ms"] == 5_000
    assert told["reader"]["group.id"] == "shop"


def test_the_watch_of_the_process_is_that_of_its_clients() -> None:
    """A call that is told to another one may be stuck for ever."""
    watch = CallWatch(MachineClock().monotonic_ms)
    config = config_of(watch)
    assert config.watch is watch
    assert ProducerTimeouts.of(config).watch is watch
