"""What log lines say happened, in snake_case past tense; keyword fields say where.

A line carries no payload, and no id of an order, a customer or a stock: shards, topics,
partitions, offsets and counts say where to look.
"""

from typing import Final

# The life of the process
WORKER_STARTED: Final = "worker_started"
HEARTBEAT: Final = "heartbeat"
DRAIN_BEGAN: Final = "drain_began"
DRAIN_TIMED_OUT: Final = "drain_timed_out"
WORKER_STOPPED: Final = "worker_stopped"
LOOP_FAILED: Final = "loop_failed"
GROUP_NOT_JOINED: Final = "group_not_joined"
"""A client has lost its group and does not come back to it: the process ends."""
CALL_STUCK: Final = "call_stuck"
"""A call of a client does not come back, whatever its own time-out: the process ends."""
HTTP_SERVER_STARTED: Final = "http_server_started"
CLIENT_WARNED: Final = "client_warned"
"""The Kafka client library logged something itself."""

# Dependencies
DEPENDENCY_LOST: Final = "dependency_lost"
DEPENDENCY_RECOVERED: Final = "dependency_recovered"
CREDENTIALS_OUTDATED: Final = "credentials_outdated"
"""What Kafka's clients read when they were made has changed, and is refused: the process ends."""

# Groups and input
PARTITIONS_ASSIGNED: Final = "partitions_assigned"
PARTITIONS_REVOKED: Final = "partitions_revoked"
PARTITIONS_LOST: Final = "partitions_lost"
PARTITIONS_PAUSED: Final = "partitions_paused"
PARTITIONS_RESUMED: Final = "partitions_resumed"
RECORDS_DEAD_LETTERED: Final = "records_dead_lettered"
STEP_REFUSED: Final = "step_refused"
FACT_UNDECIDABLE: Final = "fact_undecidable"
"""The step's script breaks on this fact alone: a defect of the worker, which stops nobody."""
OFFSETS_SOUGHT_BACK: Final = "offsets_sought_back"
COMMIT_FAILED: Final = "commit_failed"
COUNTS_FIRST_WAITED: Final = "counts_first_waited"
"""Nothing but counts is applied, until those that were there are: so many are left."""
COUNTS_FIRST_ENDED: Final = "counts_first_ended"
TOPIC_CREATED_ANEW: Final = "topic_created_anew"
"""The held or committed positions belong to a topic of that name that is gone."""

# Topics
TOPIC_PROBLEM_FOUND: Final = "topic_problem_found"
"""A topic is not as the guarantees need it, or a right on it is missing; the reason says it all."""
TOPIC_PROBLEM_ENDED: Final = "topic_problem_ended"

# Shards and output
SHARD_TAKEN_OVER: Final = "shard_taken_over"
SHARD_RELEASED: Final = "shard_released"
SHARD_HELD: Final = "shard_held"
"""A shard stopped, because going on would mean deciding on a wrong state."""
SHARD_FOREIGN: Final = "shard_foreign"
"""Redis has another deployment's state there: nobody here touches it."""
SHARD_UNVERIFIED: Final = "shard_unverified"
"""Facts wait for a shard that no owner has verified on the Redis that this worker looks at."""
SHARD_VERIFIED_AT_LAST: Final = "shard_verified_at_last"
SHARD_REBUILD_BEGAN: Final = "shard_rebuild_began"
"""What Redis has of a shard cannot be trusted: it is dropped, and restored from the topics."""
SHARD_REBUILD_PROGRESSED: Final = "shard_rebuild_progressed"
SHARD_REBUILD_GIVEN_UP: Final = "shard_rebuild_given_up"
"""Somebody else has the shard, or Redis is another server again: it is taken over anew."""
SHARD_REBUILT: Final = "shard_rebuilt"
SERVER_CHANGED: Final = "server_changed"
EVENT_OVERSIZED: Final = "event_oversized"
"""What time stated is larger than events may be now; it is published all the same."""
TRANSACTION_ABORTED: Final = "transaction_aborted"
TRANSACTION_FATE_LOST: Final = "transaction_fate_lost"
"""Nobody can tell whether a transaction was committed: its shards are taken over anew."""
PRODUCER_RECREATED: Final = "producer_recreated"
PRODUCER_FENCED: Final = "producer_fenced"
FORMER_OWNER_FENCED: Final = "former_owner_fenced"
"""Its open transaction stood in the way of its successor, and is ended."""
OWNERSHIP_LOST: Final = "ownership_lost"

# Time
DEADLINES_APPLIED: Final = "deadlines_applied"
RESERVATIONS_REMOVED: Final = "reservations_removed"
"""Kept long enough: they leave Redis, and are tombstones in their topic."""
FRONTIER_STALLED: Final = "frontier_stalled"
FRONTIER_RECOVERED: Final = "frontier_recovered"

TROUBLES: Final = frozenset({CLIENT_WARNED, COMMIT_FAILED, PRODUCER_RECREATED, TRANSACTION_ABORTED})
"""What repeats itself in an outage: the same line no more than once in ten seconds."""
