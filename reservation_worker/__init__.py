"""Reserves stock for completed orders: facts in from Kafka, atomic steps in Redis, changes out."""
