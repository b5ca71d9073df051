"""Very many deadlines that pass at one moment, with live traffic beside them."""

import math
import time
from datetime import datetime, timedelta

from redis import Redis

from reservation_worker.benchmark import mix
from reservation_worker.benchmark.committed import done_of
from reservation_worker.benchmark.figures import Deadlines, percentile, rounded
from reservation_worker.benchmark.filling import fill_until_due
from reservation_worker.benchmark.loads import now
from reservation_worker.benchmark.mix import Shops
from reservation_worker.benchmark.offered import (
    LEAD_SECONDS,
    Seen,
    followed,
    latencies_ms,
    note_change,
    offer,
)
from reservation_worker.benchmark.plan import Plan
from reservation_worker.benchmark.stage import STALL_SECONDS, Stage, Stalled
from reservation_worker.benchmark.step_ceiling import timed_scripts
from reservation_worker.benchmark.workers import workers
from reservation_worker.embedded import Progress

OVERDUE = timedelta(hours=1)
LONGEST_GRACE_SECONDS = 86_400
START_SECONDS = 20
"""A worker is ready by then, and what was offered without deadlines has come out."""
LOOK_SECONDS = 0.1


def measure_deadlines(found: Stage, plan: Plan, say: Progress) -> Deadlines:
    """Fill Redis with overdue reservations, and let the grace of all end at one moment.

    Raises:
        Stalled: they do not expire.
    """
    due_at = now() - OVERDUE
    fill_until_due(found, plan, due_at, LONGEST_GRACE_SECONDS)
    say(f"{plan.deadlines:,} reservations wait for one moment")
    lead = timedelta(seconds=START_SECONDS + plan.seconds)
    grace_seconds = math.ceil((now() + lead - due_at).total_seconds())
    ends_at = due_at + timedelta(seconds=grace_seconds)
    own = {"RESERVATION_EXPIRY__GRACE_SECONDS": str(grace_seconds)}
    redis = Redis.from_url(found.valkey.url)
    rate, seconds = plan.deadlines_rate, plan.seconds
    # Its facts are three times as many as its orders: enough for both.
    facts = mix.day(
        Shops(plan.accounts, "beside", name=found.shops), rate * seconds, now(), plan.seed
    )
    with (
        workers(found, variables=own) as running,
        followed(found, note_change) as seen,
        done_of(found) as is_done,
        timed_scripts(redis) as longest,
    ):
        running.wait_until_ready()
        latencies_ms(seen, offer(found, facts, rate, LEAD_SECONDS), is_done)
        without = latencies_ms(seen, offer(found, facts, rate, seconds), is_done)
        _wait_until(ends_at)
        sent_at_ms = offer(found, facts, rate, seconds)
        _wait_until_expired(seen, plan.deadlines)
        beside = latencies_ms(seen, sent_at_ms, is_done, until_ms=seen.expired_at_ms)
    redis.close()
    figures = Deadlines(
        deadlines=plan.deadlines,
        seconds=rounded(seen.expired_at_ms / 1_000 - ends_at.timestamp()),
        longest_step_ms=longest[0],
        live_facts_per_second=rate,
        p99_ms_beside=rounded(percentile(beside, 99)),
        p99_ms_without=rounded(percentile(without, 99)),
    )
    say(f"all had expired after {figures.seconds} s")
    return figures


def _wait_until(moment: datetime) -> None:
    early = (moment - now()).total_seconds()
    if early < 0:
        raise Stalled("the worker was not ready before the deadlines were due")
    time.sleep(early)


def _wait_until_expired(seen: Seen, total: int) -> None:
    while seen.expired < total:
        if time.perf_counter() - seen.read_at > STALL_SECONDS:
            raise Stalled(f"{seen.expired} of {total} reservations expired, and no more")
        time.sleep(LOOK_SECONDS)
