"""The closed sets that labels of metrics are taken from."""

from enum import StrEnum
from typing import Final, assert_never

from reservation_worker.domain.facts import (
    BalanceCounted,
    DeadlineReached,
    Fact,
    OrderCanceled,
    OrderCompleted,
    OrderInvoiced,
    PaymentApproved,
    ReservationSettlementDue,
    RetentionReached,
    StockSettlementDue,
)
from reservation_worker.domain.outcome import Reason
from reservation_worker.domain.reservation import REMOVABLE, Status

INPUT_TOPICS: Final = (
    "order-completed",
    "payment-approved",
    "order-invoiced",
    "order-canceled",
    "inventory-updated",
)
OUTPUT_TOPICS: Final = (
    "reservation-changed",
    "acknowledged-reservation",
    "stock-changed",
)
DEAD_LETTER_CODES: Final = (
    "DECODE_FAILED",
    "NULL_VALUE",
    "SCHEMA_INVALID",
    "UNSUPPORTED_TYPE",
    "UNSUPPORTED_VERSION",
    "OUT_OF_BOUNDS",
    "PAYLOAD_TOO_LARGE",
    "CLOCK_SKEW",
    "BALANCE_DIFFERS",
    "ORPHANED",
    "ACCOUNT_NOT_ALLOWED",
    "UNDECIDABLE",
)


class FactLabel(StrEnum):
    """Values of the label ``fact``."""

    ORDER_COMPLETED = "order_completed"
    PAYMENT_APPROVED = "payment_approved"
    ORDER_INVOICED = "order_invoiced"
    ORDER_CANCELED = "order_canceled"
    BALANCE_COUNTED = "balance_counted"
    DEADLINE_REACHED = "deadline_reached"
    SETTLEMENT_DUE = "settlement_due"
    RETENTION_REACHED = "retention_reached"


class OutcomeLabel(StrEnum):
    """Values of the label ``outcome``."""

    CHANGED = "changed"
    REPEAT = "repeat"
    REFUSED = "refused"
    CONFLICT = "conflict"
    DEAD_LETTERED = "dead_lettered"


class TransactionResult(StrEnum):
    """How a transaction ended."""

    COMMITTED = "committed"
    ABORTED = "aborted"
    UNKNOWN = "unknown"


class ScriptResult(StrEnum):
    """How a call of the step script ended; the refusals are those of `StepRefusal`."""

    APPLIED = "applied"
    FOREIGN = "foreign"
    EPOCH = "epoch"
    SERVER = "server"
    TORN = "torn"
    OUTBOX_FULL = "outbox_full"
    MOVES = "moves"
    UNAVAILABLE = "unavailable"


class Dependency(StrEnum):
    """What the worker cannot work without."""

    KAFKA = "kafka"
    REDIS = "redis"


class LostReason(StrEnum):
    """Why a dependency cannot be used: who is to do what about it depends on this alone."""

    REFUSED = "refused"
    """Nobody listens there."""
    UNRESOLVED = "unresolved"
    """No such host is known."""
    DISCONNECTED = "disconnected"
    """The connection was cut."""
    TIMED_OUT = "timed_out"
    """No answer in time."""
    AUTHENTICATION = "authentication"
    """It does not believe who this client says to be."""
    NOT_TRUSTED = "not_trusted"
    """Its certificate was issued by nobody whom this client trusts."""
    EXPIRED = "expired"
    """A certificate, its or ours, is no longer valid."""
    WRONG_HOST_NAME = "wrong_host_name"
    """Its certificate is for another host."""
    NOT_TLS = "not_tls"
    """One side speaks TLS, the other one does not."""
    READ_ONLY = "read_only"
    OUT_OF_MEMORY = "out_of_memory"
    BUSY = "busy"
    """It answers, and cannot work for now: a script runs, data is being loaded."""
    NO_LEADER = "no_leader"
    """No broker leads a partition, or a group, or too few have a copy of it."""
    UNKNOWN_TOPIC = "unknown_topic"
    NO_RIGHT = "no_right"
    """It knows this client, and does not let it do that."""
    NOT_AS_NEEDED = "not_as_needed"
    """It works, but not in the way that the guarantees need: its settings say so."""
    OTHER = "other"


class TopicProblem(StrEnum):
    """What is wrong with a topic."""

    MISSING = "missing"
    NO_RIGHT = "no_right"
    """This client may not do there what it must."""
    CREATED_ANEW = "created_anew"
    """It is not the topic that it was when the worker started."""
    NOT_COMPACTED = "not_compacted"
    """It loses by time what shards are restored from."""
    KEPT_TOO_LONG = "kept_too_long"
    """Its records outlast the reservations that they speak of."""
    FEWER_PARTITIONS = "fewer_partitions"
    """Than there are shards."""
    MORE_PARTITIONS = "more_partitions"
    """Likewise; they stay empty."""


class RebalanceKind(StrEnum):
    """What a rebalance did to this member."""

    ASSIGNED = "assigned"
    REVOKED = "revoked"
    LOST = "lost"


class EpochReason(StrEnum):
    """Why a shard got a new epoch."""

    ASSIGNED = "assigned"
    SERVER_CHANGED = "server_changed"
    COMMIT_FATE_UNKNOWN = "commit_fate_unknown"
    REFUSED = "refused"


class Invariant(StrEnum):
    """What must hold; a violation is a bug, and stops what it concerns."""

    OUTBOX_CONTIGUOUS = "outbox_contiguous"
    LOOP_UNSURPRISED = "loop_unsurprised"


REMOVAL_KINDS: Final = tuple(status.value.lower() for status in Status if status in REMOVABLE)
"""The statuses in which reservations leave, as a label."""
REFUSABLE: Final = (Reason.ORDER_COMPLETED, Reason.PAYMENT_APPROVED, Reason.ORDER_INVOICED)
"""The kinds of facts that want stock, and can therefore be refused it."""
GONE: Final = frozenset({Status.CANCELED, Status.EXPIRED, Status.DENIED})
"""Statuses in which a paid order has got nothing for its payment."""


def fact_label(fact: Fact) -> FactLabel:
    """Return the label of a fact's kind."""
    match fact:
        case OrderCompleted():
            return FactLabel.ORDER_COMPLETED
        case PaymentApproved():
            return FactLabel.PAYMENT_APPROVED
        case OrderInvoiced():
            return FactLabel.ORDER_INVOICED
        case OrderCanceled():
            return FactLabel.ORDER_CANCELED
        case BalanceCounted():
            return FactLabel.BALANCE_COUNTED
        case DeadlineReached():
            return FactLabel.DEADLINE_REACHED
        case StockSettlementDue() | ReservationSettlementDue():
            return FactLabel.SETTLEMENT_DUE
        case RetentionReached():
            return FactLabel.RETENTION_REACHED
        case _:
            assert_never(fact)
