"""`Store` on Redis or Valkey: single, behind Sentinel, or a cluster."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from redis import Redis
from redis.cluster import RedisCluster
from redis.exceptions import MovedError, NoScriptError

from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.errors import (
    CLIENT_ERRORS,
    is_broken_connection,
    translated,
)
from reservation_worker.adapters.redis.packing import pack_facts
from reservation_worker.adapters.redis.records import (
    unpack_outbox_entry,
    unpack_outcomes,
    unpack_reservation,
    unpack_settlement,
    unpack_stock,
)
from reservation_worker.adapters.redis.scripts import Script, load_scripts
from reservation_worker.domain.facts import DeadlineReached, Fact
from reservation_worker.domain.keys import ReservationId, StockId, split_key
from reservation_worker.domain.reservation import Reservation
from reservation_worker.domain.stock import Stock
from reservation_worker.ports import (
    DueWork,
    FatallyBroken,
    OutboxEntry,
    ShardState,
    StepRefusal,
    StepRefused,
    StepReply,
    StoreUnavailable,
)

Client = Redis | RedisCluster
"""Answers bytes (no ``decode_responses``), and never retries by itself."""
Argument = bytes | str | int
Reply: TypeAlias = Any
"""What it is, the header of the script says."""


class RedisStore:
    """State and outbox of every shard, in one hash slot each."""

    def __init__(
        self,
        client: Client,
        config: StoreConfig,
        scripts: Mapping[str, Script] | None = None,
    ) -> None:
        """Use the package's own scripts unless others are given."""
        self._client = client
        self._config = config
        self._scripts = load_scripts() if scripts is None else scripts
        self._shas = {name: script.sha for name, script in self._scripts.items()}

    def now_ms(self) -> int:
        """Return the server's wall clock."""
        answer = self._command("TIME", None)
        seconds, microseconds = answer
        return int(seconds) * 1000 + int(microseconds) // 1000

    def inspect(self, shard: int) -> ShardState:
        """Read a shard's ``meta`` and the identity of the server, in one atomic read."""
        epoch, step, published, torn, verified, server = self._run("inspect", shard)
        return ShardState(epoch, step, published, torn == 1, verified.decode(), server.decode())

    def step(self, shard: int, epoch: int, facts: Sequence[Fact]) -> StepReply | StepRefused:
        """Apply a prefix of facts of one shard, in order, atomically."""
        assert facts, "a step needs a fact"
        config = self._config
        packed = pack_facts(facts[: config.facts_per_step_max])
        reply = self._run(
            "step",
            shard,
            epoch,
            packed.facts,
            packed.causes,
            packed.lines,
            config.lines_per_step_max,
            config.event_bytes_max,
            config.step_bytes_max,
            config.outbox_steps_max,
            config.settled_entries_max,
        )
        if reply[0] == 0:
            return _refused(reply)
        outcomes = unpack_outcomes(reply[3])
        assert 1 <= len(outcomes) <= len(facts), "a step takes a prefix of its facts"
        return StepReply(outcomes, reply[1], reply[2])

    def read_outbox(
        self, shard: int, epoch: int, after_step: int, entries_max: int
    ) -> tuple[OutboxEntry, ...] | StepRefused:
        """Return the next entries behind a step, in order, without gaps.

        Raises:
            FatallyBroken: an entry that must be there is missing.
        """
        bytes_max = self._config.outbox_read_bytes_max
        reply = self._run("read_outbox", shard, epoch, after_step, entries_max, bytes_max)
        if reply[0] == 0:
            return _refused(reply)
        _, last_step, *entries = reply
        if not entries and after_step < last_step and entries_max:
            raise FatallyBroken(
                f"the outbox of shard {shard} lacks step {after_step + 1}, and its last step is "
                f"{last_step}: rebuild the shard from the topics"
            )
        return tuple(
            OutboxEntry(step, unpack_outbox_entry(entry))
            for step, entry in enumerate(entries, after_step + 1)
        )

    def mark_published(self, shard: int, epoch: int, step: int) -> StepRefused | None:
        """Record that the outbox is published up to a step, and trim it.

        Raises:
            FatallyBroken: the shard has not come so far.
        """
        reply = self._run("mark_published", shard, epoch, step)
        if reply[0] == 0:
            return _refused(reply)
        if step > reply[1]:
            raise FatallyBroken(
                f"step {step} of shard {shard} is published, but Redis knows only {reply[1]} "
                "steps: rebuild the shard from the topics"
            )
        return None

    def due(
        self, shard: int, epoch: int, expired_up_to_ms: int, facts_max: int
    ) -> DueWork | StepRefused:
        """Return deadlines at or before an instant, and settlements that wait."""
        assert facts_max >= 1, "no number means infinity"
        reply = self._run("due", shard, epoch, expired_up_to_ms, facts_max)
        if reply[0] == 0:
            return _refused(reply)
        _, deadlines, settlements = reply
        return DueWork(
            tuple(
                DeadlineReached(account, order_id, int(score))
                for key, score in zip(deadlines[::2], deadlines[1::2], strict=True)
                for account, order_id in (split_key(key.decode()),)
            ),
            tuple(unpack_settlement(member.decode()) for member in settlements),
        )

    def latest_steps(self, shards: Sequence[int]) -> tuple[int, ...]:
        """Return each shard's step, unverified: only a hint that there is something to read."""
        try:
            pipeline = self._client.pipeline(transaction=False)
            for shard in shards:
                pipeline.hget(_meta_key(shard), "step")
            return tuple(int(step or 0) for step in pipeline.execute())
        except CLIENT_ERRORS as error:
            raise translated(error, "latest_steps") from None

    def claim(self, shard: int, inspected: ShardState, epoch: int) -> bool:
        """Write epoch and server into ``meta`` if it still says what was inspected."""
        return bool(
            self._run(
                "claim",
                shard,
                epoch,
                inspected.epoch,
                inspected.step,
                inspected.verified_server,
                inspected.server,
            )
        )

    def reservation(self, shard: int, reservation_id: ReservationId) -> Reservation | None:
        """Return a reservation for display; None where there is none."""
        packed = self._command("GET", f"{{s{shard}}}:r:{reservation_id.key}")
        return None if packed is None else unpack_reservation(reservation_id, packed)

    def stock(self, shard: int, stock_id: StockId) -> Stock | None:
        """Return a stock for display, without its entries; None where there is none."""
        packed = self._command("GET", f"{{s{shard}}}:s:{stock_id.key}")
        return None if packed is None else unpack_stock(stock_id, packed)

    def _run(self, name: str, shard: int, *arguments: Argument) -> Reply:
        """Run a script; what it replies is in the header of its file."""
        key = _meta_key(shard)
        return self._call(name, key, ("EVALSHA", self._shas[name], 1, key, *arguments))

    def _command(self, name: str, key: str | None) -> Reply:
        return self._call(name, key, (name,) if key is None else (name, key))

    def _call(self, what: str, key: str | None, command: tuple[Argument, ...]) -> Reply:
        """Send one command to the server that holds a key, again while the connection breaks.

        Whether a call on a broken connection was run nobody knows; each of these is harmless twice.

        Raises:
            StoreUnavailable: Redis cannot be reached or refuses for now.
            FatallyBroken: it refuses for good.
        """
        attempts_max = self._config.attempts_max
        for attempt in range(1, attempts_max + 1):
            try:
                return self._server_of(key).execute_command(*command)  # type: ignore[no-untyped-call]
            except NoScriptError:
                self._load_script(what, key)
            except CLIENT_ERRORS as error:
                is_moved = isinstance(error, MovedError)
                if is_moved:
                    self._learn_slots()
                if attempt == attempts_max or not (is_moved or is_broken_connection(error)):
                    raise translated(error, what) from None
        raise StoreUnavailable(f"Redis could not run {what}: it forgets scripts as they are loaded")

    def _server_of(self, key: str | None) -> Redis:
        """Return the client of one node, which follows no redirection by itself.

        ASK must never be followed: of a slot that is moving, each side has half of the keys.
        """
        client = self._client
        if not isinstance(client, RedisCluster):
            return client
        slot_key = key or _meta_key(0)
        node = client.get_node_from_key(slot_key)  # type: ignore[no-untyped-call]
        return client.get_redis_connection(node)

    def _load_script(self, name: str, key: str | None) -> None:
        try:
            self._server_of(key).script_load(self._scripts[name].text)
        except CLIENT_ERRORS as error:
            raise translated(error, "SCRIPT LOAD") from None

    def _learn_slots(self) -> None:
        assert isinstance(self._client, RedisCluster), "only a cluster moves slots"
        try:
            self._client.nodes_manager.initialize()
        except CLIENT_ERRORS as error:
            raise translated(error, "CLUSTER SLOTS") from None


def _meta_key(shard: int) -> str:
    """The hash tag keeps all keys of a shard in one slot."""
    return f"{{s{shard}}}:meta"


def _refused(reply: Sequence[Any]) -> StepRefused:
    return StepRefused(StepRefusal(reply[1].decode()), reply[2])
