"""The whole worker as real processes, on real Kafka and real Valkey."""
