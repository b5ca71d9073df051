package peers;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;

/** A working copy of one reservation and its stocks, in which a decision moves units. */
final class Draft {
    enum Conflict {
        ORDER_DIFFERS, INVOICED_AFTER_CANCEL, INVOICED_WITHOUT_STOCK, INVOICED_TOO_MANY,
        CANCELED_AFTER_INVOICE, CANCELED_TOO_MANY, PAID_TWICE, ID_REUSED;

        String text() {
            return name().toLowerCase(java.util.Locale.ROOT);
        }
    }

    record Shortage(Model.Stock stock, long requested, long available, boolean unknown) {
    }

    /** What one invoice moved: units by line. */
    record Acknowledgement(
        Model.Kept invoice, TreeMap<Integer, Long> units, TreeMap<Integer, Long> alreadyCounted) {
        static Acknowledgement of(Model.Kept invoice) {
            return new Acknowledgement(invoice, new TreeMap<>(), new TreeMap<>());
        }

        Acknowledgement copy() {
            return new Acknowledgement(
                invoice, new TreeMap<>(units), new TreeMap<>(alreadyCounted));
        }
    }

    final Model.Reservation before;
    private final Function<String, Model.Stock> stored;
    Model.Reservation after;
    EnumSet<Conflict> conflicts = EnumSet.noneOf(Conflict.class);
    List<Shortage> shortages = new ArrayList<>();
    List<Acknowledgement> acknowledgements = new ArrayList<>();
    LinkedHashMap<String, Model.Stock> touched = new LinkedHashMap<>();

    Draft(Model.Reservation before, Function<String, Model.Stock> stored) {
        this.before = before;
        this.stored = stored;
        this.after = before.copy();
    }

    Draft trial() {
        Draft other = new Draft(before, stored);
        other.after = after.copy();
        other.conflicts = EnumSet.copyOf(conflicts);
        other.shortages = new ArrayList<>(shortages);
        acknowledgements.forEach(one -> other.acknowledgements.add(one.copy()));
        touched.forEach((key, stock) -> other.touched.put(key, stock.copy()));
        return other;
    }

    void adopt(Draft trial) {
        after = trial.after;
        conflicts = trial.conflicts;
        shortages = trial.shortages;
        acknowledgements = trial.acknowledgements;
        touched = trial.touched;
    }

    boolean isKnown() {
        return after.completedAt != null;
    }

    /** What is compared with counts: goods cannot leave before they are sold. */
    long comparedAt(Model.Kept invoice) {
        return Math.max(invoice.invoicedAt(), after.completedAt);
    }

    boolean hasOpenUnits() {
        return after.lines.stream().anyMatch(line -> line.expired + line.denied > 0);
    }

    boolean hasGoneUnits() {
        return after.lines.stream().anyMatch(line -> line.gone() > 0);
    }

    boolean hasMovableUnits() {
        return after.lines.stream().anyMatch(line -> line.movable() > 0);
    }

    /** The position of a line, or -1 if the order does not have it. */
    int lineIndex(String lineId) {
        for (int index = 0; index < after.lines.size(); index++) {
            if (after.lines.get(index).lineId.equals(lineId)) {
                return index;
            }
        }
        return -1;
    }

    /** Units by line of the named lines that exist; none named: all movable ones. */
    Map<Integer, Long> named(List<Model.Units> lines) {
        Map<Integer, Long> named = new LinkedHashMap<>();
        if (lines.isEmpty()) {
            for (int index = 0; index < after.lines.size(); index++) {
                if (after.lines.get(index).movable() > 0) {
                    named.put(index, after.lines.get(index).movable());
                }
            }
        }
        for (Model.Units one : lines) {
            int index = lineIndex(one.lineId());
            if (index >= 0) {
                named.put(index, one.quantity());
            }
        }
        return named;
    }

    /** A stock as the draft has it; it may be looked at, not changed. */
    Model.Stock stock(Model.Line line) {
        String key = line.stock(after.account);
        Model.Stock found = touched.get(key);
        if (found == null) {
            found = stored.apply(key);
        }
        return found != null ? found : Model.Stock.of(after.account, line.warehouseId, line.sku);
    }

    private Model.Stock change(Model.Line line) {
        return touched.computeIfAbsent(line.stock(after.account), key -> stock(line).copy());
    }

    /** The stocks that cannot give what this draft holds more than an earlier one. */
    List<Shortage> shortagesSince(Draft earlier) {
        List<Shortage> found = new ArrayList<>();
        for (Map.Entry<String, Model.Stock> one : touched.entrySet()) {
            Model.Stock now = one.getValue();
            Model.Stock then = earlier.touched.get(one.getKey());
            if (then == null) {
                then = stored.apply(one.getKey());
            }
            if (then == null) {
                then = Model.Stock.of(now.account, now.warehouseId, now.sku);
            }
            long demand = then.available() - now.available();
            if (demand > 0 && !then.canHold(demand)) {
                found.add(new Shortage(then, demand, then.sellable(), then.countedAt == null));
            }
        }
        return found;
    }

    void holdOpenUnits() {
        for (Model.Line line : after.lines) {
            long units = line.expired + line.denied;
            if (units > 0) {
                line.expired = 0;
                line.denied = 0;
                line.held += units;
                moveHeld(line, units);
            }
        }
    }

    void confirmHeldUnits() {
        for (Model.Line line : after.lines) {
            if (line.held > 0) {
                Model.Stock stock = change(line);
                stock.authorized -= line.held;
                stock.confirmed += line.held;
            }
        }
    }

    void cancel(int index, long units) {
        Model.Line line = after.lines.get(index);
        long fromHeld = Math.min(units, line.held);
        if (fromHeld > 0) {
            line.held -= fromHeld;
            moveHeld(line, -fromHeld);
        }
        takeOpen(line, units - fromHeld);
        line.canceled += units;
    }

    void acknowledgeHeld(int index, long units, Acknowledgement into) {
        Model.Line line = after.lines.get(index);
        line.held -= units;
        moveHeld(line, -units);
        handOver(index, units, into);
    }

    void acknowledgeOpen(int index, long units, Acknowledgement into) {
        takeOpen(after.lines.get(index), units);
        handOver(index, units, into);
    }

    private void handOver(int index, long units, Acknowledgement into) {
        Model.Line line = after.lines.get(index);
        long comparedAt = comparedAt(into.invoice());
        if (stock(line).covers(comparedAt)) {
            line.settled += units;
            into.alreadyCounted().merge(index, units, Long::sum);
            return;
        }
        line.acknowledged += units;
        into.units().merge(index, units, Long::sum);
        long earlier = 0;
        int place = after.acknowledged.size();
        for (int at = 0; at < after.acknowledged.size(); at++) {
            Model.AcknowledgedUnits one = after.acknowledged.get(at);
            if (one.line() == index && one.comparedAt() == comparedAt) {
                earlier = one.units();
                place = at;
            }
        }
        var whole = new Model.AcknowledgedUnits(index, comparedAt, earlier + units);
        if (place < after.acknowledged.size()) {
            after.acknowledged.set(place, whole);
        } else {
            after.acknowledged.add(whole);
        }
        Model.Stock stock = change(line);
        stock.acknowledged += units;
        stock.entries.remove(new Model.Entry(comparedAt, after.orderId, index, earlier));
        stock.entries.add(new Model.Entry(comparedAt, after.orderId, index, earlier + units));
        stock.entries.sort(null);
    }

    private static void takeOpen(Model.Line line, long units) {
        long fromExpired = Math.min(units, line.expired);
        line.expired -= fromExpired;
        line.denied -= units - fromExpired;
    }

    private void moveHeld(Model.Line line, long units) {
        Model.Stock stock = change(line);
        if (after.paidAt != null) {
            stock.confirmed += units;
        } else {
            stock.authorized += units;
        }
    }

    /** The reservation after the change, one version later. */
    Model.Reservation finished(Model.Cause cause) {
        after.version = before.version + 1;
        if (isKnown()) {
            after.kept.removeIf(one -> !isOfUse(one));
            after.early.clear();
        } else {
            after.early.add(cause);
        }
        boolean holds = after.lines.stream().anyMatch(line -> line.held > 0);
        if (after.paidAt != null || !holds) {
            after.expiresAt = null;
        }
        return after;
    }

    private boolean isOfUse(Model.Kept kept) {
        if (kept.lines().isEmpty()) {
            return hasOpenUnits();
        }
        return kept.lines().stream().map(one -> lineIndex(one.lineId())).anyMatch(
            index -> index >= 0
                && after.lines.get(index).expired + after.lines.get(index).denied > 0);
    }
}
