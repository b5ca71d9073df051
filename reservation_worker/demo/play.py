"""Plays a day on a stage: sends each record at its moment, breaks machines, waits for quiet."""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from threading import Event
from typing import assert_never

from reservation_worker.demo.day import Action, Chapter, Day, Fault
from reservation_worker.demo.show import Show
from reservation_worker.demo.stage import WORKER_SLOTS, Stage
from reservation_worker.demo.writing import DayRecord
from reservation_worker.ports import BrokerUnavailable, Clock

SHOW_INTERVAL_MS = 250
FLUSH_TIMEOUT_MS = 30_000
QUIET_FOR_MS = 2_000
"""Nothing may have happened for so long before the day counts as over."""
QUIET_TIMEOUT_MS = 45_000
QUIET_INTERVAL_MS = 200


@dataclass(frozen=True, slots=True)
class Played:
    """How the play went."""

    records_sent: int
    is_quiet: bool
    """Everything was read, published and expired when the waiting ended."""


class Play:
    """One day on one stage."""

    def __init__(self, day: Day, stage: Stage, show: Show, clock: Clock) -> None:
        self._day = day
        self._stage = stage
        self._show = show
        self._clock = clock
        self._pause = Event()
        self._sent = 0

    def run(self) -> Played:
        """Play the day to its end.

        Raises:
            BrokerUnavailable: records could not be sent.
            StageBroken: a worker ended by itself.
        """
        for one in _in_order_of_time(self._day):
            self._wait_until(self._day.started_at_ms + one.at_ms)
            match one:
                case DayRecord():
                    self._stage.sender.send(one.topic, one.key, one.value, one.headers)
                    self._sent += 1
                case Chapter():
                    self._show.chapter(one.title)
                case Fault():
                    self._break(one)
                case _:
                    assert_never(one)
        self._stage.sender.flush(FLUSH_TIMEOUT_MS)
        return Played(self._sent, self._wait_for_quiet())

    def _wait_until(self, at_ms: int) -> None:
        while (left_ms := at_ms - self._clock.now_ms()) > 0:
            self._pause.wait(min(left_ms, SHOW_INTERVAL_MS) / 1000)
            self._show_progress()

    def _break(self, fault: Fault) -> None:
        slot = WORKER_SLOTS[fault.worker]
        match fault.action:
            case Action.KILL_WORKER:
                self._stage.kill_worker(slot)
                left = self._stage.uncommitted_records()
                self._show.fault(
                    f"worker {slot} is killed (SIGKILL) in the middle of a batch: "
                    f"{left} records are read or waiting, and not committed"
                )
            case Action.RESTART_WORKER:
                self._stage.start_worker(slot)
                self._show.fault(f"worker {slot} is started again")
            case Action.FREEZE_WORKER:
                self._stage.freeze_worker(slot)
                self._show.fault(
                    f"worker {slot} is frozen (SIGSTOP): payments wait there, so deadlines must too"
                )
            case Action.THAW_WORKER:
                self._stage.thaw_worker(slot)
                self._show.fault(f"worker {slot} goes on as if nothing had happened")
            case Action.KILL_VALKEY:
                self._stage.kill_valkey()
                self._show.fault(
                    "Valkey is killed (SIGKILL), and its disk is lost: nobody can decide anything"
                )
            case Action.RESTART_VALKEY:
                self._stage.restart_valkey()
                self._show.fault(
                    "Valkey is back, empty: each shard is rebuilt from the topics first"
                )
            case _:
                assert_never(fault.action)

    def _wait_for_quiet(self) -> bool:
        """Wait until all is read and published, nothing is overdue, and nothing more comes."""
        self._show.chapter("waiting until everything is read, published and expired")
        give_up_at_ms = self._clock.monotonic_ms() + QUIET_TIMEOUT_MS
        quiet_since_ms, events_before = self._clock.monotonic_ms(), -1
        while self._clock.monotonic_ms() < give_up_at_ms:
            self._pause.wait(QUIET_INTERVAL_MS / 1000)
            self._show_progress()
            tally, now_ms = self._stage.auditor.tally, self._clock.monotonic_ms()
            is_busy = tally.overdue or tally.settling or tally.events != events_before
            if is_busy or self._uncommitted_records():
                quiet_since_ms, events_before = now_ms, tally.events
            elif now_ms - quiet_since_ms >= QUIET_FOR_MS:
                return True
        return False

    def _uncommitted_records(self) -> int:
        try:
            return self._stage.uncommitted_records()
        except BrokerUnavailable:
            return 1

    def _show_progress(self) -> None:
        self._stage.check()
        at_ms = self._clock.now_ms() - self._day.started_at_ms
        self._show.progress(at_ms, self._sent, self._stage.auditor.tally)


def _in_order_of_time(day: Day) -> Iterator[DayRecord | Chapter | Fault]:
    return merge(day.chapters, day.records, day.faults, key=lambda one: one.at_ms)
