"""What an invoice does to the lines of an order that is known."""

from dataclasses import replace

from reservation_worker.domain.draft import Draft, DraftAcknowledgement
from reservation_worker.domain.facts import LineUnits
from reservation_worker.domain.outcome import Conflict
from reservation_worker.domain.reservation import KeptInvoice


def take_invoice(draft: Draft, invoice: KeptInvoice) -> None:
    """Acknowledge what an invoice names, as far as possible, and judge the rest."""
    _judge_invoice(draft, invoice)
    done = DraftAcknowledgement(invoice)
    missing: list[tuple[int, int]] = []
    for index, wanted in draft.named_units(invoice.lines):
        line = draft.lines[index]
        units = min(wanted, line.movable)
        from_held = min(units, line.held)
        if from_held:
            draft.acknowledge_held_units(index, from_held, done)
        if units > from_held:
            if draft.stock(line.stock_id).covers(draft.compared_at_ms(invoice)):
                draft.acknowledge_open_units(index, units - from_held, done)
            else:
                missing.append((index, units - from_held))
    if missing:
        done = _acknowledge_missing(draft, invoice, done, missing)
    _publish_to_erp(draft, done)


def _acknowledge_missing(
    draft: Draft,
    invoice: KeptInvoice,
    done: DraftAcknowledgement,
    missing: list[tuple[int, int]],
) -> DraftAcknowledgement:
    """Hold units again and acknowledge them, all or none; the invoice is kept if none."""
    trial, tried = draft.trial(), done.copied()
    for index, units in missing:
        trial.acknowledge_open_units(index, units, tried)
    shortages = trial.shortages_since(draft)
    if not shortages:
        draft.adopt(trial)
        return tried
    draft.conflicts.add(Conflict.INVOICED_WITHOUT_STOCK)
    draft.shortages = draft.shortages or shortages
    left = tuple(LineUnits(draft.lines[index].line_id, units) for index, units in missing)
    draft.kept = (*draft.kept, replace(invoice, lines=left if invoice.lines else ()))
    return done


def _judge_invoice(draft: Draft, invoice: KeptInvoice) -> None:
    if not invoice.lines:
        if not any(line.movable for line in draft.lines) and not draft.has_gone_units:
            draft.conflicts.add(Conflict.INVOICED_AFTER_CANCEL)
        return
    for named in invoice.lines:
        index = draft.line_index(named.line_id)
        if index is None:
            draft.conflicts.add(Conflict.INVOICED_TOO_MANY)
            continue
        line = draft.lines[index]
        excess = named.quantity - line.movable
        if excess > 0 and line.canceled:
            draft.conflicts.add(Conflict.INVOICED_AFTER_CANCEL)
        if excess > line.canceled:
            draft.conflicts.add(Conflict.INVOICED_TOO_MANY)


def take_effect(draft: Draft, invoice: KeptInvoice) -> None:
    """Acknowledge the held units that a kept invoice names; it has been judged before."""
    done = DraftAcknowledgement(invoice)
    for index, units in draft.named_units(invoice.lines):
        held = min(units, draft.lines[index].held)
        if held:
            draft.acknowledge_held_units(index, held, done)
    _publish_to_erp(draft, done)


def _publish_to_erp(draft: Draft, done: DraftAcknowledgement) -> None:
    if done.units or done.already_counted:
        draft.acknowledgements.append(done)
