"""Peer: Quix Streams, exactly once, its state in RocksDB, keyed by account.

Does: one dataframe over the five topics (``concat``), which have as many partitions and the
account as their key; a stateful function that decides one fact by the project's reference model
(``domain.ledger``) on the account's orders and stocks; transactions of one second with outputs,
offsets and changelog in them.

Does not: use ``to_topic`` for the outputs, because it cannot name a partition and the contract does
(one shard, one partition): it hands them to the application's own producer, an attribute that is
not public, inside the same transaction. The state of an account grows with its orders: nothing is
removed, and no deadline is scheduled.
"""
