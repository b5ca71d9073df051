package peers;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;

/** What each fact does to a draft; false: it is a repeat, and nothing is to be published. */
final class Rules {
    private Rules() {
    }

    static boolean orderCompleted(Draft draft, Fact.OrderCompleted fact) {
        if (draft.isKnown()) {
            return orderAgain(draft, fact);
        }
        draft.after.completedAt = fact.at();
        draft.after.digest = fact.digest();
        draft.after.expiresAt = fact.expiresAt();
        for (Model.Line ordered : fact.lines()) {
            Model.Line line = ordered.copy();
            line.denied = line.quantity;
            draft.after.lines.add(line);
        }
        List<Model.Kept> early = List.copyOf(draft.after.kept);
        draft.after.kept.clear();
        Draft trial = draft.trial();
        trial.holdOpenUnits();
        takeEarly(trial, early);
        List<Draft.Shortage> shortages = trial.shortagesSince(draft);
        if (shortages.isEmpty()) {
            draft.adopt(trial);
        } else {
            draft.shortages = shortages;
            takeEarly(draft, early);
        }
        return true;
    }

    /** While the order lives, its lines say whether it is the same; then its instant as well. */
    private static boolean orderAgain(Draft draft, Fact.OrderCompleted fact) {
        boolean isOver = draft.before.isOver();
        if (fact.digest().equals(draft.after.digest)) {
            if (!isOver || fact.at() == draft.after.completedAt) {
                return false;
            }
        } else if (!isOver) {
            String told = Keys.join(Draft.Conflict.ORDER_DIFFERS.text(), "", fact.digest());
            if (draft.after.conflicts.stream().anyMatch(key -> key.startsWith(told))) {
                return false;
            }
        }
        return contradicts(draft, Draft.Conflict.ORDER_DIFFERS, "", fact.digest(),
            Long.toString(fact.at()));
    }

    private static void takeEarly(Draft draft, List<Model.Kept> early) {
        for (Model.Kept one : early) {
            if (one.invoicedAt() == null) {
                takeCancellation(draft, one);
            } else {
                takeInvoice(draft, one);
            }
        }
    }

    static boolean paymentApproved(Draft draft, Fact.PaymentApproved fact) {
        if (draft.after.paidAt != null) {
            String first = draft.after.paymentId;
            if (fact.paymentId() == null || fact.paymentId().equals(first)) {
                return false;
            }
            if (first == null) {
                draft.after.paymentId = fact.paymentId();
                return true;
            }
            return contradicts(draft, Draft.Conflict.PAID_TWICE, fact.paymentId(), "");
        }
        draft.after.paidAt = fact.at();
        draft.after.paymentId = fact.paymentId();
        draft.confirmHeldUnits();
        if (draft.hasOpenUnits()) {
            holdAgain(draft);
        }
        return true;
    }

    private static void holdAgain(Draft draft) {
        Draft trial = draft.trial();
        trial.holdOpenUnits();
        for (Model.Kept one : List.copyOf(trial.after.kept)) {
            takeEffect(trial, one);
        }
        List<Draft.Shortage> shortages = trial.shortagesSince(draft);
        if (shortages.isEmpty()) {
            draft.adopt(trial);
        } else {
            draft.shortages = shortages;
        }
    }

    static boolean orderInvoiced(Draft draft, Fact.OrderInvoiced fact) {
        Model.Seen seen = seen(draft.after.invoices, fact.id());
        if (seen != null) {
            return fact.id() != null && !seen.digest().equals(fact.digest())
                && contradicts(draft, Draft.Conflict.ID_REUSED, fact.id(), fact.digest());
        }
        draft.after.invoices.add(new Model.Seen(fact.id(), fact.digest()));
        Model.Kept invoice = new Model.Kept(fact.id(), fact.at(), fact.lines());
        if (draft.isKnown()) {
            takeInvoice(draft, invoice);
        } else {
            draft.after.kept.add(invoice);
        }
        return true;
    }

    static boolean orderCanceled(Draft draft, Fact.OrderCanceled fact) {
        Model.Seen seen = seen(draft.after.cancellations, fact.id());
        if (seen != null) {
            return fact.id() != null && !seen.digest().equals(fact.digest())
                && contradicts(draft, Draft.Conflict.ID_REUSED, fact.id(), fact.digest());
        }
        draft.after.cancellations.add(new Model.Seen(fact.id(), fact.digest()));
        Model.Kept cancellation = new Model.Kept(fact.id(), null, fact.lines());
        if (draft.isKnown()) {
            takeCancellation(draft, cancellation);
        } else {
            draft.after.kept.add(cancellation);
        }
        return true;
    }

    private static void takeInvoice(Draft draft, Model.Kept invoice) {
        judgeInvoice(draft, invoice);
        var done = Draft.Acknowledgement.of(invoice);
        List<Integer> places = new ArrayList<>();
        List<Long> missing = new ArrayList<>();
        draft.named(invoice.lines()).forEach((index, wanted) -> {
            Model.Line line = draft.after.lines.get(index);
            long units = Math.min(wanted, line.movable());
            long fromHeld = Math.min(units, line.held);
            if (fromHeld > 0) {
                draft.acknowledgeHeld(index, fromHeld, done);
            }
            if (units > fromHeld) {
                if (draft.stock(line).covers(draft.comparedAt(invoice))) {
                    draft.acknowledgeOpen(index, units - fromHeld, done);
                } else {
                    places.add(index);
                    missing.add(units - fromHeld);
                }
            }
        });
        publishToErp(draft, missing.isEmpty() ? done
            : acknowledgeMissing(draft, invoice, done, places, missing));
    }

    /** Hold units again and acknowledge them, all or none; the invoice is kept if none. */
    private static Draft.Acknowledgement acknowledgeMissing(
        Draft draft, Model.Kept invoice, Draft.Acknowledgement done, List<Integer> places,
        List<Long> missing) {
        Draft trial = draft.trial();
        Draft.Acknowledgement tried = done.copy();
        for (int at = 0; at < missing.size(); at++) {
            trial.acknowledgeOpen(places.get(at), missing.get(at), tried);
        }
        List<Draft.Shortage> shortages = trial.shortagesSince(draft);
        if (shortages.isEmpty()) {
            draft.adopt(trial);
            return tried;
        }
        draft.conflicts.add(Draft.Conflict.INVOICED_WITHOUT_STOCK);
        if (draft.shortages.isEmpty()) {
            draft.shortages = shortages;
        }
        List<Model.Units> left = new ArrayList<>();
        for (int at = 0; at < missing.size() && !invoice.lines().isEmpty(); at++) {
            String lineId = draft.after.lines.get(places.get(at)).lineId;
            left.add(new Model.Units(lineId, missing.get(at)));
        }
        draft.after.kept.add(new Model.Kept(invoice.id(), invoice.invoicedAt(), left));
        return done;
    }

    private static void judgeInvoice(Draft draft, Model.Kept invoice) {
        if (invoice.lines().isEmpty()) {
            if (!draft.hasMovableUnits() && !draft.hasGoneUnits()) {
                draft.conflicts.add(Draft.Conflict.INVOICED_AFTER_CANCEL);
            }
            return;
        }
        for (Model.Units named : invoice.lines()) {
            int index = draft.lineIndex(named.lineId());
            if (index < 0) {
                draft.conflicts.add(Draft.Conflict.INVOICED_TOO_MANY);
                continue;
            }
            Model.Line line = draft.after.lines.get(index);
            long excess = named.quantity() - line.movable();
            if (excess > 0 && line.canceled > 0) {
                draft.conflicts.add(Draft.Conflict.INVOICED_AFTER_CANCEL);
            }
            if (excess > line.canceled) {
                draft.conflicts.add(Draft.Conflict.INVOICED_TOO_MANY);
            }
        }
    }

    /** Acknowledge the held units that a kept invoice names; it has been judged before. */
    private static void takeEffect(Draft draft, Model.Kept invoice) {
        var done = Draft.Acknowledgement.of(invoice);
        draft.named(invoice.lines()).forEach((index, wanted) -> {
            long held = Math.min(wanted, draft.after.lines.get(index).held);
            if (held > 0) {
                draft.acknowledgeHeld(index, held, done);
            }
        });
        publishToErp(draft, done);
    }

    private static void publishToErp(Draft draft, Draft.Acknowledgement done) {
        if (!done.units().isEmpty() || !done.alreadyCounted().isEmpty()) {
            draft.acknowledgements.add(done);
        }
    }

    private static void takeCancellation(Draft draft, Model.Kept cancellation) {
        judgeCancellation(draft, cancellation);
        draft.named(cancellation.lines()).forEach((index, wanted) -> {
            long units = Math.min(wanted, draft.after.lines.get(index).movable());
            if (units > 0) {
                draft.cancel(index, units);
            }
        });
    }

    private static void judgeCancellation(Draft draft, Model.Kept cancellation) {
        if (cancellation.lines().isEmpty()) {
            if (!draft.hasMovableUnits() && draft.hasGoneUnits()) {
                draft.conflicts.add(Draft.Conflict.CANCELED_AFTER_INVOICE);
            }
            return;
        }
        for (Model.Units named : cancellation.lines()) {
            int index = draft.lineIndex(named.lineId());
            if (index < 0) {
                draft.conflicts.add(Draft.Conflict.CANCELED_TOO_MANY);
                continue;
            }
            Model.Line line = draft.after.lines.get(index);
            long excess = named.quantity() - line.movable();
            if (excess > 0 && line.gone() > 0) {
                draft.conflicts.add(Draft.Conflict.CANCELED_AFTER_INVOICE);
            }
            if (excess > line.gone()) {
                draft.conflicts.add(Draft.Conflict.CANCELED_TOO_MANY);
            }
        }
    }

    /** Settle the units of an order that a balance has taken out of a stock. */
    static boolean settle(Draft draft, Model.Stock stock) {
        return draft.after.acknowledged.removeIf(one -> {
            Model.Line line = draft.after.lines.get(one.line());
            boolean settled = line.stock(draft.after.account).equals(stock.key())
                && stock.covers(one.comparedAt());
            if (settled) {
                line.acknowledged -= one.units();
                line.settled += one.units();
            }
            return settled;
        });
    }

    enum Counted { CHANGED, REPEAT, DIFFERS }

    /** Change a stock by a count; the orders that it settles are added to a set. */
    static Counted balanceCounted(
        Model.Stock stock, Fact.BalanceCounted fact, Set<String> settled) {
        Long limit = fact.limit();
        Boolean unlimited = fact.unlimited();
        boolean contradicted = Objects.equals(fact.at(), stock.countedAt)
            && (fact.onHand() > stock.onHand || limit != null && limit < stock.limit
                || unlimited != null && unlimited && !stock.unlimited);
        boolean changed = false;
        if (stands(fact.at(), stock.countedAt, fact.onHand() < stock.onHand)) {
            stock.onHand = fact.onHand();
            stock.countedAt = fact.at();
            stock.countedBy = fact.cause();
            changed = true;
            for (Model.Entry entry : new ArrayList<>(stock.entries)) {
                if (stock.covers(entry.comparedAt())) {
                    stock.entries.remove(entry);
                    stock.acknowledged -= entry.units();
                    settled.add(entry.orderId());
                }
            }
        }
        if (limit != null && stands(fact.at(), stock.limitCountedAt, limit > stock.limit)) {
            stock.limit = limit;
            stock.limitCountedAt = fact.at();
            changed = true;
        }
        if (unlimited != null
            && stands(fact.at(), stock.unlimitedCountedAt, stock.unlimited && !unlimited)) {
            stock.unlimited = unlimited;
            stock.unlimitedCountedAt = fact.at();
            changed = true;
        }
        if (changed) {
            return Counted.CHANGED;
        }
        return contradicted ? Counted.DIFFERS : Counted.REPEAT;
    }

    /** Of two with the same instant the more careful one stands, whichever came first. */
    private static boolean stands(long at, Long storedAt, boolean isMoreCareful) {
        return storedAt == null || at > storedAt || at == storedAt && isMoreCareful;
    }

    static Set<String> nothingSettled() {
        return new LinkedHashSet<>();
    }

    private static Model.Seen seen(List<Model.Seen> all, String id) {
        return all.stream().filter(one -> Objects.equals(one.id(), id)).findFirst().orElse(null);
    }

    /** Publish a contradiction once: it moves no units, and the same again is a repeat. */
    private static boolean contradicts(
        Draft draft, Draft.Conflict conflict, String... contents) {
        String key = Keys.join(Stream.concat(Stream.of(conflict.text()), Stream.of(contents))
            .toArray(String[]::new));
        if (draft.after.conflicts.contains(key)) {
            return false;
        }
        draft.after.conflicts.add(key);
        draft.conflicts.add(conflict);
        return true;
    }
}
