"""Kafka behind the ports: consumers, the transactional producer, topics."""
