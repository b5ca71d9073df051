"""From a Kafka record to a fact of the domain, or to the reason why it is none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, assert_never

from pydantic import ValidationError

from reservation_worker.contracts.cloudevents import Content, read_content, type_table
from reservation_worker.contracts.fields import OUT_OF_BOUNDS, STATED_MIN_MS, WRONG_VALUE
from reservation_worker.contracts.inputs import (
    BODY_OF,
    WITHIN,
    AnyInputBody,
    FactKind,
    InventoryUpdatedBody,
    LineUnitsBody,
    OrderCanceledBody,
    OrderCompletedBody,
    OrderInvoicedBody,
    PaymentApprovedBody,
)
from reservation_worker.contracts.json_text import JsonObject
from reservation_worker.contracts.records import Record, Rejection, RejectionCode, record_bytes
from reservation_worker.contracts.strangers import Strangers
from reservation_worker.domain.deadline import (
    DeadlineRules,
    OrderTerms,
    deadline_ms,
    end_of_day_ms,
)
from reservation_worker.domain.facts import (
    BalanceCounted,
    Cause,
    InputFact,
    LineUnits,
    OrderCanceled,
    OrderCompleted,
    OrderInvoiced,
    OrderLine,
    PaymentApproved,
)
from reservation_worker.domain.values import value_class

RECORD_BYTES_MAX = 1024 * 1024
"""Key, value and headers of an input record together, unless a setting says otherwise."""
CLOCK_SKEW_MS = 10 * 60 * 1000
"""How far a fact may lie ahead of its record's timestamp, and of now, unless a setting says
otherwise.
"""
LONGEST_PERIOD_MS = 400 * 24 * 60 * 60 * 1000
"""How long after its completion an order may be held unpaid, unless a setting says otherwise."""

_DAY_MS: Final = 24 * 60 * 60 * 1000
_NULL_VALUE = Rejection(RejectionCode.NULL_VALUE, None, "The record has no value.")
_TOO_LARGE = Rejection(
    RejectionCode.PAYLOAD_TOO_LARGE, None, "The record is larger than record_bytes_max."
)
_BOUND_ERRORS: Final = frozenset(
    {OUT_OF_BOUNDS, "greater_than_equal", "less_than_equal", "too_long", "int_parsing_size"}
)
_SENTENCES: Final[Mapping[str, str]] = {
    "missing": "A required field is missing.",
    "string_type": "The field must be a string.",
    "string_unicode": "The field is not valid Unicode.",
    "int_type": "The field must be an integer.",
    "bool_type": "The field must be true or false.",
    "model_type": "The field must be an object.",
    "model_attributes_type": "The field must be an object.",
    "tuple_type": "The field must be an array; null is not the same as absent.",
    "too_short": "The array must not be empty.",
    "too_long": "The array has too many elements.",
    "greater_than_equal": "The integer is below its lower bound.",
    "less_than_equal": "The integer is above its upper bound.",
    "int_parsing_size": "The integer has too many digits.",
}


@dataclass(frozen=True, slots=True)
class AccountPolicy:
    """What an account decides about its reservations."""

    deadline_rules: DeadlineRules = field(default_factory=DeadlineRules)
    reacquire: bool = True
    """Hold expired or denied units again after a late payment; else refund."""
    invoices_name_days: bool = False
    """The ERP knows only the day of an invoice: the goods may have left until its end."""


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """What a decoder must know besides the records."""

    topics: Mapping[str, FactKind]
    """The names of the input topics."""
    default_account: str | None = None
    """The account of events that name none; None: every event must name its own."""
    type_aliases: Mapping[str, FactKind] = field(default_factory=lambda: MappingProxyType({}))
    """Further CloudEvents types."""
    account_defaults: AccountPolicy = field(default_factory=AccountPolicy)
    accounts: Mapping[str, AccountPolicy] = field(default_factory=lambda: MappingProxyType({}))
    """Policies of accounts that do not have the default one."""
    accounts_allowed: Mapping[str, frozenset[str]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """By name of an input topic the accounts that may be on it; a topic not named carries all."""
    clock_skew_ms: int = CLOCK_SKEW_MS
    longest_period_ms: int = LONGEST_PERIOD_MS
    record_bytes_max: int = RECORD_BYTES_MAX


@value_class(frozen=True, slots=True)
class _Reader:
    """What reads the records of one topic."""

    kind: FactKind
    validate: Callable[[JsonObject], AnyInputBody]
    strangers: Strangers
    accounts_allowed: frozenset[str] | None


class Decoder:
    """Turns records of the input topics into facts; no bytes make it raise."""

    def __init__(self, config: DecoderConfig) -> None:
        """Prepare what every record needs."""
        self._readers = {
            topic: _Reader(
                kind,
                BODY_OF[kind].__pydantic_validator__.validate_python,
                Strangers(kind),
                config.accounts_allowed.get(topic),
            )
            for topic, kind in config.topics.items()
        }
        self._types = type_table(config.type_aliases)
        self._default_account = config.default_account
        self._account_defaults = config.account_defaults
        self._accounts = dict(config.accounts)
        self._clock_skew_ms = config.clock_skew_ms
        self._longest_period_ms = config.longest_period_ms
        self._record_bytes_max = config.record_bytes_max

    def decode(self, record: Record, now_ms: int) -> InputFact | Rejection:
        """Return what a record states; `now_ms` is the latest of the clocks at hand.

        Raises:
            KeyError: the record is not of an input topic.
        """
        reader = self._readers[record.topic]
        content = self._content(record, reader.kind)
        if isinstance(content, Rejection):
            return content
        body = self._body(content, reader)
        if isinstance(body, Rejection):
            return body
        cause = Cause(
            record.topic, record.partition, record.offset, content.event_id, content.traceparent
        )
        timestamp_ms = record.timestamp_ms
        if not STATED_MIN_MS <= timestamp_ms < now_ms:
            # Missing, no time of ours, or the word of a clock that is ahead.
            timestamp_ms = now_ms
        latest_ms = timestamp_ms + self._clock_skew_ms
        prefix = content.pointer_prefix
        match body:
            case OrderCompletedBody():
                return self._order_completed(body, cause, latest_ms, prefix)
            case PaymentApprovedBody():
                return self._payment_approved(body, cause, latest_ms, prefix)
            case OrderInvoicedBody():
                compared_at_ms = self._compared_at_ms(body, record.timestamp_ms)
                return _order_invoiced(body, compared_at_ms, cause, latest_ms, prefix)
            case OrderCanceledBody():
                return _order_canceled(body, cause, latest_ms, prefix)
            case InventoryUpdatedBody():
                return _balance_counted(body, cause, latest_ms, prefix)
            case _:
                assert_never(body)

    def _content(self, record: Record, kind: FactKind) -> Content | Rejection:
        if record_bytes(record) > self._record_bytes_max:
            return _TOO_LARGE
        if record.value is None:
            return _NULL_VALUE
        return read_content(record.value, record.headers, kind, self._types)

    def _body(self, content: Content, reader: _Reader) -> AnyInputBody | Rejection:
        fields, prefix = content.body, content.pointer_prefix
        if self._default_account is not None and fields.get("account") is None:
            fields = fields | {"account": self._default_account}
        try:
            body = reader.validate(fields)
        except ValidationError as error:
            return reader.strangers.instead_of(fields, prefix) or _rejection(error, prefix)
        allowed = reader.accounts_allowed
        if allowed is not None and body.account not in allowed:
            return _not_allowed(prefix)
        return reader.strangers.misunderstood(fields, body, prefix) or body

    def _policy(self, account: str) -> AccountPolicy:
        return self._accounts.get(account, self._account_defaults)

    def _compared_at_ms(self, body: OrderInvoicedBody, record_ms: int) -> int:
        """Return when the goods had left at the latest, as far as the record tells.

        A record's timestamp that is none leaves the end of the day: later dates are more careful,
        and no clock of a reader makes another fact of the same record.
        """
        policy = self._policy(body.account)
        if not policy.invoices_name_days:
            return body.invoiced_at_ms
        return end_of_day_ms(
            body.invoiced_at_ms,
            policy.deadline_rules.time_zone,
            told_at_ms=None if record_ms < STATED_MIN_MS else record_ms,
        )

    def _order_completed(
        self, body: OrderCompletedBody, cause: Cause, latest_ms: int, prefix: str
    ) -> OrderCompleted | Rejection:
        if body.completed_at_ms > latest_ms:
            return _clock_skew(prefix, "completed_at")
        payment = body.payment
        terms = OrderTerms(
            body.completed_at_ms,
            body.reservation_expires_at_ms,
            body.reservation_ttl_seconds,
            None if payment is None else payment.method,
            None if payment is None else payment.due_date,
            bool(body.incomplete),
        )
        try:
            expires_at_ms = deadline_ms(self._policy(body.account).deadline_rules, terms)
        except (OverflowError, ValueError):
            return _deadline_out_of_bounds(prefix, terms, "lies outside the years 1 to 9999")
        if expires_at_ms < body.completed_at_ms:
            return _deadline_out_of_bounds(prefix, terms, "lies before the order's completed_at")
        if expires_at_ms - body.completed_at_ms > self._longest_period_ms:
            days = self._longest_period_ms // _DAY_MS
            return _deadline_out_of_bounds(
                prefix,
                terms,
                f"lies more than {days} days after the order's completed_at "
                "(input.longest_period_days)",
            )
        lines = tuple(
            [
                OrderLine(line.line_id, line.warehouse_id, line.sku, line.quantity)
                for line in body.lines
            ]
        )
        return OrderCompleted(
            body.account, body.order_id, body.completed_at_ms, expires_at_ms, lines, cause
        )

    def _payment_approved(
        self, body: PaymentApprovedBody, cause: Cause, latest_ms: int, prefix: str
    ) -> PaymentApproved | Rejection:
        if body.approved_at_ms > latest_ms:
            return _clock_skew(prefix, "approved_at")
        return PaymentApproved(
            body.account,
            body.order_id,
            body.approved_at_ms,
            body.payment_id,
            self._policy(body.account).reacquire,
            cause,
        )


def _order_invoiced(
    body: OrderInvoicedBody, compared_at_ms: int, cause: Cause, latest_ms: int, prefix: str
) -> OrderInvoiced | Rejection:
    if body.invoiced_at_ms > latest_ms:
        return _clock_skew(prefix, "invoiced_at")
    return OrderInvoiced(
        body.account,
        body.order_id,
        body.invoiced_at_ms,
        compared_at_ms,
        body.invoice_id,
        _line_units(body.lines),
        cause,
    )


def _order_canceled(
    body: OrderCanceledBody, cause: Cause, latest_ms: int, prefix: str
) -> OrderCanceled | Rejection:
    if body.canceled_at_ms > latest_ms:
        return _clock_skew(prefix, "canceled_at")
    return OrderCanceled(
        body.account,
        body.order_id,
        body.canceled_at_ms,
        body.cancellation_id,
        _line_units(body.lines),
        cause,
    )


def _balance_counted(
    body: InventoryUpdatedBody, cause: Cause, latest_ms: int, prefix: str
) -> BalanceCounted | Rejection:
    if body.counted_at_ms > latest_ms:
        return _clock_skew(prefix, "counted_at")
    return BalanceCounted(
        body.account,
        body.warehouse_id,
        body.sku,
        body.on_hand,
        body.counted_at_ms,
        body.limit,
        body.unlimited,
        cause,
    )


def _line_units(lines: tuple[LineUnitsBody, ...]) -> tuple[LineUnits, ...]:
    return tuple([LineUnits(line.line_id, line.quantity) for line in lines])


def _clock_skew(prefix: str, field_name: str) -> Rejection:
    return Rejection(
        RejectionCode.CLOCK_SKEW,
        f"{prefix}/{field_name}",
        "The time lies too far ahead of the record's own timestamp, or of now.",
    )


def _not_allowed(prefix: str) -> Rejection:
    return Rejection(
        RejectionCode.ACCOUNT_NOT_ALLOWED,
        f"{prefix}/account",
        "The account is none of those that input.accounts_allowed lists for this topic.",
    )


def _deadline_out_of_bounds(prefix: str, terms: OrderTerms, how: str) -> Rejection:
    return Rejection(
        RejectionCode.OUT_OF_BOUNDS, prefix + _deadline_pointer(terms), f"The deadline {how}."
    )


def _deadline_pointer(terms: OrderTerms) -> str:
    """Return the pointer of the field that has decided."""
    if terms.reservation_expires_at_ms is not None:
        return "/reservation_expires_at"
    if terms.reservation_ttl_seconds is not None:
        return "/reservation_ttl_seconds"
    if terms.due_date is not None:
        return "/payment/due_date"
    return "/completed_at"


def _rejection(error: ValidationError, prefix: str) -> Rejection:
    """Name the first bad field, in the order of the contract; nothing of the payload."""
    first = error.errors(include_url=False, include_input=False)[0]
    kind = first["type"]
    code = RejectionCode.OUT_OF_BOUNDS if kind in _BOUND_ERRORS else RejectionCode.SCHEMA_INVALID
    if kind in {OUT_OF_BOUNDS, WRONG_VALUE}:
        sentence = first["msg"]
    else:
        sentence = _SENTENCES.get(kind, "The field has a wrong value.")
    path = "".join(f"/{part}" for part in first["loc"])
    within = first.get("ctx", {}).get(WITHIN, "")
    return Rejection(code, f"{prefix}{path}{within}", sentence)
