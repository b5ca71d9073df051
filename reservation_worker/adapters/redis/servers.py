"""What the guarantees need of the Redis servers, asked of each primary while they serve.

By INFO alone, which needs no right to read or set the configuration.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final

from redis import Redis
from redis.cluster import RedisCluster

from reservation_worker.adapters.redis.calls import Client
from reservation_worker.adapters.redis.errors import CLIENT_ERRORS, translated
from reservation_worker.ports import StoreUnavailable
from reservation_worker.telemetry.labels import LostReason

REDIS_NEEDED: Final = (7, 0)
"""Valkey calls itself Redis 7.2.4 in all of its releases."""
NOEVICTION: Final = "noeviction"
SECTIONS: Final = ("server", "memory", "persistence", "replication")
SILENT_FOR_MS: Final = 10_000
"""A node that did not answer is not waited for in every look."""
_NUMBERS: Final = re.compile(r"\d+")

Info = Mapping[str, object]


class Servers:
    """Looks at the servers, and refuses to work on those that void the guarantees."""

    def __init__(
        self,
        client: Client,
        monotonic_ms: Callable[[], int],
        *,
        persistence_required: bool,
        look_interval_ms: int,
    ) -> None:
        """Look for the first time when first asked."""
        self._client = client
        self._now_ms = monotonic_ms
        self._persistence_required = persistence_required
        self._look_interval_ms = look_interval_ms
        self._look_at_ms: int | None = None
        self._silent_until_ms: dict[str, int] = {}
        """Nodes of a cluster that did not answer, and when they are asked again."""

    def check(self) -> None:
        """Look once in an interval, and at each call while something is wrong.

        Raises:
            StoreUnavailable: a server does not answer, or must not be worked on.
        """
        now_ms = self._now_ms()
        if self._look_at_ms is not None and now_ms < self._look_at_ms:
            return
        self._look_at_ms = None
        found = self.shortcomings()
        if found:
            raise StoreUnavailable(" ".join(found), LostReason.NOT_AS_NEEDED)
        self._look_at_ms = now_ms + self._look_interval_ms

    def shortcomings(self) -> tuple[str, ...]:
        """Say in a sentence each what voids the guarantees, and how to mend it.

        Raises:
            StoreUnavailable: the server does not answer.
        """
        client = self._client
        if isinstance(client, RedisCluster):
            return tuple(self._of_cluster(client))
        try:
            info = _ask(client)
        except CLIENT_ERRORS as error:
            raise translated(error, "INFO") from None
        if _is_replica(info):
            # It may have been the primary when it was connected to.
            client.connection_pool.disconnect()
        return tuple(self._judge(info, "Redis"))

    def _of_cluster(self, client: RedisCluster) -> Iterator[str]:
        """Judge the primaries that answer: the shards of another one find out by themselves."""
        is_table_old = False
        for node in client.get_primaries():  # type: ignore[no-untyped-call]  # shipped so
            if self._now_ms() < self._silent_until_ms.get(node.name, 0):
                continue
            try:
                info = _ask(client.get_redis_connection(node))
            except CLIENT_ERRORS:
                self._silent_until_ms[node.name] = self._now_ms() + SILENT_FOR_MS
                is_table_old = True
                continue
            if _is_replica(info):
                is_table_old = True
            else:
                yield from self._judge(info, f"Redis at {node.name}")
        if is_table_old:
            with suppress(*CLIENT_ERRORS):
                client.nodes_manager.initialize()

    def _judge(self, info: Info, where: str) -> list[str]:
        return _shortcomings(info, where, persistence_required=self._persistence_required)


def _ask(client: Redis) -> Info:
    answer: Info = client.execute_command("INFO", *SECTIONS)  # type: ignore[no-untyped-call]  # shipped so
    return answer


def _is_replica(info: Info) -> bool:
    return info.get("role") != "master"


def _shortcomings(info: Info, where: str, *, persistence_required: bool) -> list[str]:
    found = []
    version = str(info.get("redis_version", ""))
    if tuple(map(int, _NUMBERS.findall(version)[:2])) < REDIS_NEEDED:
        found.append(
            f"{where} is of version {version}: its scripts lack what a step needs. Run Redis 7.0 "
            "or newer, or Valkey 7.2 or newer."
        )
    if _is_replica(info):
        found.append(
            f"{where} is a replica: what is written to it is lost. Name its primary in redis.url, "
            "or use redis.topology=sentinel or cluster."
        )
    policy = info.get("maxmemory_policy", NOEVICTION)
    if policy != NOEVICTION:
        found.append(
            f"{where} has maxmemory-policy {policy}: it may throw reservations away to make room, "
            f"and their units would be sold again. Set it: CONFIG SET maxmemory-policy "
            f"{NOEVICTION}, and in its configuration file. What was evicted is rebuilt then; "
            "nothing that was read is lost."
        )
    if persistence_required and not info.get("aof_enabled", 1):
        found.append(
            f"{where} keeps no append-only file: a restart loses every shard, and all of them are "
            "rebuilt from Kafka before anything goes on. Set it: CONFIG SET appendonly yes, and in "
            "its configuration file; or waive it by redis.persistence_required=false."
        )
    return found
