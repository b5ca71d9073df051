"""Says in which fields a value in Redis differs from the published one."""

from collections.abc import Callable

from reservation_worker.contracts.records import OutputTopic
from reservation_worker.domain.reservation import Reservation
from reservation_worker.domain.stock import Stock
from reservation_worker.ports import LookedReservation, LookedStock
from reservation_worker.verification.differences import differing_fields
from reservation_worker.verification.indexes import Problem
from reservation_worker.verification.notebook import Row
from reservation_worker.verification.parts import VerificationParts

VALUE = "value"


class Naming:
    """Reads the published record once more: only its digest was kept."""

    def __init__(self, parts: VerificationParts, shard: int) -> None:
        self._parts = parts
        self._shard = shard

    def of_reservation(self, looked: LookedReservation, row: Row | None) -> list[Problem]:
        """Return the fields in which a reservation differs, with both values."""
        return self._problems(looked.packed, looked.reservation, row, self._published_reservation)

    def of_stock(self, looked: LookedStock, row: Row | None) -> list[Problem]:
        """Return the fields in which a stock differs, with both values."""
        return self._problems(looked.packed, looked.stock, row, self._published_stock)

    def _problems(
        self,
        packed: bytes | None,
        found: Reservation | Stock | None,
        row: Row | None,
        published: Callable[[str, Row], Reservation | Stock | None],
    ) -> list[Problem]:
        if packed is None:
            return [] if row is None else [(VALUE, f"version {row.version}", None)]
        if found is None:
            return [(VALUE, "what a worker packs", "something else")]
        version = self._parts.unpacking.version(packed)
        if row is None:
            return [(VALUE, None, f"version {version}")]
        problems: list[Problem] = []
        if version != row.version:
            problems.append(("version", row.version, version))
        fields = differing_fields(published(found.id.key, row), found)
        problems += [one for one in fields if one[0] != "version"]
        return problems or [("bytes", "as published", "others")]

    def _published_reservation(self, key: str, row: Row) -> Reservation | None:
        value = self._value(OutputTopic.RESERVATION_CHANGED, row)
        unpacking = self._parts.unpacking
        return (value and unpacking.reservation(key, unpacking.packed_reservation(value))) or None

    def _published_stock(self, key: str, row: Row) -> Stock | None:
        value = self._value(OutputTopic.STOCK_CHANGED, row)
        unpacking = self._parts.unpacking
        return (value and unpacking.stock(key, unpacking.packed_stock(value))) or None

    def _value(self, topic: OutputTopic, row: Row) -> bytes | None:
        record = self._parts.reading.topics.record_at(self._shard, topic, row.offset)
        return None if record is None else record.value
