"""Doubles of the store and of Kafka, for tests of the loops: they keep the ports' contracts."""
