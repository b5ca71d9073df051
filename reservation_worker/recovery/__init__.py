"""Taking over shards, and rebuilding those whose state in Redis cannot be trusted."""

from reservation_worker.recovery.rebuild import RebuildConfig
from reservation_worker.recovery.take_over import (
    LACKS_SOMETHING,
    Recovery,
    RecoveryParts,
    TakeOver,
)

__all__ = [
    "LACKS_SOMETHING",
    "RebuildConfig",
    "Recovery",
    "RecoveryParts",
    "TakeOver",
]
