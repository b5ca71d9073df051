"""Taking over shards, and rebuilding those whose state in Redis cannot be trusted."""

from reservation_worker.recovery.rebuild import RebuildConfig
from reservation_worker.recovery.take_over import Recovery, RecoveryParts, TakeOver

__all__ = ["RebuildConfig", "Recovery", "RecoveryParts", "TakeOver"]
