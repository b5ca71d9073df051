package peers;

import java.util.ArrayList;
import java.util.List;

/** Orders and stocks as the stores keep them; instants are milliseconds since the epoch. */
final class Model {
    private Model() {
    }

    static final class Line {
        public String lineId;
        public String warehouseId;
        public String sku;
        public long quantity;
        public long held;
        public long acknowledged;
        public long settled;
        public long canceled;
        public long expired;
        public long denied;

        Line copy() {
            Line other = new Line();
            other.lineId = lineId;
            other.warehouseId = warehouseId;
            other.sku = sku;
            other.quantity = quantity;
            other.held = held;
            other.acknowledged = acknowledged;
            other.settled = settled;
            other.canceled = canceled;
            other.expired = expired;
            other.denied = denied;
            return other;
        }

        /** Units that an invoice or a cancellation can still move. */
        long movable() {
            return held + expired + denied;
        }

        /** Units that have left the physical inventory. */
        long gone() {
            return acknowledged + settled;
        }

        String stock(String account) {
            return Keys.join(account, warehouseId, sku);
        }
    }

    record Units(String lineId, long quantity) {
    }

    record AcknowledgedUnits(int line, long comparedAt, long units) {
    }

    /** An invoice or a cancellation that has been seen; no id: the whole one. */
    record Seen(String id, String digest) {
    }

    /** What waits for its order or for stock; no date: a cancellation; no lines: everything. */
    record Kept(String id, Long invoicedAt, List<Units> lines) {
    }

    record Cause(String topic, int partition, long offset) {
    }

    static final class Reservation {
        public String account;
        public String orderId;
        public long version;
        public Long completedAt;
        public Long expiresAt;
        public Long paidAt;
        public String paymentId;
        public String digest;
        public List<Line> lines = new ArrayList<>();
        public List<AcknowledgedUnits> acknowledged = new ArrayList<>();
        public List<Seen> invoices = new ArrayList<>();
        public List<Seen> cancellations = new ArrayList<>();
        public List<String> conflicts = new ArrayList<>();
        public List<Kept> kept = new ArrayList<>();
        public List<Cause> early = new ArrayList<>();

        static Reservation of(String account, String orderId) {
            Reservation made = new Reservation();
            made.account = account;
            made.orderId = orderId;
            return made;
        }

        Reservation copy() {
            Reservation other = of(account, orderId);
            other.version = version;
            other.completedAt = completedAt;
            other.expiresAt = expiresAt;
            other.paidAt = paidAt;
            other.paymentId = paymentId;
            other.digest = digest;
            lines.forEach(line -> other.lines.add(line.copy()));
            other.acknowledged.addAll(acknowledged);
            other.invoices.addAll(invoices);
            other.cancellations.addAll(cancellations);
            other.conflicts.addAll(conflicts);
            other.kept.addAll(kept);
            other.early.addAll(early);
            return other;
        }

        String key() {
            return Keys.join(account, orderId);
        }

        String status() {
            if (completedAt == null) {
                return "Awaiting";
            }
            if (lines.stream().anyMatch(line -> line.held > 0)) {
                return paidAt == null ? "Authorized" : "Confirmed";
            }
            if (lines.stream().anyMatch(line -> line.acknowledged > 0)) {
                return "Acknowledged";
            }
            if (lines.stream().anyMatch(line -> line.settled > 0)) {
                return "Settled";
            }
            if (lines.stream().allMatch(line -> line.canceled == line.quantity)) {
                return "Canceled";
            }
            return lines.stream().anyMatch(line -> line.expired > 0) ? "Expired" : "Denied";
        }

        /** Nothing is held or handed out any more. */
        boolean isOver() {
            return List.of("Settled", "Canceled", "Expired", "Denied").contains(status());
        }

        boolean refundNeeded() {
            return completedAt != null
                && paidAt != null
                && lines.stream().allMatch(line -> line.held + line.gone() == 0);
        }
    }

    /** Acknowledged units of one order line with one date, still counted in onHand. */
    record Entry(long comparedAt, String orderId, int line, long units)
        implements Comparable<Entry> {
        String member() {
            return Keys.join(orderId, Integer.toString(line), Long.toString(units));
        }

        @Override
        public int compareTo(Entry other) {
            int byDate = Long.compare(comparedAt, other.comparedAt);
            return byDate != 0 ? byDate : member().compareTo(other.member());
        }
    }

    static final class Stock {
        public String account;
        public String warehouseId;
        public String sku;
        public long version;
        public long onHand;
        public long authorized;
        public long confirmed;
        public long acknowledged;
        public long limit;
        public boolean unlimited;
        public Long countedAt;
        public Long limitCountedAt;
        public Long unlimitedCountedAt;
        public Cause countedBy;
        public List<Entry> entries = new ArrayList<>();

        static Stock of(String account, String warehouseId, String sku) {
            Stock made = new Stock();
            made.account = account;
            made.warehouseId = warehouseId;
            made.sku = sku;
            return made;
        }

        Stock copy() {
            Stock other = of(account, warehouseId, sku);
            other.version = version;
            other.onHand = onHand;
            other.authorized = authorized;
            other.confirmed = confirmed;
            other.acknowledged = acknowledged;
            other.limit = limit;
            other.unlimited = unlimited;
            other.countedAt = countedAt;
            other.limitCountedAt = limitCountedAt;
            other.unlimitedCountedAt = unlimitedCountedAt;
            other.countedBy = countedBy;
            other.entries.addAll(entries);
            return other;
        }

        String key() {
            return Keys.join(account, warehouseId, sku);
        }

        long available() {
            return onHand - authorized - confirmed - acknowledged;
        }

        long sellable() {
            return Math.max(0, available() - limit);
        }

        boolean canHold(long demand) {
            return unlimited || available() - limit >= demand;
        }

        /** Whether the count no longer has units that had left by then. */
        boolean covers(long comparedAt) {
            return countedAt != null && comparedAt <= countedAt;
        }
    }
}
