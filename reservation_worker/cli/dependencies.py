"""Says which server cannot be reached, and where it was looked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from reservation_worker.settings.model import Settings


class Unreachable(Exception):
    """A dependency cannot be reached; the message names it and its address."""


@contextmanager
def reaching_kafka(settings: "Settings") -> Iterator[None]:
    """Talk to Kafka in this block.

    Raises:
        Unreachable: it does not answer, or refuses.
    """
    from reservation_worker.ports import BrokerUnavailable

    try:
        yield
    except BrokerUnavailable as error:
        raise Unreachable(
            f"Kafka at {settings.kafka.bootstrap_servers} cannot be used: {error}"
        ) from None


@contextmanager
def reaching_redis(settings: "Settings") -> Iterator[None]:
    """Talk to Redis in this block.

    Raises:
        Unreachable: it does not answer, or refuses.
    """
    from reservation_worker.ports import StoreUnavailable

    try:
        yield
    except StoreUnavailable as error:
        # The whole address may hold a password.
        url = urlsplit(settings.redis.url.get_secret_value())
        where = f"Redis at {url.hostname}:{url.port or 6379}"
        if settings.redis.topology == "sentinel":
            where = f"The Redis that the Sentinels {settings.redis.sentinels} name"
        raise Unreachable(f"{where} cannot be used: {error}") from None
