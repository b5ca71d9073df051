"""Calls of scripts and commands on the server that holds a shard, alone or in a cluster."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from redis import ConnectionPool, Redis
from redis.cluster import RedisCluster
from redis.exceptions import MovedError, NoScriptError

from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.errors import (
    CLIENT_ERRORS,
    ClientError,
    ScriptFailed,
    is_broken_connection,
    translated,
)
from reservation_worker.adapters.redis.pipeline import Pipeline, Reply
from reservation_worker.adapters.redis.scripts import Script, load_scripts
from reservation_worker.domain.values import value_class
from reservation_worker.ports import FatallyBroken, ShardMoves, StepRefusal, StoreUnavailable

Client = Redis | RedisCluster
"""Answers bytes (no ``decode_responses``), and never retries by itself."""
Argument = bytes | str | int


@value_class(frozen=True, slots=True)
class Call:
    """One command, and the key that says which server it is for; None: any."""

    what: str
    key: str | None
    command: tuple[Argument, ...]
    may_fail: bool = False
    """Its script may break on what it is given: the reply is `FAILED` and where."""


def meta_key(shard: int, key_prefix: str = "") -> str:
    """Return the key of a shard's ``meta``; its hash tag keeps all keys of a shard in one slot."""
    return f"{key_prefix}{{s{shard}}}:meta"


def credentials_of(client: Client) -> object:
    """Return what a client proves with who it is; as a text it says where that comes from."""
    options: Mapping[str, object] = client.get_connection_kwargs()
    return options.get("credential_provider")


MOVES: Final = (0, StepRefusal.MOVES.value.encode(), 0)
"""The refusal that no script can give: its shard is on its way to another server."""
FAILED: Final = 2
"""Begins the reply that no script can give: it broke while it ran."""
KEYS_PER_SCAN: Final = 2_000
"""A hint to the server: how many of its keys, of whatever shard, it looks at in one call."""
SCRIPT_LOADS_MAX: Final = 3
"""Of one call: a server that was flushed or replaced in between lacks its script once more."""


class Calls:
    """Sends calls, and tries again what is harmless twice."""

    def __init__(
        self, client: Client, config: StoreConfig, scripts: Mapping[str, Script] | None = None
    ) -> None:
        """Use the package's own scripts unless others are given."""
        self._client = client
        self._attempts_max = config.attempts_max
        self._deployment = config.deployment
        self._key_prefix = config.key_prefix
        self._scripts = load_scripts() if scripts is None else scripts
        self._shas = {name: script.sha for name, script in self._scripts.items()}

    def send(self, calls: Sequence[Call]) -> Callable[[], list[Reply]]:
        """Send calls to all servers at once; the result waits for their replies.

        What broke is called once more, alone: harmless, whether it was run or not. The reply of a
        shard that is on its way to another server is `MOVES`.
        """
        try:
            positions_of = self._by_server(calls)
        except CLIENT_ERRORS:
            # It is not known who has which slots; each call asks again.
            return lambda: [self._alone(call) for call in calls]
        pipelines: list[tuple[Pipeline, list[int]]] = []
        for pool, positions in positions_of.items():
            pipeline = Pipeline(pool)
            pipeline.send([calls[position].command for position in positions])
            pipelines.append((pipeline, positions))
        return lambda: self._replies(pipelines, calls)

    def _by_server(self, calls: Sequence[Call]) -> dict[ConnectionPool, list[int]]:
        positions_of: dict[ConnectionPool, list[int]] = {}
        for position, call in enumerate(calls):
            pool = self._server_of(call.key).connection_pool
            positions_of.setdefault(pool, []).append(position)
        return positions_of

    def send_as_made(self, calls: Iterable[Call]) -> list[Reply]:
        """Send each call as soon as it is made, while the next one is; return all replies.

        What broke is called once more, alone.
        """
        client = self._client
        if isinstance(client, RedisCluster):
            return [self.call(call) for call in calls]
        pipeline, sent = Pipeline(client.connection_pool), []
        try:
            for call in calls:
                pipeline.send([call.command])
                sent.append(call)
        except BaseException:
            pipeline.replies()
            raise
        return self._replies([(pipeline, list(range(len(sent))))], sent)

    def _replies(
        self, pipelines: Sequence[tuple[Pipeline, list[int]]], calls: Sequence[Call]
    ) -> list[Reply]:
        replies: list[Reply] = [None] * len(calls)
        for pipeline, positions in pipelines:
            for position, reply in zip(positions, pipeline.replies(), strict=True):
                replies[position] = reply
        for position, error in enumerate(replies):
            if isinstance(error, CLIENT_ERRORS):
                replies[position] = self._instead(error, calls[position])
        return replies

    def _instead(self, error: ClientError, call: Call) -> Reply:
        """Return what a call replies that was answered by an error."""
        if isinstance(error, NoScriptError | MovedError) or is_broken_connection(error):
            return self._alone(call)
        outage = self._translated(error, call.what)
        if isinstance(outage, ShardMoves):
            return MOVES
        if call.may_fail and isinstance(outage, ScriptFailed):
            return (FAILED, outage.where)
        raise outage from None

    def _alone(self, call: Call) -> Reply:
        try:
            return self.call(call)
        except ShardMoves:
            return MOVES
        except ScriptFailed as failed:
            if not call.may_fail:
                raise
            return (FAILED, failed.where)

    def script(self, name: str, shard: int, *arguments: Argument) -> Call:
        """Return the call of a script; what it replies is in the header of its file."""
        key = meta_key(shard, self._key_prefix)
        command = ("EVALSHA", self._shas[name], 1, key, *arguments, self._deployment)
        return Call(name, key, command)

    def key(self, shard: int, name: str) -> str:
        """Return the key of a shard that has this name below its prefix."""
        return f"{self._key_prefix}{{s{shard}}}:{name}"

    def run(self, name: str, shard: int, *arguments: Argument) -> Reply:
        """Call a script of a shard."""
        return self.call(self.script(name, shard, *arguments))

    def command(self, name: str, key: str | None) -> Reply:
        """Call a command that has a key and nothing else, or nothing at all."""
        return self.call(Call(name, key, (name,) if key is None else (name, key)))

    def scan(self, shard: int, cursor: int) -> tuple[int, list[bytes]]:
        """Return where to go on (0: nowhere), and some of the keys of a shard."""
        scan = ("SCAN", cursor, "MATCH", self.key(shard, "*"), "COUNT", KEYS_PER_SCAN)
        next_cursor, keys = self.call(Call("SCAN", self.key(shard, "meta"), scan))
        return int(next_cursor), keys

    def call(self, call: Call) -> Reply:
        """Send one command to the server that holds a key, again while the connection breaks.

        Whether a call on a broken connection was run nobody knows; each of these is harmless twice.

        Raises:
            ShardMoves: the key's slot is on its way to another server.
            StoreUnavailable: Redis cannot be reached or refuses for now.
            FatallyBroken: it refuses for good.
        """
        what, key, attempts_max = call.what, call.key, self._attempts_max
        attempt = loads_total = 0
        while True:
            try:
                return self._server_of(key).execute_command(*call.command)  # type: ignore[no-untyped-call]  # shipped so
            except NoScriptError:
                # No attempt: the server has answered, and is given what it lacks.
                loads_total += 1
                if loads_total > SCRIPT_LOADS_MAX:
                    raise StoreUnavailable(
                        f"Redis could not run {what}: it forgets scripts as they are loaded"
                    ) from None
                self._load_script(what, key)
            except CLIENT_ERRORS as error:
                attempt += 1
                # A node that does not answer may have been replaced, and cannot say so itself.
                may_be_elsewhere = isinstance(error, MovedError) or is_broken_connection(error)
                if may_be_elsewhere and isinstance(self._client, RedisCluster):
                    self._learn_slots(self._client)
                if attempt == attempts_max or not may_be_elsewhere:
                    raise self._translated(error, what) from None

    def _server_of(self, key: str | None) -> Redis:
        """Return the client of one node, which follows no redirection by itself.

        ASK must never be followed: of a slot that is moving, each side has half of the keys.
        """
        client = self._client
        if not isinstance(client, RedisCluster):
            return client
        slot_key = key or meta_key(0)
        node = client.get_node_from_key(slot_key)  # type: ignore[no-untyped-call]  # shipped so
        return client.get_redis_connection(node)

    def _load_script(self, name: str, key: str | None) -> None:
        try:
            self._server_of(key).script_load(self._scripts[name].text)
        except CLIENT_ERRORS as error:
            raise self._translated(error, "SCRIPT LOAD") from None

    def _learn_slots(self, client: RedisCluster) -> None:
        try:
            client.nodes_manager.initialize()
        except CLIENT_ERRORS as error:
            raise self._translated(error, "CLUSTER SLOTS") from None

    def _translated(self, error: ClientError, what: str) -> StoreUnavailable | FatallyBroken:
        return translated(error, what, credentials_of(self._client))
