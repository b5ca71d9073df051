"""Bugs that the auditor must find, wrapped around the parts: none is a switch inside them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from threading import Event

from reservation_worker.adapters.redis.calls import Client
from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.scripts import Script, load_scripts
from reservation_worker.adapters.redis.store import RedisStore
from reservation_worker.contracts.records import DeadLetter, OutputRecord, Record
from reservation_worker.ports import (
    BrokerUnavailable,
    Clock,
    DueWork,
    InputLog,
    Membership,
    OutboxEntry,
    Partition,
    Polled,
    ShardEpoch,
    ShardStep,
    StepRefused,
    Store,
)


class Sabotage(StrEnum):
    """Each breaks what a law relies on."""

    REFUSAL_NOT_RECORDED = "refusal-not-recorded"
    """An order that is refused leaves no trace: nothing is published or remembered."""
    PER_LINE_STOCK_CHECK = "per-line-stock-check"
    """Demand is checked line by line, not summed per stock."""
    INPUT_COMMITTED_BEFORE_PUBLISHED = "input-committed-before-published"
    """Offsets are committed when records are read, so a crash forgets what was in hand."""
    OUTBOX_OUT_OF_ORDER = "outbox-out-of-order"
    """Neighboring steps of a shard are published in each other's place."""
    FRONTIER_FROM_THE_CLOCK = "frontier-from-the-clock"
    """Deadlines are kept by the clock alone, however far payments have been read."""


SCRIPT_PATCHES: Mapping[Sabotage, Sequence[tuple[str, str]]] = {
    Sabotage.REFUSAL_NOT_RECORDED: (
        (
            """
  if shortages then
    deny(draft, shortages)
""",
            """
  if shortages then
    local record = draft.record
    stocks.restore_all(draft)
    record.value = record.packed and cmsgpack.unpack(record.packed) or drafts.empty_reservation()
    do return wire.outcome.REFUSED end
""",
        ),
    ),
    Sabotage.PER_LINE_STOCK_CHECK: (
        (
            """
  stock[bucket] = stock[bucket] + units
""",
            """
  stock[bucket] = stock[bucket] + units
  stock.line = math.max(stock.line_of == draft.number and stock.line or 0, units)
  stock.line_of = draft.number
""",
        ),
        (
            "if sellable < demand then",
            "if sellable < (stock.line_of == draft.number and stock.line or demand) then",
        ),
    ),
}
"""What replaces what in the text of the step's script."""
HOLD_MS = 400
"""The bug of committing early shows when a crash meets records in hand: they are held so long."""


def sabotaged_store(
    sabotage: Sabotage, client: Client, config: StoreConfig, clock: Clock, grace_ms: int
) -> Store[OutputRecord]:
    """Return a store that behaves as the sabotage wants."""
    if sabotage is Sabotage.OUTBOX_OUT_OF_ORDER:
        return OutOfOrderStore(client, config, clock)
    if sabotage is Sabotage.FRONTIER_FROM_THE_CLOCK:
        return ClockedStore(client, config, clock, grace_ms)
    return RedisStore(client, config, clock, sabotaged_scripts(sabotage, load_scripts()))


def sabotaged_log(
    sabotage: Sabotage, log: InputLog[Record, DeadLetter]
) -> InputLog[Record, DeadLetter]:
    """Return an input log that behaves as the sabotage wants."""
    if sabotage is Sabotage.INPUT_COMMITTED_BEFORE_PUBLISHED:
        return EarlyCommittingLog(log)
    return log


def sabotaged_scripts(sabotage: Sabotage, scripts: Mapping[str, Script]) -> Mapping[str, Script]:
    """Return the scripts, the sabotage in the step's text if it is one of the script."""
    text = scripts["step"].text
    for wanted, replacement in SCRIPT_PATCHES.get(sabotage, ()):
        assert text.count(wanted) == 1, f"{sabotage} finds nothing to sabotage"
        text = text.replace(wanted, replacement)
    return {**scripts, "step": replace(scripts["step"], text=text)}


class OutOfOrderStore(RedisStore):
    """Gives neighboring steps of the outbox in each other's place."""

    def read_outbox(
        self, after: Sequence[ShardStep], entries_max: int
    ) -> tuple[tuple[OutboxEntry[OutputRecord], ...] | StepRefused, ...]:
        """Return the next entries, the events of every two exchanged."""
        return tuple(_exchanged(one) for one in super().read_outbox(after, entries_max))


def _exchanged(
    entries: tuple[OutboxEntry[OutputRecord], ...] | StepRefused,
) -> tuple[OutboxEntry[OutputRecord], ...] | StepRefused:
    if isinstance(entries, StepRefused):
        return entries
    exchanged = list(entries)
    for first in range(0, len(entries) - 1, 2):
        one, other = entries[first], entries[first + 1]
        exchanged[first] = OutboxEntry(one.step, other.records, other.remarks)
        exchanged[first + 1] = OutboxEntry(other.step, one.records, one.remarks)
    return tuple(exchanged)


class ClockedStore(RedisStore):
    """Gives deadlines as due when the clock says so, whatever is known of payments."""

    def __init__(self, client: Client, config: StoreConfig, clock: Clock, grace_ms: int) -> None:
        super().__init__(client, config, clock)
        self._grace_ms = grace_ms

    def due(
        self, shards: Sequence[ShardEpoch], _expired_up_to_ms: int, facts_max: int
    ) -> tuple[DueWork | StepRefused, ...]:
        """Return what is due by the clock."""
        return super().due(shards, self._clock.now_ms() - self._grace_ms, facts_max)


class EarlyCommittingLog:
    """Commits what it has read before anything is done with it."""

    def __init__(self, log: InputLog[Record, DeadLetter]) -> None:
        self._log = log
        self._committed: dict[Partition, int] = {}
        self._hand = Event()

    def poll(self, timeout_ms: int, records_max: int, linger_ms: int = 0) -> Polled[Record]:
        """Commit what was read, and hold it for a while."""
        polled = self._log.poll(timeout_ms, records_max, linger_ms)
        for partition in polled.revoked:
            self._committed.pop(partition, None)
        if polled.records:
            self._committed.update(polled.read_up_to)
            with suppress(BrokerUnavailable):
                # During a rebalance: the bug that is played here loses enough without it.
                self._log.commit(polled.read_up_to, (), polled.membership)
            self._hand.wait(HOLD_MS / 1000)
        return polled

    def held(self) -> frozenset[Partition]:
        """Pass the call on."""
        return self._log.held()

    def set_paused(self, topics: frozenset[str]) -> None:
        """Pass the call on."""
        self._log.set_paused(topics)

    def seek(self, offsets: Mapping[Partition, int]) -> None:
        """Pass the call on."""
        self._log.seek(offsets)

    def commit(
        self,
        offsets: Mapping[Partition, int],
        dead_letters: Sequence[DeadLetter],
        membership: Membership | None,
    ) -> None:
        """Never go back behind what was committed early."""
        later = {one: max(end, self._committed.get(one, 0)) for one, end in offsets.items()}
        self._log.commit(later, dead_letters, membership)

    def seek_to_committed(self) -> None:
        """Pass the call on: what was in hand is forgotten."""
        self._log.seek_to_committed()

    def close(self) -> None:
        """Pass the call on."""
        self._log.close()
