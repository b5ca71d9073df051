"""Kafka, Redis and HTTP, each behind its port; and the doubles that keep their contracts."""
