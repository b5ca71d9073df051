"""What the guarantees need of the Redis servers, asked of each primary while they serve.

By INFO alone, which needs no right to read or set the configuration.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from redis import Redis
from redis.cluster import RedisCluster

from reservation_worker.adapters.redis.calls import Client, credentials_of
from reservation_worker.adapters.redis.errors import CLIENT_ERRORS, translated
from reservation_worker.ports import StoreUnavailable
from reservation_worker.telemetry.labels import LostReason

REDIS_NEEDED: Final = (7, 0)
"""Valkey calls itself Redis 7.2.4 in all of its releases."""
NOEVICTION: Final = "noeviction"
SECTIONS: Final = ("server", "memory", "persistence", "replication")
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
            StoreUnavailable: a server does not answer.
        """
        try:
            return tuple(
                sentence
                for where, client in self._primaries()
                for sentence in _shortcomings(
                    client.execute_command("INFO", *SECTIONS),  # type: ignore[no-untyped-call]  # shipped so
                    where,
                    persistence_required=self._persistence_required,
                )
            )
        except CLIENT_ERRORS as error:
            raise translated(error, "INFO", credentials_of(self._client)) from None

    def _primaries(self) -> list[tuple[str, Redis]]:
        client = self._client
        if not isinstance(client, RedisCluster):
            return [("Redis", client)]
        return [
            (f"Redis at {node.name}", client.get_redis_connection(node))
            for node in client.get_primaries()  # type: ignore[no-untyped-call]  # shipped so
        ]


def _shortcomings(info: Info, where: str, *, persistence_required: bool) -> list[str]:
    found = []
    version = str(info.get("redis_version", ""))
    if tuple(map(int, _NUMBERS.findall(version)[:2])) < REDIS_NEEDED:
        found.append(
            f"{where} is of version {version}: its scripts lack what a step needs. Run Redis 7.0 "
            "or newer, or Valkey 7.2 or newer."
        )
    if info.get("role") != "master":
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
