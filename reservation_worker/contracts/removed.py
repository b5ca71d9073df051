"""What a removal publishes: a tombstone, and the dead letter of facts whose order never came."""

from typing import Final

import msgspec

from reservation_worker.contracts.dead_letters import (
    CODE_HEADER,
    FAILED_AT_HEADER,
    FINGERPRINT_HEADER,
    ID_HEADER,
    MESSAGE_HEADER,
    OFFSET_HEADER,
    PARTITION_HEADER,
    TOPIC_HEADER,
    fingerprint,
    letter_id,
)
from reservation_worker.contracts.instants import instant_text
from reservation_worker.contracts.records import (
    ANY_PARTITION,
    OutputRecord,
    OutputTopic,
    Rejection,
    RejectionCode,
)
from reservation_worker.domain.outcome import ReservationRemoved

REMOVED_TYPE: Final = "reservation.removed.v1"
"""The CloudEvents type of a tombstone: it has headers, but no body that they would describe."""
_ORPHANED: Final = Rejection(
    RejectionCode.ORPHANED, None, "The order that these facts speak of never came."
)


def tombstone_record(
    removed: ReservationRemoved, event_id: str, partition: int, source: bytes
) -> OutputRecord:
    """Return the record after which compaction forgets a reservation."""
    key = removed.reservation_id.key.encode()
    return OutputRecord(
        OutputTopic.RESERVATION_CHANGED,
        partition,
        key,
        None,
        (
            ("ce_specversion", b"1.0"),
            ("ce_id", event_id.encode()),
            ("ce_source", source),
            ("ce_type", REMOVED_TYPE.encode()),
            ("ce_subject", key),
            ("ce_time", instant_text(removed.removed_at_ms).encode()),
            ("ce_partitionkey", removed.reservation_id.account.encode()),
        ),
    )


def orphan_record(removed: ReservationRemoved) -> OutputRecord:
    """Return the dead letter that stands for all early facts of a removed reservation.

    Its headers name the first of them, its value names all. The group that read them is no part of
    it: whoever publishes it adds that.
    """
    topic, partition, offset = removed.early_facts[0]
    stub = {
        "dead_letter_stub": {
            "account": removed.reservation_id.account,
            "order_id": removed.reservation_id.order_id,
            "facts": [
                {"topic": one[0], "partition": one[1], "offset": one[2]}
                for one in removed.early_facts
            ],
        }
    }
    value = msgspec.json.encode(stub)
    headers = (
        (ID_HEADER, letter_id(topic, partition, offset, value)),
        (TOPIC_HEADER, topic),
        (PARTITION_HEADER, str(partition)),
        (OFFSET_HEADER, str(offset)),
        (MESSAGE_HEADER, _ORPHANED.message),
        (CODE_HEADER, _ORPHANED.code.value),
        (FINGERPRINT_HEADER, fingerprint(_ORPHANED, topic)),
        (FAILED_AT_HEADER, instant_text(removed.removed_at_ms)),
    )
    return OutputRecord(
        OutputTopic.DEAD_LETTER,
        ANY_PARTITION,
        removed.reservation_id.key.encode(),
        value,
        tuple((name, value.encode()) for name, value in headers),
    )
