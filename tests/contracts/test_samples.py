"""Samples are what a shop would send, and repeat."""

import pytest

from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.records import Rejection
from reservation_worker.contracts.samples import sample_body, sample_value
from reservation_worker.domain.facts import BalanceCounted, OrderCompleted, PaymentApproved
from tests.contracts.reading import READ_AT_MS, decoder, record

DAY_MS = 24 * 60 * 60 * 1000


@pytest.mark.parametrize("kind", FactKind)
def test_sample_is_accepted_whatever_its_seed(kind: FactKind) -> None:
    """Whoever tries the worker first does so with a sample."""
    for seed in range(50):
        found = decoder().decode(record(kind, sample_value(kind, seed, READ_AT_MS - DAY_MS)))
        assert not isinstance(found, Rejection), found


@pytest.mark.parametrize("kind", FactKind)
def test_sample_is_the_same_for_the_same_seed(kind: FactKind) -> None:
    """A sample that is sent again is a repeat; another seed is another order."""
    first = sample_value(kind, 7, READ_AT_MS)
    assert first == sample_value(kind, 7, READ_AT_MS)
    assert first != sample_value(kind, 8, READ_AT_MS)


def test_samples_of_a_seed_belong_together() -> None:
    """Sent one after the other they walk one order through its life."""
    bodies = {kind: sample_body(kind, 3, READ_AT_MS - DAY_MS) for kind in FactKind}
    found = {
        kind: decoder().decode(record(kind, sample_value(kind, 3, READ_AT_MS - DAY_MS)))
        for kind in FactKind
    }
    order = found[FactKind.ORDER_COMPLETED]
    payment = found[FactKind.PAYMENT_APPROVED]
    balance = found[FactKind.INVENTORY_UPDATED]
    assert isinstance(order, OrderCompleted)
    assert isinstance(payment, PaymentApproved)
    assert isinstance(balance, BalanceCounted)
    assert order.order_id == payment.order_id
    assert balance.sku == order.lines[0].sku
    assert balance.counted_at_ms < order.completed_at_ms < payment.approved_at_ms
    line_ids = {line.line_id for line in order.lines}
    for kind in (FactKind.ORDER_INVOICED, FactKind.ORDER_CANCELED):
        assert {line["line_id"] for line in bodies[kind]["lines"]} <= line_ids
