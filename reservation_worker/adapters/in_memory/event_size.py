"""How large the JSON of a change can become: names and numbers at their longest, ids escaped.

With the longest cause there is, because a settlement that follows has the balance's.
"""

from reservation_worker.domain.keys import join_key
from reservation_worker.domain.outcome import ReservationChanged
from reservation_worker.domain.reservation import Kept, KeptInvoice, Remembered


def change_bytes_max(change: ReservationChanged) -> int:
    """Return an upper bound; `changes.lua` has the same sum."""
    reservation = change.reservation
    return (
        3072
        + 6 * _length(reservation.id.key)
        + sum(
            192 + 2 * _length(line.line_id) + 2 * _length(join_key(line.warehouse_id, line.sku))
            for line in reservation.lines
        )
        + sum(
            112 + 2 * _length(join_key(one.stock_id.warehouse_id, one.stock_id.sku))
            for one in change.shortages
        )
        + sum(16 + 2 * _length(conflict) for conflict in reservation.conflicts)
        + 64 * len(reservation.acknowledged)
        + sum(_document_bytes(one) for one in (*reservation.invoices, *reservation.cancellations))
        + sum(_kept_bytes(one) for one in reservation.kept)
        + sum(96 + 2 * _length(topic) for topic, _, _ in reservation.early_facts)
    )


def _document_bytes(document: Remembered) -> int:
    return 64 + 2 * _length(document.id or "")


def _kept_bytes(kept: Kept) -> int:
    document_id = kept.invoice_id if isinstance(kept, KeptInvoice) else kept.cancellation_id
    lines = sum(48 + 2 * _length(line.line_id) for line in kept.lines)
    return 128 + 2 * _length(document_id or "") + lines


def _length(text: str) -> int:
    return len(text.encode())
