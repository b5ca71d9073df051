package peers;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.StreamPartitioner;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** Runs the topology until SIGTERM. */
public final class Main {
    private static final List<String> INPUTS = List.of(
        "order-completed", "payment-approved", "order-invoiced", "order-canceled",
        "inventory-updated");
    private static final int THREADS = 2;

    private Main() {
    }

    /** Reads what it is given from the environment. */
    public static void main(String[] arguments) throws InterruptedException {
        Map<String, String> given = System.getenv();
        String prefix = given.get("PEER_TOPIC_PREFIX");
        String groupId = prefix + "peers";
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, groupId);
        properties.put(
            StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, given.get("PEER_BOOTSTRAP_SERVERS"));
        properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, THREADS);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, given.get("PEER_STATE_DIRECTORY"));
        properties.put(
            StreamsConfig.consumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG),
            given.get("PEER_SESSION_TIMEOUT_MS"));
        KafkaStreams streams = new KafkaStreams(topology(prefix, groupId), properties);
        CountDownLatch stopped = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close();
            stopped.countDown();
        }));
        streams.start();
        stopped.await();
    }

    private static Topology topology(String prefix, String groupId) {
        ObjectMapper json = new ObjectMapper();
        StreamPartitioner<String, Events.Event> byShard =
            (topic, key, event, partitions) -> event.shard() < 0
                ? Optional.empty() : Optional.of(Set.of(event.shard()));
        Topology topology = new Topology();
        topology.addSource(
            "facts", Serdes.String().deserializer(), Serdes.ByteArray().deserializer(),
            INPUTS.stream().map(name -> prefix + name).toArray(String[]::new));
        topology.addProcessor(
            "reservations", () -> new ReservationProcessor(json, prefix, groupId), "facts");
        topology.addStateStore(
            store(ReservationProcessor.RESERVATIONS, Serdes.String(),
                serde(json, Model.Reservation.class)), "reservations");
        topology.addStateStore(
            store(ReservationProcessor.STOCKS, Serdes.String(), serde(json, Model.Stock.class)),
            "reservations");
        topology.addStateStore(
            store(ReservationProcessor.STEPS, Serdes.Integer(), Serdes.Long()), "reservations");
        topology.addSink(
            "events", (key, event, context) -> prefix + event.topic(),
            Serdes.String().serializer(), (topic, event) -> event.body(), byShard,
            "reservations");
        return topology;
    }

    private static <K, V> StoreBuilder<?> store(String name, Serde<K> key, Serde<V> value) {
        return Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(name), key, value)
            .withCachingEnabled();
    }

    private static <T> Serde<T> serde(ObjectMapper json, Class<T> type) {
        return Serdes.serdeFrom(
            (topic, value) -> {
                try {
                    return value == null ? null : json.writeValueAsBytes(value);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            },
            (topic, bytes) -> {
                try {
                    return bytes == null ? null : json.readValue(bytes, type);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            });
    }
}
