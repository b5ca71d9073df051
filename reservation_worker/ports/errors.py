"""The exceptions that the ports raise, drawn as a tree.

Unavailable                  an outage: wait, try again; nothing is lost
  StoreUnavailable             Redis cannot be reached, is full, read-only, busy or failing over
    ShardMoves                   one shard is on its way to another server; the others answer
  BrokerUnavailable            Kafka cannot be reached, or refuses for now
    PartitionUnreachable         one partition cannot be read; the others can
OwnershipLost                this process no longer owns what it acted for: drop it, begin again
CommitFateUnknown            a transaction may or may not have been committed: take over anew
FatallyBroken                a client or a shard that can only be given up
"""

from reservation_worker.telemetry.labels import LostReason


class Unavailable(Exception):
    """An outage of something this worker depends on: it delays and loses nothing."""

    def __init__(self, message: str, reason: LostReason = LostReason.OTHER) -> None:
        """Say what happened to what, for people; the reason is for logs, probes and metrics."""
        super().__init__(message)
        self.reason = reason


class StoreUnavailable(Unavailable):
    """Redis cannot be reached, or refuses to work for now (full, read-only, busy, failing over).

    The message is scrubbed: it holds no argument of the refused command.
    """


class ShardMoves(StoreUnavailable):
    """One shard's keys are on their way from one server of the cluster to another one.

    Each side has some of them until the move is over. The other shards are not concerned.
    """


class BrokerUnavailable(Unavailable):
    """Kafka cannot be reached, or refuses to work for now."""


class PartitionUnreachable(BrokerUnavailable):
    """One partition cannot be read: it has no leader, or a transaction is still open in it.

    The others are not concerned.
    """


class OwnershipLost(Exception):
    """Another member of the group has taken over what this process acted for."""


class CommitFateUnknown(Exception):
    """A transaction may or may not have been committed."""


class FatallyBroken(Exception):
    """Neither waiting nor trying again can help; the message says what to do."""
