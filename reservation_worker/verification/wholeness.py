"""Waits until a shard is in a state that can be verified, or says why it is not."""

from reservation_worker.contracts.records import PublishedRecord
from reservation_worker.domain.values import value_class
from reservation_worker.ports import Position, ReadBack, ShardState
from reservation_worker.ports.foreign import foreign_state
from reservation_worker.verification.differences import Check, Findings
from reservation_worker.verification.parts import (
    CannotVerify,
    VerificationConfig,
    VerificationParts,
)


@value_class(frozen=True, slots=True)
class Obstacle:
    """Why a shard cannot be verified as it is."""

    sentence: str
    field: str | None = None
    """What is wrong if nobody does anything about it; None: nothing need be wrong."""
    expected: object = None
    found: object = None


def obstacle(state: ShardState, position: Position) -> Obstacle | None:
    """Return what keeps a shard from being verified; None: nothing does."""
    if state.foreign:
        return Obstacle(foreign_state(state.foreign))
    if state.epoch == 0:
        return Obstacle(
            "Redis has no meta of it.", "epoch", f"{position.served} to {position.minted}", None
        )
    if state.torn and not state.published and position.step:
        return Obstacle("It is being rebuilt.")
    if state.torn:
        return Obstacle("It is half written.", "writing", 0, 1)
    if not state.verified_server:
        return Obstacle("Its meta names no server.", "server", state.server, None)
    if state.verified_server != state.server:
        return Obstacle("No owner has verified the server that Redis is now.")
    return None


def begun_position(parts: VerificationParts, findings: Findings) -> Position | None:
    """Return the position of a shard; None where it has not begun, or has lost its position."""
    shard = findings.shard
    position = parts.reading.positions.position(shard)
    if position is not None:
        return position
    is_begun = parts.books.state(shard).epoch > 0
    if is_begun or _has_records(parts.reading.topics.read_on(shard, {})):
        findings.differ(Check.POSITION, "shard", "position", expected="one", found=None)
    return None


def wait_until_whole(
    config: VerificationConfig, parts: VerificationParts, findings: Findings, position: Position
) -> bool:
    """Wait for the shard's owner; False, and a difference, if nobody mends what is wrong.

    Raises:
        CannotVerify: it is being rebuilt, or no owner has looked at it, for all of the time.
    """
    begun_at_ms = parts.clock.monotonic_ms()
    while (found := obstacle(parts.books.state(findings.shard), position)) is not None:
        if parts.clock.monotonic_ms() > begun_at_ms + config.patience_ms:
            if found.field is None:
                raise CannotVerify(found.sentence)
            findings.differ(
                Check.POSITION, "shard", found.field, expected=found.expected, found=found.found
            )
            return False
        parts.wait(config.retry_interval_ms)
    return True


def _has_records(reading: ReadBack[PublishedRecord]) -> bool:
    while not reading.finished:
        if reading.read(1):
            reading.close()
            return True
    return False
