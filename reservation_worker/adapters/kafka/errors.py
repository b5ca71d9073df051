"""What the client's errors mean to the loops."""

from typing import Final

from confluent_kafka import KafkaError, KafkaException

_OUTDATED_MEMBERSHIP: Final = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError.REBALANCE_IN_PROGRESS,
    }
)
_FENCED: Final = frozenset(
    {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}  # noqa: SLF001
)
_OUT_OF_RANGE: Final = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})  # noqa: SLF001


def error_of(exception: KafkaException) -> KafkaError:
    """Return the error that an exception carries."""
    error = exception.args[0]
    assert isinstance(error, KafkaError)
    return error


def says_membership_is_outdated(error: KafkaError) -> bool:
    """Tell whether the group has moved on since the membership was captured."""
    return error.code() in _OUTDATED_MEMBERSHIP


def says_fenced(error: KafkaError) -> bool:
    """Tell whether another producer with the same name has taken over."""
    return error.code() in _FENCED


def says_out_of_range(error: KafkaError) -> bool:
    """Tell whether a committed offset is no longer, or not yet, in its partition."""
    return error.code() in _OUT_OF_RANGE


def is_end_of_partition(error: KafkaError) -> bool:
    """Tell whether an event only says that a partition is read to its end."""
    return bool(error.code() == KafkaError._PARTITION_EOF)  # noqa: SLF001
