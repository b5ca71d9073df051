"""Calls that the network delivers once more, long after the worker has gone on."""

from collections.abc import Iterator
from random import Random

import redis

from reservation_worker.adapters.redis.scripts import load_scripts
from reservation_worker.embedded.port_claims import LOOPBACK
from tests.integration import shop
from tests.integration.conftest import NewStage
from tests.integration.stage import Stage
from tests.proxy import Proxy
from tests.waiting import wait_until

WAIT_MS = 60_000
LINE_END = b"\r\n"
OF_A_REBUILD = frozenset(
    {"begin_restoring", "drop", "restore_stocks", "restore_reservations", "finish_restoring"}
)
OF_ALL_TIMES = OF_A_REBUILD | {"claim", "step", "mark_published"}


def test_no_call_of_a_worker_moves_a_unit_when_it_comes_late(new_stage: NewStage) -> None:
    """Every script that it ran comes once more, in another order, and moves no unit.

    An order that was stamped anew while it lived, and comes again once it is over, differs from
    the one that it has become: that is noted, and all that may be.
    """
    stage = new_stage()
    with Proxy(stage.valkey.port) as proxy:
        stage.send(shop.balances(stage.clock.now_ms(), stage.accounts()))
        worker = stage.start(
            settings={"RESERVATION_REDIS__URL": f"redis://{LOOPBACK}:{proxy.port}/0"}
        )
        worker.wait_until_ready()
        stage.sell(1, "before")
        stage.wait_until_settled()
        stage.empty_redis()
        wait_until(
            lambda: worker.rebuilt_shards() == set(range(stage.topics.shards_total)),
            timeout_ms=WAIT_MS,
            what="all shards are rebuilt",
        )
        stage.sell(2, "after")
        stage.wait_until_settled()
        calls = [call for sent in proxy.sent for call in commands(sent) if call[0] == b"EVALSHA"]
        names = {script.sha.encode(): name for name, script in load_scripts().items()}
        assert {names[call[1]] for call in calls} >= OF_ALL_TIMES
        Random(18).shuffle(calls)
        # Else what is due by now would change keys meanwhile.
        assert 0 == worker.drain()
        stocks, reservations = keys_of(stage, "s"), keys_of(stage, "r")
        told = len(stage.bodies("reservation-changed"))
        with stage.redis() as client:
            for call in calls:
                client.execute_command(*call)
        assert stocks == keys_of(stage, "s")
        assert reservations.keys() == keys_of(stage, "r").keys()
        heir = stage.start()
        heir.wait_until_ready()
        stage.wait_until_settled()
        for change in stage.bodies("reservation-changed")[told:]:
            is_of_time = change["cause"] is None
            assert is_of_time or change["conflicts"] == ["order_differs"], str(change)
        stage.sell(3, "later")
        stage.wait_until_settled()
        stage.assert_nothing_violated()
        assert 0 == heir.drain()


def keys_of(stage: Stage, kind: str) -> dict[bytes, bytes | None]:
    """Return every key of a kind that Redis has, and its value as it dumps it."""
    with redis.Redis.from_url(stage.valkey.url) as client:
        return {key: client.dump(key) for key in client.scan_iter(f"{{s*}}:{kind}:*", count=1_000)}


def commands(sent: bytes) -> Iterator[list[bytes]]:
    """Read what a client has sent: arrays of strings, as RESP has them."""
    at = 0

    def line() -> bytes:
        nonlocal at
        end = sent.index(LINE_END, at)
        text, at = sent[at:end], end + len(LINE_END)
        return text

    while at < len(sent):
        parts = []
        for _ in range(int(line().removeprefix(b"*"))):
            length = int(line().removeprefix(b"$"))
            parts.append(sent[at : at + length])
            at += length + len(LINE_END)
        yield parts
