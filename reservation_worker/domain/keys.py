"""Identities and the one way to write several of them as one string."""

from functools import lru_cache
from zlib import crc32

from reservation_worker.domain.values import value_class


def join_key(*parts: str) -> str:
    """Join parts with ``/``; ``%`` and ``/`` inside a part are percent-encoded.

    Two different lists of parts never give the same key.
    """
    joined = "/".join(parts)
    if "%" not in joined and joined.count("/") == len(parts) - 1:
        return joined  # Almost always: nothing to encode.
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)


def split_key(key: str) -> tuple[str, ...]:
    """Give back the parts that `join_key` joined."""
    parts = key.split("/")
    if "%" not in key:
        return tuple(parts)
    return tuple([part.replace("%2F", "/").replace("%25", "%") for part in parts])


@lru_cache(maxsize=16_384)
def split_pair(key: str) -> tuple[str, str]:
    """Give back the parts of a key of two; remembered, because stocks come again and again."""
    first, second = key.split("/") if "%" not in key else split_key(key)
    return first, second


def shard_of(account: str, shards_total: int) -> int:
    """Return the shard, 0 to ``shards_total - 1``, that holds all keys of an account.

    CRC-32 of the account's UTF-8 bytes: stable across processes, versions and machines.
    """
    return crc32(account.encode()) % shards_total


@value_class(frozen=True, slots=True, order=True)
class StockId:
    """One sku in one warehouse of one account."""

    account: str
    warehouse_id: str
    sku: str

    @property
    def key(self) -> str:
        """``account/warehouse_id/sku``, percent-encoded."""
        return join_key(self.account, self.warehouse_id, self.sku)


@value_class(frozen=True, slots=True, order=True)
class ReservationId:
    """One order of one account; its reservation has the same id."""

    account: str
    order_id: str

    @property
    def key(self) -> str:
        """``account/order_id``, percent-encoded."""
        return join_key(self.account, self.order_id)
