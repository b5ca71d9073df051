"""Peer: Kafka Streams (Java), ``exactly_once_v2``, its state in RocksDB, keyed by account.

Does: one topology over the five topics, which have as many partitions and the account as their key;
a processor with a store of orders, a store of stocks and a store of step numbers, and the rules in
Java: orders, payments, whole and partial invoices, cancellations of units, counts and what they
settle, early facts, repeats, conflicts; two threads, a commit each 100 ms (the default of the
guarantee), the caches that the high-level language would switch on.

Does not: read CloudEvents, validate more than it needs, schedule deadlines, or remove anything.
"""
