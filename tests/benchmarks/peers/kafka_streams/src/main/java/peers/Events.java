package peers;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;

/** The events of one step as records: bodies in JSON, CloudEvents attributes in headers. */
final class Events {
    /** One record to be published. */
    record Event(String topic, int shard, String key, byte[] body, Headers headers) {
    }

    private final ObjectMapper json;
    private final String account;
    private final int shard;
    private final long step;
    private final List<Event> events = new ArrayList<>();

    Events(ObjectMapper json, String account, long step) {
        this.json = json;
        this.account = account;
        this.shard = Keys.shard(account);
        this.step = step;
    }

    List<Event> all() {
        return events;
    }

    void reservationChanged(
        Draft draft, String previousStatus, String reason, long occurredAt, Model.Cause cause) {
        Model.Reservation after = draft.after;
        ObjectNode body = begin();
        body.put("order_id", after.orderId);
        body.put("version", after.version);
        body.put("status", after.status());
        body.put("previous_status", previousStatus);
        body.put("reason", reason);
        body.put("occurred_at", instant(occurredAt));
        body.put("expires_at", instant(after.expiresAt));
        body.put("completed_at", instant(after.completedAt));
        body.put("paid_at", instant(after.paidAt));
        ArrayNode lines = body.putArray("lines");
        for (Model.Line line : after.lines) {
            ObjectNode one = named(lines.addObject(), line, line.quantity);
            one.put("held", line.held);
            one.put("acknowledged", line.acknowledged);
            one.put("settled", line.settled);
            one.put("canceled", line.canceled);
            one.put("expired", line.expired);
            one.put("denied", line.denied);
        }
        ArrayNode shortages = body.putArray("shortages");
        for (Draft.Shortage shortage : draft.shortages) {
            ObjectNode one = shortages.addObject();
            one.put("warehouse_id", shortage.stock().warehouseId);
            one.put("sku", shortage.stock().sku);
            one.put("requested", shortage.requested());
            one.put("available", shortage.available());
            one.put("unknown", shortage.unknown());
        }
        body.put("refund_needed", after.refundNeeded());
        ArrayNode conflicts = body.putArray("conflicts");
        draft.conflicts.forEach(conflict -> conflicts.add(conflict.text()));
        body.set("cause", cause(cause));
        body.set("internal", internal(after));
        add("reservation-changed", "reservation.changed.v1", after.key(), occurredAt, body);
        draft.acknowledgements.forEach(one -> acknowledged(after, one));
    }

    private void acknowledged(Model.Reservation after, Draft.Acknowledgement done) {
        ObjectNode body = begin();
        body.put("order_id", after.orderId);
        body.put("version", after.version);
        body.put("acknowledged_at", instant(done.invoice().invoicedAt()));
        body.put("invoice_id", done.invoice().id());
        ArrayNode lines = body.putArray("lines");
        done.units().forEach(
            (index, units) -> named(lines.addObject(), after.lines.get(index), units));
        ArrayNode counted = body.putArray("already_counted");
        done.alreadyCounted().forEach(
            (index, units) -> named(counted.addObject(), after.lines.get(index), units));
        add("acknowledged-reservation", "reservation.acknowledged.v1", after.key(),
            done.invoice().invoicedAt(), body);
    }

    void stockChanged(Model.Stock stock, long occurredAt, Model.Cause balance) {
        ObjectNode body = begin();
        body.put("warehouse_id", stock.warehouseId);
        body.put("sku", stock.sku);
        body.put("version", stock.version);
        body.put("on_hand", stock.onHand);
        body.put("available", stock.available());
        body.put("authorized", stock.authorized);
        body.put("confirmed", stock.confirmed);
        body.put("acknowledged", stock.acknowledged);
        body.put("limit", stock.limit);
        body.put("unlimited", stock.unlimited);
        body.put("counted_at", instant(stock.countedAt));
        ObjectNode internal = body.putObject("internal");
        if (balance != null) {
            internal.set("cause", cause(balance));
        }
        if (stock.countedBy != null) {
            internal.set("counted_by", cause(stock.countedBy));
        }
        if (stock.limitCountedAt != null) {
            internal.put("limit_counted_at_ms", stock.limitCountedAt);
        }
        if (stock.unlimitedCountedAt != null) {
            internal.put("unlimited_counted_at_ms", stock.unlimitedCountedAt);
        }
        add("stock-changed", "reservation.stock-changed.v1", stock.key(), occurredAt, body);
    }

    private ObjectNode begin() {
        ObjectNode body = json.createObjectNode();
        body.put("event_id", shard + "-" + step + "-" + events.size());
        body.put("account", account);
        return body;
    }

    private static ObjectNode named(ObjectNode one, Model.Line line, long units) {
        one.put("line_id", line.lineId);
        one.put("warehouse_id", line.warehouseId);
        one.put("sku", line.sku);
        one.put("quantity", units);
        return one;
    }

    private ObjectNode cause(Model.Cause cause) {
        ObjectNode one = json.createObjectNode();
        one.put("topic", cause.topic());
        one.put("partition", cause.partition());
        one.put("offset", cause.offset());
        one.putNull("event_id");
        return one;
    }

    /** What restoring a reservation needs and no reader does; what is not there is left out. */
    private ObjectNode internal(Model.Reservation after) {
        ObjectNode internal = json.createObjectNode();
        if (after.digest != null) {
            internal.put("order_digest", after.digest);
        }
        if (after.paymentId != null) {
            internal.put("payment_id", after.paymentId);
        }
        for (Model.AcknowledgedUnits one : after.acknowledged) {
            internal.withArray("acknowledged").addObject().put("line", one.line())
                .put("invoiced_at_ms", one.comparedAt()).put("units", one.units());
        }
        seen(internal, "invoices", after.invoices);
        seen(internal, "cancellations", after.cancellations);
        after.conflicts.forEach(internal.withArray("conflicts")::add);
        if (after.conflicts.isEmpty()) {
            internal.remove("conflicts");
        }
        for (Model.Kept kept : after.kept) {
            ObjectNode one = internal.withArray("kept").addObject();
            one.put("kind", kept.invoicedAt() == null ? "cancellation" : "invoice");
            one.put("id", kept.id());
            if (kept.invoicedAt() != null) {
                one.put("at_ms", kept.invoicedAt());
            }
            ArrayNode lines = one.putArray("lines");
            kept.lines().forEach(units -> lines.addObject().put("line_id", units.lineId())
                .put("quantity", units.quantity()));
            if (kept.invoicedAt() != null) {
                one.put("compared_at_ms", kept.invoicedAt());
            }
        }
        for (Model.Cause early : after.early) {
            internal.withArray("early_facts").addObject().put("topic", early.topic())
                .put("partition", early.partition()).put("offset", early.offset());
        }
        return internal;
    }

    private static void seen(ObjectNode internal, String name, List<Model.Seen> all) {
        for (Model.Seen one : all) {
            internal.withArray(name).addObject().put("id", one.id()).put("digest", one.digest());
        }
    }

    private void add(String topic, String type, String key, long occurredAt, ObjectNode body) {
        RecordHeaders headers = new RecordHeaders();
        header(headers, "ce_specversion", "1.0");
        header(headers, "ce_id", body.get("event_id").asText());
        header(headers, "ce_source", "/reservation-worker");
        header(headers, "ce_type", type);
        header(headers, "ce_subject", key);
        header(headers, "ce_time", instant(occurredAt));
        header(headers, "ce_partitionkey", account);
        header(headers, "content-type", "application/json");
        try {
            byte[] bytes = json.writeValueAsBytes(body);
            events.add(new Event(topic, shard, key, bytes, headers));
        } catch (JsonProcessingException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    static void header(Headers headers, String name, String value) {
        headers.add(name, value.getBytes(StandardCharsets.UTF_8));
    }

    /** RFC 3339, milliseconds only if there are any. */
    static String instant(Long instant) {
        return instant == null ? null : Instant.ofEpochMilli(instant).toString();
    }
}
