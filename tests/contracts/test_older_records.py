"""What earlier workers have published is still read: a shard is restored from it."""

import json
from typing import Any

from reservation_worker.adapters.redis.published import pack_published_reservation
from reservation_worker.adapters.redis.records import unpack_reservation
from reservation_worker.contracts.outputs import (
    AcknowledgedReservationBody,
    ReservationChangedBody,
    parse_output,
)
from reservation_worker.contracts.records import OutputTopic
from reservation_worker.contracts.restore import (
    restore_reservation,
    restore_reservation_changed,
    restore_units_acknowledged,
)
from reservation_worker.contracts.schemas import OUTPUT_EXAMPLES
from reservation_worker.domain.facts import LineUnits
from reservation_worker.domain.reservation import AcknowledgedUnits, KeptInvoice

KEPT: dict[str, Any] = {
    "kind": "invoice",
    "id": "NF1",
    "at_ms": 60,
    "lines": [{"line_id": "1", "quantity": 1}],
}
BEFORE_INVOICES_HAD_DAYS: dict[str, Any] = OUTPUT_EXAMPLES[OutputTopic.RESERVATION_CHANGED] | {
    "shortages": [{"warehouse_id": "main", "sku": "cup", "requested": 3, "available": 0}],
    "internal": {
        "order_digest": "5d41402abc4b2a76",
        "acknowledged": [{"line": 0, "invoiced_at_ms": 50, "units": 2}],
        "conflicts": ["order_differs//0011223344556677"],
        "kept": [KEPT],
    },
}


def test_a_reservation_from_before_invoices_had_days_is_restored() -> None:
    """What was compared with counts then was the invoice's own date."""
    value = json.dumps(BEFORE_INVOICES_HAD_DAYS).encode()
    body = parse_output(OutputTopic.RESERVATION_CHANGED, value)
    assert isinstance(body, ReservationChangedBody)
    reservation = restore_reservation(body)
    assert (AcknowledgedUnits(0, 50, 2),) == reservation.acknowledged
    assert (KeptInvoice("NF1", 60, 60, (LineUnits("1", 1),)),) == reservation.kept
    assert ("order_differs//0011223344556677",) == reservation.conflicts
    assert reservation == unpack_reservation(reservation.id, pack_published_reservation(value))
    (shortage,) = restore_reservation_changed(body).shortages
    assert not shortage.unknown


def test_an_acknowledgement_from_before_counted_units_were_told_is_read() -> None:
    """The auditor and demos read topics that hold both."""
    example = OUTPUT_EXAMPLES[OutputTopic.ACKNOWLEDGED_RESERVATION]
    older = {name: value for name, value in example.items() if name != "already_counted"}
    body = parse_output(OutputTopic.ACKNOWLEDGED_RESERVATION, json.dumps(older).encode())
    assert isinstance(body, AcknowledgedReservationBody)
    assert () == restore_units_acknowledged(body).already_counted
