"""`Store` on Redis or Valkey: single, behind Sentinel, or a cluster."""

from collections.abc import Callable, Mapping, Sequence

from reservation_worker.adapters.redis.calls import (
    FAILED,
    MOVES,
    Argument,
    Call,
    Calls,
    Client,
)
from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.errors import ScriptFailed
from reservation_worker.adapters.redis.outbox import encode_outbox_entry
from reservation_worker.adapters.redis.packing import pack_facts
from reservation_worker.adapters.redis.pipeline import Reply
from reservation_worker.adapters.redis.records import (
    groups,
    refused,
    unpack_outcomes,
    unpack_reservation,
    unpack_settlement,
    unpack_stock,
)
from reservation_worker.adapters.redis.scripts import Script
from reservation_worker.adapters.redis.servers import Servers
from reservation_worker.contracts.records import OutputRecord
from reservation_worker.domain.facts import DeadlineReached, Fact, RetentionReached
from reservation_worker.domain.keys import ReservationId, StockId, split_key
from reservation_worker.domain.reservation import Reservation
from reservation_worker.domain.stock import Stock
from reservation_worker.domain.values import value_class
from reservation_worker.ports import (
    Clock,
    DueWork,
    Look,
    OutboxEntry,
    RetentionAt,
    ShardEpoch,
    ShardState,
    ShardStep,
    StepCall,
    StepFailed,
    StepRefusal,
    StepRefused,
    StepReply,
    StepsUnderWay,
    StoreUnavailable,
)


class RedisStore:
    """State and outbox of every shard, in one hash slot each."""

    def __init__(
        self,
        client: Client,
        config: StoreConfig,
        clock: Clock,
        scripts: Mapping[str, Script] | None = None,
    ) -> None:
        """Use the package's own scripts unless others are given."""
        self._config = config
        self._clock = clock
        self._event_source = config.event_source.encode()
        self._servers = Servers(
            client,
            clock.monotonic_ms,
            persistence_required=config.persistence_required,
            look_interval_ms=config.server_look_interval_ms,
        )
        self._calls = Calls(client, config, scripts)

    def now_ms(self) -> int:
        """Return the server's wall clock."""
        self._servers.check()
        answer = self._calls.command("TIME", None)
        seconds, microseconds = answer
        return int(seconds) * 1000 + int(microseconds) // 1000

    def shortcomings(self) -> tuple[str, ...]:
        """Say in a sentence each what of the servers voids the guarantees, and how to mend it.

        Raises:
            StoreUnavailable: a server does not answer.
        """
        return self._servers.shortcomings()

    def inspect(self, shard: int) -> ShardState:
        """Read a shard's ``meta`` and the identity of the server, in one atomic read."""
        return read_state(self._calls, shard)

    def step(
        self, shard: int, epoch: int, facts: Sequence[Fact]
    ) -> StepReply | StepRefused | StepFailed:
        """Apply a prefix of facts of one shard, in order, atomically."""
        self._servers.check()
        call = StepCall(shard, epoch, facts)
        try:
            return _step_reply(call, self._calls.call(self._step_call(call)))
        except ScriptFailed as failed:
            return StepFailed(failed.where)

    def begin_steps(self, calls: Sequence[StepCall]) -> StepsUnderWay:
        """Send steps of different shards, and come back before they are answered."""
        try:
            self._servers.check()
        except StoreUnavailable as unfit:
            return _NotSent(unfit)
        return self.send_steps(calls)

    def send_steps(self, calls: Sequence[StepCall]) -> StepsUnderWay:
        """Send steps without a look at what the server is."""
        return _StepsUnderWay(calls, self._calls.send([self._step_call(one) for one in calls]))

    def read_outbox(
        self, after: Sequence[ShardStep], entries_max: int
    ) -> tuple[tuple[OutboxEntry[OutputRecord], ...] | StepRefused, ...]:
        """Return each shard's next entries behind a step, in order, without gaps."""
        self._servers.check()
        bytes_max = self._config.outbox_read_bytes_max // max(1, len(after))
        replies = self._calls.send(
            [
                self._calls.script(
                    "read_outbox", one.shard, one.epoch, one.step, entries_max, bytes_max
                )
                for one in after
            ]
        )()
        return tuple(
            [
                _entries(one, reply, entries_max, self._event_source)
                for one, reply in zip(after, replies, strict=True)
            ]
        )

    def mark_published(self, steps: Sequence[ShardStep]) -> tuple[StepRefused | None, ...]:
        """Record that each shard's outbox is published up to a step, and trim it."""
        replies = self._calls.send(
            [self._calls.script("mark_published", one.shard, one.epoch, one.step) for one in steps]
        )
        return tuple([_marked(one, reply) for one, reply in zip(steps, replies(), strict=True)])

    def due(
        self, shards: Sequence[ShardEpoch], expired_up_to_ms: int, facts_max: int
    ) -> tuple[DueWork | StepRefused, ...]:
        """Return each shard's deadlines at or before an instant, and settlements that wait."""
        assert facts_max >= 1, "no number means infinity"
        self._servers.check()
        replies = self._calls.send(
            [
                self._calls.script("due", one.shard, one.epoch, expired_up_to_ms, facts_max)
                for one in shards
            ]
        )
        return tuple([_due_work(reply) for reply in replies()])

    def removable(
        self, shards: Sequence[ShardEpoch], retention: RetentionAt, facts_max: int
    ) -> tuple[tuple[RetentionReached, ...] | StepRefused, ...]:
        """Return what of each shard has been kept long enough, oldest first."""
        assert facts_max >= 1, "no number means infinity"
        self._servers.check()
        over_up_to_ms = retention.now_ms - retention.over_ms
        awaiting_up_to_ms = retention.now_ms - retention.awaiting_ms
        replies = self._calls.send(
            [
                self._calls.script(
                    "removable",
                    *(one.shard, one.epoch, over_up_to_ms, awaiting_up_to_ms, facts_max),
                )
                for one in shards
            ]
        )
        return tuple([_removable(reply, retention, facts_max) for reply in replies()])

    def look(self, published: Sequence[ShardStep], shards: Sequence[int]) -> Look:
        """Mark what is published, and tell of shards whether there is anything new."""
        self._servers.check()
        marks = [
            self._calls.script("mark_published", one.shard, one.epoch, one.step)
            for one in published
        ]
        keys = [self._calls.key(shard, "meta") for shard in shards]
        hints = [Call("HGET", key, ("HGET", key, "step")) for key in keys]
        replies = self._calls.send([*marks, *hints])()
        marked = zip(published, replies[: len(marks)], strict=True)
        return Look(
            tuple([_marked(one, reply) for one, reply in marked]),
            tuple([None if step is MOVES else int(step or 0) for step in replies[len(marks) :]]),
        )

    def claim(self, shard: int, inspected: ShardState, epoch: int) -> bool:
        """Write epoch and server into ``meta`` if it still says what was inspected."""
        self._servers.check()
        return bool(
            self._calls.run(
                "claim",
                shard,
                epoch,
                inspected.epoch,
                inspected.step,
                inspected.verified_server,
                inspected.server,
                self._config.producer,
            )
        )

    def reservation(self, shard: int, reservation_id: ReservationId) -> Reservation | None:
        """Return a reservation for display; None where there is none."""
        packed = self._calls.command("GET", self._calls.key(shard, f"r:{reservation_id.key}"))
        return None if packed is None else unpack_reservation(reservation_id, packed)

    def stock(self, shard: int, stock_id: StockId) -> Stock | None:
        """Return a stock for display, without its entries; None where there is none."""
        packed = self._calls.command("GET", self._calls.key(shard, f"s:{stock_id.key}"))
        return None if packed is None else unpack_stock(stock_id, packed)

    def _step_call(self, call: StepCall) -> Call:
        script = self._calls.script("step", call.shard, *self._step_arguments(call))
        return Call(script.what, script.key, script.command, may_fail=True)

    def _step_arguments(self, call: StepCall) -> tuple[Argument, ...]:
        assert call.facts, "a step needs a fact"
        config = self._config
        packed = pack_facts(call.facts[: config.facts_per_step_max])
        return (
            call.epoch,
            packed.facts,
            packed.causes,
            packed.lines,
            config.lines_per_step_max,
            config.event_bytes_max,
            config.step_bytes_max,
            config.outbox_steps_max,
            config.settled_entries_max,
            call.applied_at_ms(self._clock.now_ms()),
        )


def read_state(calls: Calls, shard: int) -> ShardState:
    """Read a shard's ``meta`` and the identity of the server, in one atomic read."""
    epoch, step, published, torn, verified, server, demanded, adopts, *names = calls.run(
        "inspect", shard
    )
    foreign, producer = names
    return ShardState(
        *(epoch, step, published, torn == 1),
        *(verified.decode(), server.decode(), demanded.decode()),
        *(adopts == 1, foreign.decode(), producer.decode()),
    )


@value_class(frozen=True, slots=True)
class _StepsUnderWay:
    calls: Sequence[StepCall]
    take: Callable[[], list[Reply]]

    def replies(self) -> tuple[StepReply | StepRefused | StepFailed, ...]:
        return tuple(
            [_step_reply(call, reply) for call, reply in zip(self.calls, self.take(), strict=True)]
        )


@value_class(frozen=True, slots=True)
class _NotSent:
    unfit: StoreUnavailable

    def replies(self) -> tuple[StepReply | StepRefused | StepFailed, ...]:
        raise self.unfit


def _step_reply(call: StepCall, reply: Reply) -> StepReply | StepRefused | StepFailed:
    if reply[0] == 0:
        return refused(reply)
    if reply[0] == FAILED:
        return StepFailed(reply[1])
    outcomes = unpack_outcomes(reply[3])
    assert 1 <= len(outcomes) <= len(call.facts), "a step takes a prefix of its facts"
    return StepReply(outcomes, reply[1], reply[2])


def _entries(
    after: ShardStep, reply: Reply, entries_max: int, source: bytes
) -> tuple[OutboxEntry[OutputRecord], ...] | StepRefused:
    if reply[0] == 0:
        return refused(reply)
    _, last_step, *entries = reply
    if not entries and after.step < last_step and entries_max:
        return StepRefused(StepRefusal.INCOMPLETE, after.epoch)
    return tuple(
        [
            encode_outbox_entry(after.shard, step, entry, source)
            for step, entry in enumerate(entries, after.step + 1)
        ]
    )


def _due_work(reply: Reply) -> DueWork | StepRefused:
    if reply[0] == 0:
        return refused(reply)
    _, deadlines, settlements = reply
    return DueWork(
        tuple(
            DeadlineReached(account, order_id, int(score))
            for key, score in zip(deadlines[::2], deadlines[1::2], strict=True)
            for account, order_id in (split_key(key.decode()),)
        ),
        tuple(unpack_settlement(member.decode()) for member in settlements),
    )


def _removable(
    reply: Reply, retention: RetentionAt, facts_max: int
) -> tuple[RetentionReached, ...] | StepRefused:
    if reply[0] == 0:
        return refused(reply)
    _, over, awaiting = reply
    facts = [
        RetentionReached(account, order_id, version, int(score) + kept_ms)
        for found, kept_ms in ((over, retention.over_ms), (awaiting, retention.awaiting_ms))
        for key, score, version in groups(found, 3)
        for account, order_id in (split_key(key.decode()),)
    ]
    return tuple(sorted(facts, key=lambda fact: fact.reached_at_ms)[:facts_max])


def _marked(mark: ShardStep, reply: Reply) -> StepRefused | None:
    if reply[0] == 0:
        return refused(reply)
    if mark.step > reply[1]:
        return StepRefused(StepRefusal.INCOMPLETE, mark.epoch)
    return None
