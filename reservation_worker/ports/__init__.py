"""What the loops need of Redis, Kafka and the clock, and the exceptions these raise."""

from reservation_worker.ports.clock import (
    Clock,
)
from reservation_worker.ports.errors import (
    BrokerUnavailable,
    CommitFateUnknown,
    FatallyBroken,
    OwnershipLost,
    StoreUnavailable,
    Unavailable,
)
from reservation_worker.ports.kafka import (
    InputLog,
    Membership,
    OwnedShards,
    Partition,
    PaymentOffsets,
    Polled,
    Position,
    ShardGroup,
    Transactions,
)
from reservation_worker.ports.restoring import (
    Outputs,
    ReadBack,
    Restoring,
)
from reservation_worker.ports.store import (
    DueWork,
    Look,
    OutboxEntry,
    RetentionAt,
    ShardEpoch,
    ShardState,
    ShardStep,
    StepCall,
    StepRefusal,
    StepRefused,
    StepReply,
    StepsUnderWay,
    Store,
)
from reservation_worker.ports.waypoints import (
    Waypoint,
)

__all__ = [
    "BrokerUnavailable",
    "Clock",
    "CommitFateUnknown",
    "DueWork",
    "FatallyBroken",
    "InputLog",
    "Look",
    "Membership",
    "OutboxEntry",
    "Outputs",
    "OwnedShards",
    "OwnershipLost",
    "Partition",
    "PaymentOffsets",
    "Polled",
    "Position",
    "ReadBack",
    "Restoring",
    "RetentionAt",
    "ShardEpoch",
    "ShardGroup",
    "ShardState",
    "ShardStep",
    "StepCall",
    "StepRefusal",
    "StepRefused",
    "StepReply",
    "StepsUnderWay",
    "Store",
    "StoreUnavailable",
    "Transactions",
    "Unavailable",
    "Waypoint",
]
