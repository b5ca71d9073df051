"""Where a fact's microseconds go: each stage alone, in one thread, on the production functions."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import starmap

from redis import Redis

from reservation_worker.adapters.redis.calls import Calls
from reservation_worker.adapters.redis.outbox import encode_outbox_entry
from reservation_worker.adapters.redis.packing import pack_facts
from reservation_worker.adapters.redis.records import decode_array
from reservation_worker.benchmark.ceilings import DrainedBacklog, stocks_as_facts
from reservation_worker.benchmark.figures import StageCost, rounded
from reservation_worker.benchmark.mix import Message
from reservation_worker.benchmark.packed_steps import EPOCH
from reservation_worker.benchmark.pass_through import apart, copies_from, pass_through
from reservation_worker.benchmark.place import Place
from reservation_worker.benchmark.seen import Seen, begin_group_at
from reservation_worker.benchmark.step_ceiling import Passed, measure_at
from reservation_worker.composition import store_config
from reservation_worker.settings.model import Settings

PASSES = 5
Entry = tuple[int, int, bytes]
"""Shard, step, and what the step has packed."""


def measure_stages(
    found: Place, seen: Seen, stocks: Sequence[Message], backlog: DrainedBacklog
) -> list[StageCost]:
    """Return what each stage costs, in the order of a fact's way; per change that is made."""
    settings = found.settings()
    measuring = measure_at(found)
    assert measuring is not None, "a cluster is not measured stage by stage"
    balances = stocks_as_facts(stocks, settings)
    turns = measuring.plan(seen.polls, balances)
    with measuring.run(turns, balances) as passed:
        read_seconds, entries = _read_outboxes(measuring.client, settings, passed)
        trim_seconds = _seconds(lambda: measuring.mark_published(passed))
    unpack_seconds = _least_seconds(decode_array, [(packed,) for _, _, packed in entries])
    encode_seconds = _least_seconds(encode_outbox_entry, entries)
    pack_seconds = _least_seconds(pack_facts, [(step.facts,) for turn in turns for step in turn])
    group_id = f"{settings.kafka.group_id}-stages"
    begin_group_at(found, group_id, backlog.inputs)
    copies = copies_from(found, backlog.outputs)
    through = pass_through(apart(found).settings(), backlog.passed_through_by(group_id, copies))
    seconds = {
        "fetch": seen.fetch_seconds,
        "decode": seen.decode_seconds,
        "pack": pack_seconds,
        "wait for the step": passed.seconds,
        "wait for the outbox": read_seconds + trim_seconds,
        "unpack": unpack_seconds,
        "encode": encode_seconds - unpack_seconds,
        "produce": through.produce_seconds,
        "commit": through.commit_seconds,
    }
    return [StageCost(name, rounded(one / passed.changes * 1e6)) for name, one in seconds.items()]


def _read_outboxes(client: Redis, settings: Settings, passed: Passed) -> tuple[float, list[Entry]]:
    """Read all entries as the publisher does, but leave them packed."""
    calls = Calls(client, store_config(settings))
    entries_max = settings.publish.entries_per_shard_max
    entries: list[Entry] = []
    begun = time.perf_counter()
    for shard, last_step in passed.steps.items():
        step = passed.first_steps[shard]
        while step < last_step:
            _, _, *found = calls.run(
                "read_outbox",
                shard + settings.topics.shards_total,
                *(EPOCH, step, entries_max, settings.redis.outbox_read_bytes_max),
            )
            entries += [(shard, step + index, one) for index, one in enumerate(found, 1)]
            step += len(found)
    return time.perf_counter() - begun, entries


def _least_seconds(function: Callable[..., object], calls: Sequence[tuple[object, ...]]) -> float:
    """Return the shortest of some passes, each of which keeps nothing of what it makes.

    What takes a part of another one's time is subtracted, so noise would show as less than nothing.
    """
    return min(_seconds(lambda: deque(starmap(function, calls), maxlen=0)) for _ in range(PASSES))


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
