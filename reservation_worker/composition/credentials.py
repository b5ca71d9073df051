"""Who the clients say they are, read anew whenever they are asked."""

from collections.abc import Callable
from dataclasses import dataclass

from redis.credentials import CredentialProvider

from reservation_worker.settings.client_options import redis_password, sentinel_password
from reservation_worker.settings.sections import RedisSettings
from reservation_worker.settings.shown import origin_of

UserAndPassword = tuple[str | None, str]


@dataclass(frozen=True, slots=True)
class ReadAgain(CredentialProvider):
    """User and password of Redis, read for each connection: a changed file is enough."""

    read: Callable[[], UserAndPassword | None]
    origin: str
    """Where they come from, for people."""

    def __str__(self) -> str:
        """Say where they come from."""
        return self.origin

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return them as they are now."""
        user, password = self.read() or (None, "")
        return (password,) if user is None else (user, password)


def redis_credentials(redis: RedisSettings) -> ReadAgain | None:
    """Return who this client is for Redis; None: Redis does not ask."""
    if redis_password(redis) is None:
        return None
    by_setting = redis.password is not None
    origin = (
        origin_of("redis.password", redis.password)
        if by_setting
        else origin_of("redis.url", redis.url)
    )
    return ReadAgain(lambda: redis_password(redis), origin)


def sentinel_credentials(redis: RedisSettings) -> ReadAgain | None:
    """Return who this client is for the Sentinels; None: they do not ask."""
    if redis.sentinel_password is None:
        return None
    origin = origin_of("redis.sentinel_password", redis.sentinel_password)
    return ReadAgain(lambda: sentinel_password(redis), origin)
