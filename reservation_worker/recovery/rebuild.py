"""Rebuilding a shard: drop what Redis has of it, and write it anew from what is published."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from reservation_worker.contracts.records import OutputRecord, PublishedRecord
from reservation_worker.ports import (
    Clock,
    FatallyBroken,
    Membership,
    Outputs,
    Position,
    ReadBack,
    Restoring,
    StepRefused,
    Transactions,
    Turn,
    Waypoint,
)
from reservation_worker.recovery.strangers import stranger_among
from reservation_worker.telemetry.log_events import SHARD_REBUILD_PROGRESSED

STEPS_SKIPPED_WITHOUT_POSITION: Final = 1_000_000
"""The newest records of a compacted topic may be gone, and with them the numbers of their steps."""
PROGRESS_INTERVAL_MS: Final = 5_000


@dataclass(frozen=True, slots=True)
class RebuildConfig:
    """How much is done in one piece, between which the other shards go on."""

    records_per_read_max: int = 5_000
    """So many are in memory; of records with the same key only the newest is written."""
    records_per_write_max: int = 1_000


@dataclass(frozen=True, slots=True)
class RebuildParts:
    """What a rebuild needs."""

    restoring: Restoring[PublishedRecord]
    outputs: Outputs[PublishedRecord]
    transactions: Transactions[OutputRecord]
    clock: Clock
    waypoint: Callable[[Waypoint], None]
    event_source: str
    """What this deployment's own records name as their source."""


class Rebuild:
    """One shard, a piece at a time; in memory is never more than one piece.

    It begins after the mint: nothing of an earlier owner can be committed any more, so the ends
    that the partitions have from then on are the end of what there is to restore.
    """

    def __init__(
        self,
        shard: int,
        position: Position,
        config: RebuildConfig,
        parts: RebuildParts,
        *,
        adopts: bool,
    ) -> None:
        """Go on from a shard that is marked for it in the minted epoch.

        Where it adopts, whatever source the records name, they are this deployment's from now on.
        """
        self._adopts = adopts
        self.records_total = 0
        self._shard = shard
        self._position = position
        self._config = config
        self._parts = parts
        self._number = 1
        """Of the next call; one that nobody knows the fate of is made again as it was."""
        self._cursor: int | None = 0
        self._undropped: Sequence[bytes] = ()
        self._reading: ReadBack[PublishedRecord] | None = None
        self._unwritten: list[PublishedRecord] = []
        self._say_at_ms = parts.clock.monotonic_ms() + PROGRESS_INTERVAL_MS
        self._logger = structlog.get_logger()

    @property
    def records_left(self) -> int:
        """At most so many records are still to be read; 0 before the reading has begun."""
        return 0 if self._reading is None else self._reading.records_left

    def advance(self, membership: Membership) -> Position | StepRefused | None:
        """Do one piece: returns the new position when the shard is rebuilt, else None.

        A refusal says that somebody else has the shard, or that the server is another one: the
        rebuild has come to nothing.

        Raises:
            StoreUnavailable: call again, nothing is lost.
            BrokerUnavailable: likewise.
            OwnershipLost: the shard is somebody else's by now.
            CommitFateUnknown: take the shard over again.
            FatallyBroken: a published record cannot be understood.
        """
        if self._undropped or self._cursor is not None:
            return self._drop()
        if self._reading is None:
            self._reading = self._parts.outputs.read_back(self._shard)
        if self._unwritten or not self._reading.finished:
            self._say_progress()
            return self._restore(self._reading)
        return self._finish(membership, self._reading.highest_step)

    def close(self) -> None:
        """Give it up, or end it."""
        if self._reading is not None:
            self._reading.close()

    @property
    def _turn(self) -> Turn:
        return Turn(self._shard, self._position.minted, self._number)

    def _drop(self) -> StepRefused | None:
        if not self._undropped:
            assert self._cursor is not None, "there may be more"
            next_cursor, self._undropped = self._parts.restoring.keys(self._shard, self._cursor)
            self._cursor = next_cursor or None
        if self._undropped:
            next_number = self._parts.restoring.drop(self._turn, self._undropped)
            if isinstance(next_number, StepRefused):
                return next_number
            self._number, self._undropped = next_number, ()
        self._parts.waypoint(Waypoint.REBUILD_DROPPED)
        return None

    def _restore(self, reading: ReadBack[PublishedRecord]) -> StepRefused | None:
        if not self._unwritten:
            records = reading.read(self._config.records_per_read_max)
            self._refuse_strangers(reading)
            self.records_total += len(records)
            self._unwritten = list({record.key: record for record in records}.values())
        written = self._unwritten[: self._config.records_per_write_max]
        if not written:
            return None
        next_number = self._parts.restoring.restore(self._turn, written)
        if isinstance(next_number, StepRefused):
            return next_number
        self._number = next_number
        del self._unwritten[: len(written)]
        self._parts.waypoint(Waypoint.REBUILD_RESTORED)
        return None

    def _refuse_strangers(self, reading: ReadBack[PublishedRecord]) -> None:
        if self._adopts:
            return
        own = self._parts.event_source
        stranger = stranger_among(reading.sources, own, self._position.step)
        if stranger is not None:
            raise FatallyBroken(
                f"records up to offset {stranger.last_offset} of {stranger.topic} are of the "
                f"source {stranger.source}, not of {own}. Two groups on the same topics would "
                "publish everything twice, so nothing is published here. If that one still runs, "
                "give this one topics of its own; if it has come to an end, or was renamed to this "
                "one: reservation-worker rebuild --all --adopt"
            )

    def _finish(self, membership: Membership, highest_step: int) -> Position | StepRefused:
        """Commit the position first: a rebuild that ends in between is begun again."""
        step = (
            max(self._position.step, highest_step)
            if self._position.step
            else highest_step + STEPS_SKIPPED_WITHOUT_POSITION
        )
        position = replace(self._position, step=step)
        self._parts.transactions.commit((), {self._shard: position}, membership)
        self._parts.waypoint(Waypoint.REBUILD_COMMITTED)
        refused = self._parts.restoring.finish(self._turn, step)
        self._parts.waypoint(Waypoint.REBUILD_FINISHED)
        return position if refused is None else refused

    def _say_progress(self) -> None:
        now_ms = self._parts.clock.monotonic_ms()
        if now_ms >= self._say_at_ms:
            self._say_at_ms = now_ms + PROGRESS_INTERVAL_MS
            self._logger.info(
                SHARD_REBUILD_PROGRESSED,
                shard=self._shard,
                records=self.records_total,
                records_left=self.records_left,
            )
