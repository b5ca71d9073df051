"""Taking over a shard: mint an epoch, verify the Redis server, and only then write to it.

What cannot be trusted is rebuilt from what is published, a piece at a time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from reservation_worker.contracts.records import OutputRecord, PublishedRecord
from reservation_worker.contracts.written import EVENT_SOURCE
from reservation_worker.ports import (
    BrokerUnavailable,
    Clock,
    FatallyBroken,
    Membership,
    Outputs,
    PartitionUnreachable,
    Position,
    Restoring,
    ShardGroup,
    ShardMoves,
    ShardState,
    ShardStep,
    StepRefused,
    Store,
    Transactions,
    Waypoint,
)
from reservation_worker.ports.foreign import foreign_state
from reservation_worker.recovery.former_owners import FormerOwners
from reservation_worker.recovery.rebuild import Rebuild, RebuildConfig, RebuildParts
from reservation_worker.telemetry.labels import LostReason
from reservation_worker.telemetry.log_events import (
    SHARD_REBUILD_BEGAN,
    SHARD_REBUILD_GIVEN_UP,
    SHARD_REBUILT,
    SHARD_TAKEN_OVER,
)
from reservation_worker.telemetry.metrics import Metrics

LACKS_SOMETHING = (
    "Something is not there that must be: a step that is to be published next, or what an index "
    "names."
)
ON_ITS_WAY = (
    "It is on its way from one server of the Redis Cluster to another one. Nothing is lost: it "
    "goes on when it has arrived."
)


def _waits(error: PartitionUnreachable) -> str:
    return f"It waits alone, and is tried again: {error}"


@dataclass(frozen=True, slots=True)
class RecoveryParts:
    """What taking over needs; all of it belongs to the owner's loop."""

    store: Store[OutputRecord]
    restoring: Restoring[PublishedRecord]
    group: ShardGroup
    transactions: Transactions[OutputRecord]
    outputs: Outputs[PublishedRecord]
    clock: Clock
    metrics: Metrics
    waypoint: Callable[[Waypoint], None] = lambda _waypoint: None
    event_source: str = EVENT_SOURCE
    """What this deployment's own records name as their source."""


@dataclass(frozen=True, slots=True)
class TakeOver:
    """What became of shards; those in neither are being rebuilt, or are to be tried again."""

    owned: Mapping[int, Position]
    held: Mapping[int, str]
    """Shards that cannot be trusted or reached, and why: they stop, and everything else goes on."""


class Recovery:
    """Takes over shards that the group has assigned to this process."""

    def __init__(
        self, shards_total: int, parts: RecoveryParts, rebuild: RebuildConfig | None = None
    ) -> None:
        self._shards_total = shards_total
        self._parts = parts
        self._rebuild = rebuild or RebuildConfig()
        self._rebuild_parts = RebuildParts(
            parts.restoring,
            parts.outputs,
            parts.transactions,
            parts.clock,
            parts.waypoint,
            parts.event_source,
        )
        self._former = FormerOwners(parts.store, parts.transactions, parts.clock)
        self._rebuilds: dict[int, Rebuild] = {}
        self._distrusted: dict[int, str] = {}
        self._logger = structlog.get_logger()

    @property
    def rebuilding(self) -> frozenset[int]:
        """The shards that are being rebuilt, or wait for it."""
        return frozenset(self._rebuilds)

    def distrust(self, shard: int, why: str) -> None:
        """Have a shard rebuilt when it is taken over next, whatever its ``meta`` says."""
        self._distrusted[shard] = why

    def forget(self, shards: Iterable[int]) -> None:
        """Give up rebuilds: the shards are somebody else's, or will be taken over again."""
        for shard in shards:
            rebuild = self._rebuilds.pop(shard, None)
            if rebuild is not None:
                rebuild.close()
        self._show()

    def rebuild_further(self, membership: Membership) -> TakeOver:
        """Do one piece of one rebuild; owned is what that completes.

        Raises:
            StoreUnavailable: call again, nothing is lost.
            BrokerUnavailable: likewise.
            OwnershipLost: the shard is somebody else's by now.
            CommitFateUnknown: take every shard over again.
        """
        if not self._rebuilds:
            return TakeOver({}, {})
        shard, rebuild = next(iter(self._rebuilds.items()))
        self._show()
        try:
            done = rebuild.advance(membership)
        except ShardMoves:
            self.forget((shard,))
            return TakeOver({}, {shard: ON_ITS_WAY})
        except PartitionUnreachable as error:
            self.forget((shard,))
            return TakeOver({}, {shard: _waits(error)})
        except FatallyBroken as error:
            self.forget((shard,))
            return TakeOver({}, {shard: f"It cannot be rebuilt: {error}"})
        if done is None:
            return TakeOver({}, {})
        self.forget((shard,))
        if isinstance(done, StepRefused):
            self._logger.warning(SHARD_REBUILD_GIVEN_UP, shard=shard, reason=done.reason.value)
            return TakeOver({}, {})
        self._parts.metrics.shard_rebuilds.inc()
        self._logger.warning(
            SHARD_REBUILT, shard=shard, step=done.step, records=rebuild.records_total
        )
        return TakeOver({shard: done}, {})

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
        positions = self._positions(shards)
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
        minted: dict[int, Position] = {}
        for shard, last in known.items():
            try:
                state = parts.store.inspect(shard)
            except ShardMoves:
                held[shard] = ON_ITS_WAY
                continue
            if state.foreign:
                held[shard] = foreign_state(state.foreign)
            else:
                minted[shard] = self._mint(last, state.epoch)
        if not minted:
            return TakeOver({}, held)
        parts.transactions.commit((), minted, membership)
        parts.waypoint(Waypoint.TAKEOVER_MINTED)
        owned: dict[int, Position] = {}
        for shard, position in minted.items():
            try:
                if self._verify_and_claim(shard, position):
                    owned[shard] = position
            except ShardMoves:
                held[shard] = ON_ITS_WAY
            except PartitionUnreachable as error:
                held[shard] = _waits(error)
        return TakeOver(owned, held)

    def _positions(self, shards: Sequence[int]) -> Mapping[int, Position | None]:
        try:
            return self._parts.group.positions(shards)
        except BrokerUnavailable as error:
            if error.reason is not LostReason.TIMED_OUT or not self._former.end(shards):
                raise
            return self._parts.group.positions(shards)

    def _verify_and_claim(self, shard: int, position: Position) -> bool:
        """Tell whether the shard is claimed; if not, its rebuild has begun, or it is too late."""
        parts = self._parts
        state = parts.store.inspect(shard)
        if state.foreign:
            return False
        problem = self._problem(shard, position, state)
        parts.waypoint(Waypoint.TAKEOVER_VERIFIED)
        if problem is not None:
            self._begin_rebuild(shard, position, state, problem)
            return False
        if state.epoch > position.minted or not parts.store.claim(shard, state, position.minted):
            return False
        parts.waypoint(Waypoint.TAKEOVER_CLAIMED)
        parts.store.mark_published([ShardStep(shard, position.minted, position.step)])
        self._logger.info(SHARD_TAKEN_OVER, shard=shard, epoch=position.minted, step=state.step)
        return True

    def _begin_rebuild(
        self, shard: int, position: Position, state: ShardState, problem: str
    ) -> None:
        if state.epoch > position.minted or not self._parts.restoring.begin(
            shard, state, position.minted
        ):
            return
        self._parts.waypoint(Waypoint.REBUILD_BEGUN)
        self._distrusted.pop(shard, None)
        self._rebuilds[shard] = Rebuild(
            shard, position, self._rebuild, self._rebuild_parts, adopts=state.adopts
        )
        self._show()
        self._logger.warning(SHARD_REBUILD_BEGAN, shard=shard, reason=problem)

    def _show(self) -> None:
        metrics = self._parts.metrics
        metrics.rebuilding_shards.set(len(self._rebuilds))
        metrics.rebuild_records_left.set(sum(one.records_left for one in self._rebuilds.values()))

    def _mint(self, position: Position | None, stored_epoch: int) -> Position:
        last = position or Position(0, 0, 0, self._shards_total)
        epoch = max(last.minted + 1, stored_epoch + 1, self._parts.clock.now_ms())
        return replace(last, minted=epoch)

    def _problem(self, shard: int, position: Position, state: ShardState) -> str | None:
        """Say why a shard's state cannot be trusted; None where it can."""
        published = position.step
        if shard in self._distrusted:
            return self._distrusted[shard]
        if state.torn and state.demanded:
            return f"Somebody asked for it: {state.demanded}"
        if state.torn:
            return (
                "A step or a rebuild was cut off in the middle of its writes, or another release "
                "has laid it out in another way."
            )
        if (evicted := _evicted(state)) is not None:
            return (
                f"Redis has thrown keys away since the shard was verified ({evicted}): what they "
                "held may have been the shard's."
            )
        if published == 0 and not self._parts.outputs.yield_nothing(shard):
            return (
                "Changes are published, but how far is not known: the shard's position is gone "
                "from its consumer group."
            )
        if published > 0 and state.epoch == 0:
            return f"Redis knows nothing of the shard, but steps up to {published} are published."
        if state.epoch < position.served:
            return (
                f"Redis is at epoch {state.epoch}, but {position.served} has published: it was "
                "restored from something older."
            )
        if state.step < published or state.published > published:
            return (
                f"Redis is at step {state.step} (published: {state.published}), but Kafka has "
                f"step {published}: published changes are missing."
            )
        return None


def _evicted(state: ShardState) -> str | None:
    """Say how many keys the same server has evicted by now; None: none since it was verified."""
    verified, _, before = state.verified_server.rpartition("/")
    server, _, now = state.server.rpartition("/")
    return f"{before} by then, {now} by now" if verified == server and before != now else None
