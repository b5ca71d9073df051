"""What of an invoice is compared with counts: the account's setting says what its dates are."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from reservation_worker.composition.inputs import account_policy
from reservation_worker.contracts.decode import AccountPolicy, Decoder, DecoderConfig
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.instants import parse_instant_ms
from reservation_worker.domain.deadline import DeadlineRules
from reservation_worker.domain.facts import OrderInvoiced
from reservation_worker.settings.accounts import AccountSettings
from tests.contracts.reading import INVOICE, TOPICS, json_record

NOW_MS = parse_instant_ms("2027-01-01T00:00:00Z")
READER = Decoder(
    DecoderConfig(
        topics=TOPICS,
        accounts={
            "days": AccountPolicy(
                DeadlineRules(time_zone=ZoneInfo("America/Sao_Paulo")), invoices_name_days=True
            )
        },
    )
)


def compared_at_ms(account: str, invoiced_at: str, record_at: str) -> int:
    """Return what a decoded invoice is compared by; its own date stays as it was."""
    body = INVOICE | {"account": account, "invoiced_at": invoiced_at}
    record = json_record(FactKind.ORDER_INVOICED, body)
    record_ms = parse_instant_ms(record_at) if record_at else -1
    fact = READER.decode(replace(record, timestamp_ms=record_ms), NOW_MS)
    assert isinstance(fact, OrderInvoiced), fact
    assert parse_instant_ms(invoiced_at) == fact.invoiced_at_ms
    return fact.compared_at_ms


@pytest.mark.parametrize(
    ("account", "record_at", "expected"),
    [
        ("times", "2026-11-23T18:00:00Z", "2026-11-23T03:00:00Z"),
        ("days", "2026-11-23T18:00:00Z", "2026-11-23T18:00:00Z"),
        ("days", "2026-11-24T02:59:59.999Z", "2026-11-24T02:59:59.999Z"),
        ("days", "2026-11-24T03:00:00Z", "2026-11-24T03:00:00Z"),
        ("days", "2026-12-24T00:00:00Z", "2026-11-24T03:00:00Z"),
        ("days", "2026-11-23T02:55:00Z", "2026-11-23T02:55:00Z"),
        ("days", "", "2026-11-24T03:00:00Z"),
        ("days", "1999-12-31T23:59:59Z", "2026-11-24T03:00:00Z"),
    ],
)
def test_a_day_is_taken_to_its_end_or_to_its_record(
    account: str, record_at: str, expected: str
) -> None:
    """An invoice of a day must not free what was sold after the morning's count."""
    found = compared_at_ms(account, "2026-11-23T00:00:00-03:00", record_at)
    assert parse_instant_ms(expected) == found


def test_the_setting_reaches_the_decoder() -> None:
    """`day` is what an operator writes; `time` is what he need not write."""
    assert account_policy(AccountSettings(invoice_dates="day")).invoices_name_days
    assert not account_policy(AccountSettings()).invoices_name_days


def test_invoices_of_the_same_lines_have_one_digest() -> None:
    """Senders stamp each delivery anew; other lines are what an id is reused for."""
    bodies = (
        INVOICE | {"invoiced_at": "2026-11-23T00:00:00Z"},
        INVOICE | {"invoiced_at": "2026-11-23T00:07:00Z"},
        {name: value for name, value in INVOICE.items() if name != "lines"},
    )
    records = [json_record(FactKind.ORDER_INVOICED, body) for body in bodies]
    facts = [READER.decode(record, NOW_MS) for record in records]
    first, again, whole = (fact.digest for fact in facts if isinstance(fact, OrderInvoiced))
    assert first == again
    assert first != whole
