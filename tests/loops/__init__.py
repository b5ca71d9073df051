"""The loops, on doubles of Kafka and of the store."""
