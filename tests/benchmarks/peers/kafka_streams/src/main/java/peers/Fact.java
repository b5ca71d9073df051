package peers;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.DayOfWeek;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/** What an input record states. */
sealed interface Fact {
    String account();

    Model.Cause cause();

    record OrderCompleted(
        String account, String orderId, long at, long expiresAt, List<Model.Line> lines,
        Model.Cause cause) implements Fact {
        String digest() {
            List<String> parts = new ArrayList<>();
            lines.stream().sorted(Comparator.comparing(line -> line.lineId)).forEach(line -> {
                parts.add(line.lineId);
                parts.add(line.warehouseId);
                parts.add(line.sku);
                parts.add(Long.toString(line.quantity));
            });
            return Keys.digest(parts.toArray(String[]::new));
        }
    }

    record PaymentApproved(
        String account, String orderId, long at, String paymentId, Model.Cause cause)
        implements Fact {
    }

    record OrderInvoiced(
        String account, String orderId, long at, String id, List<Model.Units> lines,
        Model.Cause cause) implements Fact {
        String digest() {
            return Keys.digest(Fact.parts(lines).toArray(String[]::new));
        }
    }

    record OrderCanceled(
        String account, String orderId, long at, String id, List<Model.Units> lines,
        Model.Cause cause) implements Fact {
        String digest() {
            return Keys.digest(Fact.parts(lines).toArray(String[]::new));
        }
    }

    record BalanceCounted(
        String account, String warehouseId, String sku, long at, long onHand, Long limit,
        Boolean unlimited, Model.Cause cause) implements Fact {
    }

    private static List<String> parts(List<Model.Units> lines) {
        List<String> parts = new ArrayList<>();
        lines.stream().sorted(Comparator.comparing(Model.Units::lineId)).forEach(line -> {
            parts.add(line.lineId());
            parts.add(Long.toString(line.quantity()));
        });
        return parts;
    }

    /** Read a body; throws IllegalArgumentException where a field is missing or wrong. */
    static Fact read(String kind, JsonNode body, Model.Cause cause) {
        String account = text(body, "account");
        return switch (kind) {
            case "order-completed" -> new OrderCompleted(
                account, text(body, "order_id"), instant(body, "completed_at"), deadline(body),
                orderLines(body), cause);
            case "payment-approved" -> new PaymentApproved(
                account, text(body, "order_id"), instant(body, "approved_at"),
                optional(body, "payment_id"), cause);
            case "order-invoiced" -> new OrderInvoiced(
                account, text(body, "order_id"), instant(body, "invoiced_at"),
                optional(body, "invoice_id"), units(body), cause);
            case "order-canceled" -> new OrderCanceled(
                account, text(body, "order_id"), instant(body, "canceled_at"),
                optional(body, "cancellation_id"), units(body), cause);
            case "inventory-updated" -> new BalanceCounted(
                account, text(body, "warehouse_id"), text(body, "sku"),
                instant(body, "counted_at"), required(body, "on_hand").asLong(),
                body.hasNonNull("limit") ? body.get("limit").asLong() : null,
                body.hasNonNull("unlimited") ? body.get("unlimited").asBoolean() : null, cause);
            default -> throw new IllegalArgumentException("unknown topic " + kind);
        };
    }

    private static List<Model.Line> orderLines(JsonNode body) {
        List<Model.Line> lines = new ArrayList<>();
        for (JsonNode one : required(body, "lines")) {
            Model.Line line = new Model.Line();
            line.lineId = text(one, "line_id");
            line.warehouseId = text(one, "warehouse_id");
            line.sku = text(one, "sku");
            line.quantity = required(one, "quantity").asLong();
            lines.add(line);
        }
        return lines;
    }

    private static List<Model.Units> units(JsonNode body) {
        List<Model.Units> lines = new ArrayList<>();
        if (body.hasNonNull("lines")) {
            for (JsonNode one : body.get("lines")) {
                long quantity = required(one, "quantity").asLong();
                lines.add(new Model.Units(text(one, "line_id"), quantity));
            }
        }
        return lines;
    }

    /** The deadline of an unpaid order: five rules, of which the first that applies counts. */
    private static long deadline(JsonNode body) {
        if (body.hasNonNull("reservation_expires_at")) {
            return instant(body, "reservation_expires_at");
        }
        long completedAt = instant(body, "completed_at");
        if (body.hasNonNull("reservation_ttl_seconds")) {
            return completedAt + body.get("reservation_ttl_seconds").asLong() * 1000;
        }
        if (body.path("payment").hasNonNull("due_date")) {
            LocalDate due = LocalDate.parse(body.get("payment").get("due_date").asText());
            int days = INVENTORY_DAYS.getOrDefault(due.getDayOfWeek(), 5);
            return due.plusDays(days + 1L).atStartOfDay().toInstant(ZoneOffset.UTC).toEpochMilli();
        }
        int days = body.path("incomplete").asBoolean() ? 11 : 7;
        return completedAt + days * 86_400_000L;
    }

    Map<DayOfWeek, Integer> INVENTORY_DAYS = Map.of(
        DayOfWeek.SUNDAY, 4, DayOfWeek.MONDAY, 4, DayOfWeek.TUESDAY, 4, DayOfWeek.SATURDAY, 6);

    private static JsonNode required(JsonNode body, String name) {
        if (!body.hasNonNull(name)) {
            throw new IllegalArgumentException("/" + name);
        }
        return body.get(name);
    }

    private static String text(JsonNode body, String name) {
        return required(body, name).asText();
    }

    private static String optional(JsonNode body, String name) {
        return body.hasNonNull(name) ? body.get(name).asText() : null;
    }

    private static long instant(JsonNode body, String name) {
        return OffsetDateTime.parse(text(body, name)).toInstant().toEpochMilli();
    }
}
