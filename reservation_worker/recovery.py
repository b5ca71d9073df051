"""Taking over a shard: mint an epoch, verify the Redis server, and only then write to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from reservation_worker.contracts.records import OutputRecord
from reservation_worker.ports import (
    Clock,
    Membership,
    Outputs,
    Position,
    ShardGroup,
    ShardState,
    ShardStep,
    Store,
    Transactions,
    Waypoint,
)
from reservation_worker.telemetry.log_events import SHARD_TAKEN_OVER


@dataclass(frozen=True, slots=True)
class RecoveryParts:
    """What taking over needs; all of it belongs to the owner's loop."""

    store: Store[OutputRecord]
    group: ShardGroup
    transactions: Transactions[OutputRecord]
    outputs: Outputs
    clock: Clock
    waypoint: Callable[[Waypoint], None] = lambda _waypoint: None


@dataclass(frozen=True, slots=True)
class TakeOver:
    """What became of the shards that were to be taken over; those in neither: try again."""

    owned: Mapping[int, Position]
    held: Mapping[int, str]
    """Shards that cannot be trusted, and why: they stop, and everything else goes on."""


class Recovery:
    """Takes over shards that the group has assigned to this process."""

    def __init__(self, shards_total: int, parts: RecoveryParts) -> None:
        self._shards_total = shards_total
        self._parts = parts
        self._logger = structlog.get_logger()

    def take_over(self, shards: Sequence[int], membership: Membership) -> TakeOver:
        """Mint, verify and claim; every write names what it was decided on.

        Raises:
            StoreUnavailable: Redis does not answer.
            BrokerUnavailable: Kafka does not, or the former owner's transaction is still open.
            OwnershipLost: the shards are somebody else's by now.
            CommitFateUnknown: the epochs may or may not be minted: begin again.
            FatallyBroken: a position is written in a form that this release does not know.
        """
        parts = self._parts
        parts.transactions.prepare()
        positions = parts.group.positions(shards)
        parts.waypoint(Waypoint.TAKEOVER_POSITION_READ)
        held = {
            shard: (
                f"Published with {position.shards_total} shards, but {self._shards_total} are "
                "configured: the number of shards can never change."
            )
            for shard, position in positions.items()
            if position is not None and position.shards_total != self._shards_total
        }
        known = {shard: positions.get(shard) for shard in shards if shard not in held}
        if not known:
            return TakeOver({}, held)
        minted = {shard: self._mint(shard, position) for shard, position in known.items()}
        parts.transactions.commit((), minted, membership)
        parts.waypoint(Waypoint.TAKEOVER_MINTED)
        owned: dict[int, Position] = {}
        for shard, position in minted.items():
            state = parts.store.inspect(shard)
            problem = self._problem(shard, position, state)
            parts.waypoint(Waypoint.TAKEOVER_VERIFIED)
            if problem is not None:
                held[shard] = problem
            elif state.epoch <= position.minted and parts.store.claim(
                shard, state, position.minted
            ):
                parts.waypoint(Waypoint.TAKEOVER_CLAIMED)
                parts.store.mark_published([ShardStep(shard, position.minted, position.step)])
                owned[shard] = position
                self._logger.info(
                    SHARD_TAKEN_OVER, shard=shard, epoch=position.minted, step=state.step
                )
        return TakeOver(owned, held)

    def _mint(self, shard: int, position: Position | None) -> Position:
        last = position or Position(0, 0, 0, self._shards_total)
        stored_epoch = self._parts.store.inspect(shard).epoch
        epoch = max(last.minted + 1, stored_epoch + 1, self._parts.clock.now_ms())
        return replace(last, minted=epoch)

    def _problem(self, shard: int, position: Position, state: ShardState) -> str | None:
        """Say why a shard's state cannot be trusted; None where it can."""
        published = position.step
        if state.torn:
            return "A step was cut off in the middle of its writes: the shard must be rebuilt."
        if published == 0 and not self._parts.outputs.yield_nothing(shard):
            return (
                "Changes are published, but how far is not known: the shard's position is gone "
                "from its consumer group. The shard must be rebuilt."
            )
        if published > 0 and state.epoch == 0:
            return (
                f"Redis knows nothing of the shard, but steps up to {published} are published: "
                "the shard must be rebuilt."
            )
        if state.epoch < position.served:
            return (
                f"Redis is at epoch {state.epoch}, but {position.served} has published: it was "
                "restored from something older. The shard must be rebuilt."
            )
        if state.step < published or state.published > published:
            return (
                f"Redis is at step {state.step} (published: {state.published}), but Kafka has "
                f"step {published}: published changes are missing. The shard must be rebuilt."
            )
        return None
