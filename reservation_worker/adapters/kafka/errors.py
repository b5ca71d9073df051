"""What the client's errors mean to the loops, and what people are told of them."""

from types import MappingProxyType
from typing import Final

from confluent_kafka import KafkaError, KafkaException

from reservation_worker.telemetry.labels import LostReason

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
_UNKNOWN_TOPIC: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    }
)
_NO_RIGHT: Final = MappingProxyType(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED: "topic",
        KafkaError.GROUP_AUTHORIZATION_FAILED: "group",
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "transactional id",
        KafkaError.CLUSTER_AUTHORIZATION_FAILED: "cluster",
    }
)
_AUTHENTICATION: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.ILLEGAL_SASL_STATE,
    }
)
_NO_LEADER: Final = frozenset(
    {
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)
_TIMED_OUT: Final = frozenset(
    {
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TIMED_OUT_QUEUE,  # noqa: SLF001
        KafkaError._MSG_TIMED_OUT,  # noqa: SLF001
        KafkaError.REQUEST_TIMED_OUT,
    }
)
_REASON_OF: Final = MappingProxyType(
    {
        **dict.fromkeys(_UNKNOWN_TOPIC, LostReason.UNKNOWN_TOPIC),
        **dict.fromkeys(_NO_RIGHT, LostReason.NO_RIGHT),
        **dict.fromkeys(_AUTHENTICATION, LostReason.AUTHENTICATION),
        **dict.fromkeys(_NO_LEADER, LostReason.NO_LEADER),
        **dict.fromkeys(_TIMED_OUT, LostReason.TIMED_OUT),
        KafkaError._RESOLVE: LostReason.UNRESOLVED,  # noqa: SLF001
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS: LostReason.BUSY,
        KafkaError.KAFKA_STORAGE_ERROR: LostReason.READ_ONLY,
    }
)
_CUT_OFF: Final = "Broker transport failure"
"""Also said of a handshake that had no answer: nobody was refused."""
_REASON_IN_TEXT: Final = (
    # In this order: the later ones stand in texts of the earlier ones as well. The client library
    # has one code for all of these, and tells them apart in words only.
    (_CUT_OFF, LostReason.DISCONNECTED),
    ("PLAINTEXT broker listener", LostReason.NOT_TLS),
    ("wrong version number", LostReason.NOT_TLS),
    # A TLS alert, read as the size of a response.
    ("Invalid response size 352", LostReason.NOT_TLS),
    ("connecting to a SSL", LostReason.NOT_TLS),
    ("certificate has expired", LostReason.EXPIRED),
    ("certificate expired", LostReason.EXPIRED),
    ("hostname mismatch", LostReason.WRONG_HOST_NAME),
    ("certificate verify failed", LostReason.NOT_TRUSTED),
    ("alert unknown ca", LostReason.AUTHENTICATION),
    ("alert certificate required", LostReason.AUTHENTICATION),
    ("alert bad certificate", LostReason.AUTHENTICATION),
    ("SASL authentication", LostReason.AUTHENTICATION),
    ("Coordinator load in progress", LostReason.BUSY),
    ("Failed to acquire SASL", LostReason.AUTHENTICATION),
    ("require SASL", LostReason.AUTHENTICATION),
    ("No leaders found", LostReason.NO_LEADER),
    ("Failed to resolve", LostReason.UNRESOLVED),
    ("Connection refused", LostReason.REFUSED),
    ("timed out", LostReason.TIMED_OUT),
    ("authorization failed", LostReason.NO_RIGHT),
    ("Disconnected", LostReason.DISCONNECTED),
    ("Connection reset", LostReason.DISCONNECTED),
)


def error_of(exception: KafkaException) -> KafkaError:
    """Return the error that an exception carries."""
    error = exception.args[0]
    assert isinstance(error, KafkaError)
    return error


def reason_of(error: KafkaError) -> LostReason:
    """Return why Kafka cannot be used, as far as one error tells."""
    if error.code() in _AUTHENTICATION and _CUT_OFF in error.str():
        return LostReason.DISCONNECTED
    return _REASON_OF.get(error.code()) or reason_in(error.str())


def reason_in(text: str) -> LostReason:
    """Return why Kafka cannot be used, from what the client library says in words."""
    return next((reason for words, reason in _REASON_IN_TEXT if words in text), LostReason.OTHER)


def sentence_of(error: KafkaError) -> str:
    """Say what an error is, and whose right is missing if that is all."""
    subject = _NO_RIGHT.get(error.code())
    if subject is None:
        return error.str()
    return f"this client has no right on the {subject} ({error.str()}): {WHERE_RIGHTS_ARE}"


WHERE_RIGHTS_ARE: Final = "grant what deploy/kafka/acls.txt lists; it goes on by itself"


def says_unknown_topic(error: KafkaError) -> bool:
    """Tell whether the brokers know no such topic or partition, or no longer."""
    return error.code() in _UNKNOWN_TOPIC


def says_no_right(error: KafkaError) -> bool:
    """Tell whether a right is missing."""
    return error.code() in _NO_RIGHT


def says_broken(error: KafkaError) -> bool:
    """Tell whether a client cannot be used any more; an event of a consumer says so by its code."""
    return error.fatal() or bool(error.code() == KafkaError._FATAL)  # noqa: SLF001


def why_broken(error: KafkaError) -> str:
    """Say why a consumer cannot be used any more, and what to do."""
    if "group.instance.id" in error.str():
        return (
            "This process lost its place in its group, which it holds by its name: another one has "
            "the same group and worker slot (give each a slot of its own), or a broker stood still "
            "and has forgotten it (start it again). Nothing is lost."
        )
    return f"The consumer is broken: {error.str()}"


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
