"""What a rebuild takes, and what ``verify`` takes, with very many live reservations."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from redis import Redis

from reservation_worker.benchmark import mix
from reservation_worker.benchmark.figures import Rebuilt, Verified, spread
from reservation_worker.benchmark.filling import fill
from reservation_worker.benchmark.loads import now
from reservation_worker.benchmark.mix import Shops
from reservation_worker.benchmark.plan import Plan
from reservation_worker.benchmark.processor_time import peak_megabytes
from reservation_worker.benchmark.stage import Stage, Stalled, send
from reservation_worker.benchmark.workers import workers
from reservation_worker.embedded import Progress

LOOK_SECONDS = 0.05
SETTLE_SECONDS = 5.0
"""A start is not what is measured."""
REBUILD_TIMEOUT_SECONDS = 600
MEMORY_LOOK_SECONDS = 0.1
FACTS_PER_ORDER = 3


def measure_rebuild(found: Stage, plan: Plan, say: Progress) -> Rebuilt:
    """Time from the loss of everything to the last shard's being as it was, worker running.

    Raises:
        Stalled: it is not rebuilt in ten minutes.
    """
    fill(found, plan, plan.rebuild_live)
    say(f"{plan.rebuild_live:,} reservations are live")
    redis = Redis.from_url(found.valkey.url)
    shards_total = found.settings().topics.shards_total
    keys_total = redis.dbsize()
    seconds: list[float] = []
    peak = 0
    for _ in range(plan.runs):
        with workers(found) as running:
            running.wait_until_ready()
            time.sleep(SETTLE_SECONDS)
            before = _whole_shards(redis, shards_total)
            redis.flushall()
            begun = time.monotonic()
            while _whole_shards(redis, shards_total) != before:
                time.sleep(LOOK_SECONDS)
                if time.monotonic() - begun > REBUILD_TIMEOUT_SECONDS:
                    raise Stalled("the shards were not rebuilt in ten minutes")
            seconds.append(time.monotonic() - begun)
            assert redis.dbsize() == keys_total, "something is missing, or too much"
            peak = max(peak, peak_megabytes(running.process_ids[0]))
        say(f"rebuilt in {seconds[-1]:.1f} s")
    redis.close()
    return Rebuilt(
        live=plan.rebuild_live,
        seconds=spread(seconds),
        reservations_per_second=spread([plan.rebuild_live / one for one in seconds]),
        worker_peak_megabytes=peak,
    )


def _whole_shards(redis: Redis, shards_total: int) -> set[int]:
    return {
        shard
        for shard in range(shards_total)
        if redis.hget(f"{{s{shard}}}:meta", "writing") == b"0"
    }


def measure_verify(found: Stage, plan: Plan, say: Progress) -> Verified:
    """Time and memory of the command, with a worker beside it, and traffic if any is wanted."""
    fill(found, plan, plan.verify_live)
    say(f"{plan.verify_live:,} reservations are live")
    seconds, peaks = [], []
    with workers(found) as running, _traffic(found, plan):
        running.wait_until_ready()
        for _ in range(plan.runs):
            taken, peak = _verify_once(found, plan.verify_live)
            seconds.append(taken)
            peaks.append(peak)
            say(f"verified in {taken:.1f} s")
    return Verified(
        live=plan.verify_live,
        live_facts_per_second=plan.verify_rate,
        seconds=spread(seconds),
        reservations_per_second=spread([plan.verify_live / one for one in seconds]),
        peak_megabytes=max(peaks),
    )


@contextmanager
def _traffic(found: Stage, plan: Plan) -> Iterator[None]:
    """Let a shop's days go on meanwhile, if a rate is wanted."""
    stop = Event()

    def sell() -> None:
        second = 0
        while not stop.wait(1):
            second += 1
            shops = Shops(plan.accounts, f"second{second}", name=found.shops)
            send(found, mix.day(shops, plan.verify_rate // FACTS_PER_ORDER, now(), second))

    thread = Thread(target=sell, name="traffic")
    if plan.verify_rate:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if plan.verify_rate:
            thread.join()


def _verify_once(found: Stage, live: int) -> tuple[float, int]:
    answer = found.directory / "verify.json"
    begun, peak = time.monotonic(), 0
    with (
        answer.open("wb") as stdout,
        (found.directory / "verify.log").open("ab") as log,
        subprocess.Popen(
            found.command("verify", "--json"), env=found.environment, stdout=stdout, stderr=log
        ) as process,
    ):
        # What the system says at its end counts the memory of the process that started it, too.
        while process.poll() is None:
            with suppress(ValueError, FileNotFoundError):  # It has just ended.
                peak = peak_megabytes(process.pid)
            time.sleep(MEMORY_LOOK_SECONDS)
    seconds = time.monotonic() - begun
    text = answer.read_text("utf-8")
    assert process.returncode == 0, text
    assert json.loads(text)["checked"]["reservations"] >= live, text
    return seconds, peak
