"""What a cancellation does to the lines of an order that is known."""

from reservation_worker.domain.draft import Draft
from reservation_worker.domain.outcome import Conflict
from reservation_worker.domain.reservation import KeptCancellation


def take_cancellation(draft: Draft, cancellation: KeptCancellation) -> None:
    """Give back what a cancellation names, as far as possible, and judge the rest."""
    _judge_cancellation(draft, cancellation)
    for index, wanted in draft.named_units(cancellation.lines):
        units = min(wanted, draft.lines[index].movable)
        if units:
            draft.cancel_units(index, units)


def _judge_cancellation(draft: Draft, cancellation: KeptCancellation) -> None:
    if not cancellation.lines:
        if not any(line.movable for line in draft.lines) and draft.has_gone_units:
            draft.conflicts.add(Conflict.CANCELED_AFTER_INVOICE)
        return
    for named in cancellation.lines:
        index = draft.line_index(named.line_id)
        if index is None:
            draft.conflicts.add(Conflict.CANCELED_TOO_MANY)
            continue
        line = draft.lines[index]
        excess = named.quantity - line.movable
        if excess > 0 and line.gone:
            draft.conflicts.add(Conflict.CANCELED_AFTER_INVOICE)
        if excess > line.gone:
            draft.conflicts.add(Conflict.CANCELED_TOO_MANY)
