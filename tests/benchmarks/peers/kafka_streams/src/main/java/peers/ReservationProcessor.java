package peers;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueStore;

/** Lets each fact take effect on the stores and forwards what it did. */
final class ReservationProcessor implements Processor<String, byte[], String, Events.Event> {
    static final String RESERVATIONS = "reservations";
    static final String STOCKS = "stocks";
    static final String STEPS = "steps";

    private final ObjectMapper json;
    private final String topicPrefix;
    private final String groupId;
    private ProcessorContext<String, Events.Event> context;
    private KeyValueStore<String, Model.Reservation> reservations;
    private KeyValueStore<String, Model.Stock> stocks;
    private KeyValueStore<Integer, Long> steps;

    ReservationProcessor(ObjectMapper json, String topicPrefix, String groupId) {
        this.json = json;
        this.topicPrefix = topicPrefix;
        this.groupId = groupId;
    }

    @Override
    public void init(ProcessorContext<String, Events.Event> context) {
        this.context = context;
        reservations = context.getStateStore(RESERVATIONS);
        stocks = context.getStateStore(STOCKS);
        steps = context.getStateStore(STEPS);
    }

    @Override
    public void process(Record<String, byte[]> record) {
        RecordMetadata at = context.recordMetadata().orElseThrow();
        Model.Cause cause = new Model.Cause(at.topic(), at.partition(), at.offset());
        Fact fact;
        try {
            JsonNode body = json.readTree(record.value());
            fact = Fact.read(at.topic().substring(topicPrefix.length()), body, cause);
        } catch (JsonProcessingException broken) {
            reject(record, cause, "DECODE_FAILED", "The value is not one valid JSON text.");
            return;
        } catch (IOException | RuntimeException wrong) {
            reject(record, cause, "SCHEMA_INVALID", "A field is missing or wrong.");
            return;
        }
        if (fact instanceof Fact.BalanceCounted balance) {
            balanceCounted(record, balance);
        } else {
            orderFact(record, fact);
        }
    }

    private void orderFact(Record<String, byte[]> record, Fact fact) {
        if (fact instanceof Fact.OrderCompleted one) {
            Draft draft = draft(one.account(), one.orderId());
            if (Rules.orderCompleted(draft, one)) {
                publish(record, draft, "order_completed", one.at(), one.cause());
            }
        } else if (fact instanceof Fact.PaymentApproved one) {
            Draft draft = draft(one.account(), one.orderId());
            if (Rules.paymentApproved(draft, one)) {
                publish(record, draft, "payment_approved", one.at(), one.cause());
            }
        } else if (fact instanceof Fact.OrderInvoiced one) {
            Draft draft = draft(one.account(), one.orderId());
            if (Rules.orderInvoiced(draft, one)) {
                publish(record, draft, "order_invoiced", one.at(), one.cause());
            }
        } else if (fact instanceof Fact.OrderCanceled one) {
            Draft draft = draft(one.account(), one.orderId());
            if (Rules.orderCanceled(draft, one)) {
                publish(record, draft, "order_canceled", one.at(), one.cause());
            }
        }
    }

    private void balanceCounted(Record<String, byte[]> record, Fact.BalanceCounted fact) {
        String key = Keys.join(fact.account(), fact.warehouseId(), fact.sku());
        Model.Stock found = stocks.get(key);
        Model.Stock stock = found != null ? found
            : Model.Stock.of(fact.account(), fact.warehouseId(), fact.sku());
        Set<String> settled = Rules.nothingSettled();
        switch (Rules.balanceCounted(stock, fact, settled)) {
            case REPEAT -> { }
            case DIFFERS -> reject(record, fact.cause(), "BALANCE_DIFFERS",
                "A more careful balance with the same counted_at stands.");
            case CHANGED -> {
                Events events = step(fact.account());
                put(stock);
                events.stockChanged(stock, fact.at(), fact.cause());
                forward(record, events);
                settled.forEach(orderId -> settle(record, stock, orderId));
            }
        }
    }

    private void settle(Record<String, byte[]> record, Model.Stock stock, String orderId) {
        Draft draft = draft(stock.account, orderId);
        if (Rules.settle(draft, stock)) {
            publish(record, draft, "balance_counted", stock.countedAt, stock.countedBy);
        }
    }

    private Draft draft(String account, String orderId) {
        Model.Reservation found = reservations.get(Keys.join(account, orderId));
        Model.Reservation before =
            found != null ? found : Model.Reservation.of(account, orderId);
        return new Draft(before, stocks::get);
    }

    private void publish(
        Record<String, byte[]> record, Draft draft, String reason, long occurredAt,
        Model.Cause cause) {
        Events events = step(draft.after.account);
        String previous = draft.before.version > 0 ? draft.before.status() : null;
        reservations.put(draft.after.key(), draft.finished(cause));
        events.reservationChanged(draft, previous, reason, occurredAt, cause);
        for (Map.Entry<String, Model.Stock> one : draft.touched.entrySet()) {
            put(one.getValue());
            events.stockChanged(one.getValue(), occurredAt, null);
        }
        forward(record, events);
    }

    private void put(Model.Stock stock) {
        stock.version += 1;
        stocks.put(stock.key(), stock);
    }

    private Events step(String account) {
        int shard = Keys.shard(account);
        Long before = steps.get(shard);
        long number = before == null ? 1 : before + 1;
        steps.put(shard, number);
        return new Events(json, account, number);
    }

    private void forward(Record<String, byte[]> record, Events events) {
        for (Events.Event event : events.all()) {
            context.forward(new Record<>(event.key(), event, record.timestamp(), event.headers()));
        }
    }

    private void reject(
        Record<String, byte[]> record, Model.Cause cause, String code, String message) {
        Headers headers = new RecordHeaders(record.headers());
        Events.header(headers, "__dlq.errors.topic", cause.topic());
        Events.header(headers, "__dlq.errors.partition", Integer.toString(cause.partition()));
        Events.header(headers, "__dlq.errors.offset", Long.toString(cause.offset()));
        Events.header(headers, "__dlq.errors.group", groupId);
        Events.header(headers, "__dlq.errors.message", message);
        Events.header(headers, "reservation.dlq.code", code);
        var letter = new Events.Event(
            "reservation-dead-letter", -1, record.key(), record.value(), headers);
        context.forward(new Record<>(record.key(), letter, record.timestamp(), headers));
    }
}
