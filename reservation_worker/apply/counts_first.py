"""Counts first: when nothing is applied that could be refused stock, and for how long.

A refusal is final for its fact. After an interruption (a start, an assignment, a seek back, an
outage) facts of all kinds wait together, and which of them is read first is an accident. So the
loop holds back everything but counts until those that could be read when the interruption ended
are applied and published by the members that have them, or in its own hand: there they stand in the
queues of their shards, before all that is read later, so that a shard which cannot be written to
(its slot moves, its server is away) holds up no other one.

Of the other facts, orders want stock, late payments and invoices want it again, and a refusal of
each is published and kept. Cancellations want none, but what comes first of a cancellation and an
invoice stands: so they are not let past invoices either, and only counts are read.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import structlog

from reservation_worker.ports import (
    BrokerUnavailable,
    Clock,
    CountOffsets,
    CountsAnswer,
    CountsQuestion,
)
from reservation_worker.telemetry.log_events import COUNTS_FIRST_ENDED, COUNTS_FIRST_WAITED
from reservation_worker.telemetry.metrics import Metrics

ASK_INTERVAL_MS: Final = 20
"""Between an answer and the next question, in the beginning: most waits are short."""
ASK_INTERVAL_MS_MAX: Final = 1_000
ASK_INTERVAL_GROWTH: Final = 10
"""The interval is this part of the time waited: a long wait asks seldom, and notices its end."""
LOG_INTERVAL_MS: Final = 10_000
NAMED_PARTITIONS_MAX: Final = 10
"""A message names no more partitions than these."""


class Interruption(StrEnum):
    """After what counts come first."""

    STARTED = "started"
    PARTITIONS_SHARED_OUT = "partitions_shared_out"
    SOUGHT_BACK = "sought_back"
    REDIS_OUTAGE = "redis_outage"
    KAFKA_OUTAGE = "kafka_outage"
    EPOCH_CHANGED = "epoch_changed"
    STALLED = "stalled"
    """Nothing could be committed for a while."""


class CountsFirst:
    """Holds until the counts that were there when the last interruption ended are applied.

    They are sampled once per interruption: never again while it waits for them, for steady counts
    would starve orders.
    """

    def __init__(self, topic: str, offsets: CountOffsets, clock: Clock, metrics: Metrics) -> None:
        """Hold from the beginning: nothing may be decided before the first look."""
        self._topic = topic
        self._offsets = offsets
        self._now_ms = clock.monotonic_ms
        self._metrics = metrics
        self._logger = structlog.get_logger()
        self._question: CountsQuestion | None = None
        self._ends: dict[int, int | None] | None = None
        """What was sampled, by partition; None: that it is there, but not how far it reaches."""
        self._left_last: dict[int, int] = {}
        self._ask_at_ms = 0
        self._began_at_ms = self._log_at_ms = self._now_ms()
        self._was_logged = False
        self._interruption = Interruption.STARTED
        self.holds = True
        """Nothing but counts may be read or applied."""
        self.began = False
        """An interruption was met, and what waits of other facts is not put back yet."""
        self.waits_for = "it is not known yet how many"
        """What is left, in words."""

    def begin(self, interruption: Interruption) -> None:
        """Hold, and sample anew: what was known before the interruption proves nothing."""
        if not self.holds:
            self._began_at_ms = self._log_at_ms = self._now_ms()
            self._was_logged = False
        self._interruption = interruption
        self.holds = self.began = True
        self.waits_for = "it is not known yet how many"
        self._question = self._ends = None
        self._left_last = {}
        self._ask_at_ms = 0

    def look(self, read_up_to: Mapping[int, int]) -> None:
        """Ask, or take the answer; hold no longer once the sampled counts are applied.

        To be called only while it could be acted upon: an interruption that lasts is no moment to
        sample, for more counts come in it.

        Args:
            read_up_to: by partition of the counts that this member reads, the offset behind what
                it has in hand or has committed. Those are as good as applied: whatever is read
                later waits behind them in the queue of its shard.
        """
        if not self.holds or self.began:
            # What waits of other facts may stand before counts in its queue: it is put back first.
            return
        now_ms = self._now_ms()
        if self._question is None:
            if now_ms < self._ask_at_ms:
                return
            self._question = self._offsets.ask()
        try:
            answer = self._question.answer()
        except BrokerUnavailable as error:
            self._wait(f"Kafka does not tell how many: {error}")
            return
        if answer is None:
            return
        left = self._left(answer, read_up_to)
        self._metrics.counts_first_records_left.set(sum(left.values()))
        if left or self._unknown():
            self._wait(self._in_words(left, answer))
            return
        self._end()

    def problems(self) -> tuple[str, ...]:
        """Say in a sentence why nothing but counts is applied; nothing if it does not hold."""
        if not self.holds:
            return ()
        why = (
            f"Counts come first ({self._interruption}): nothing else is applied until all that "
            f"were in {self._topic} are, by any worker of the group: {self.waits_for}."
        )
        return (why,)

    def _left(self, answer: CountsAnswer, read_up_to: Mapping[int, int]) -> dict[int, int]:
        """Return how many sampled counts are not applied, by partition; take the sample first.

        A sample becomes smaller where the partition has: its records are gone, or it is another
        one now. It never grows, but for partitions that were silent until now.
        """
        if self._ends is None:
            self._ends = {number: one.end for number, one in answer.partitions.items()}
            self._ends |= dict.fromkeys(answer.silent)
        left: dict[int, int] = {}
        for number, sampled in list(self._ends.items()):
            there = answer.partitions.get(number)
            if there is None:
                if number not in answer.silent:
                    del self._ends[number]
                elif number in self._left_last:
                    left[number] = self._left_last[number]
                continue
            end = self._ends[number] = there.end if sampled is None else min(sampled, there.end)
            done = max(there.start, there.committed or 0, read_up_to.get(number, 0))
            records_left = end - done
            if records_left > 0:
                left[number] = records_left
        self._left_last = left
        return left

    def _unknown(self) -> bool:
        return self._ends is None or None in self._ends.values()

    def _in_words(self, left: dict[int, int], answer: CountsAnswer) -> str:
        named = ", ".join(str(number) for number in sorted(left)[:NAMED_PARTITIONS_MAX])
        more = len(left) - NAMED_PARTITIONS_MAX
        also = f" and {more} more" if more > 0 else ""
        parts = [f"{sum(left.values())} left in partitions {named}{also}"] if left else []
        parts += [
            f"partition {number} does not tell: {why}"
            for number, why in sorted(answer.silent.items())[:NAMED_PARTITIONS_MAX]
        ]
        return "; ".join(parts)

    def _wait(self, waits_for: str) -> None:
        self._question = None
        self.waits_for = waits_for
        now_ms = self._now_ms()
        waited_ms = now_ms - self._began_at_ms
        pause_ms = min(ASK_INTERVAL_MS_MAX, ASK_INTERVAL_MS + waited_ms // ASK_INTERVAL_GROWTH)
        self._ask_at_ms = now_ms + pause_ms
        if now_ms >= self._log_at_ms:
            self._log_at_ms = now_ms + LOG_INTERVAL_MS
            self._was_logged = True
            self._logger.info(
                COUNTS_FIRST_WAITED,
                topic=self._topic,
                after=self._interruption.value,
                waited_ms=waited_ms,
                left=waits_for,
            )

    def _end(self) -> None:
        self.holds = self.began = False
        self._question = self._ends = None
        if self._was_logged:
            self._logger.info(
                COUNTS_FIRST_ENDED,
                topic=self._topic,
                after=self._interruption.value,
                waited_ms=self._now_ms() - self._began_at_ms,
            )
