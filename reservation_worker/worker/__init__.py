"""Runs the loops of one process: both roles by default, or one."""

from reservation_worker.worker.configuration import OwnerConfig, Role, WorkerConfig
from reservation_worker.worker.health import Health
from reservation_worker.worker.owner import OwnerLoop, OwnerParts
from reservation_worker.worker.process import Worker, WorkerParts
from reservation_worker.worker.question import RegularQuestion
from reservation_worker.worker.signals import StopSignals
from reservation_worker.worker.wake_up import WakeUp

__all__ = [
    "Health",
    "OwnerConfig",
    "OwnerLoop",
    "OwnerParts",
    "RegularQuestion",
    "Role",
    "StopSignals",
    "WakeUp",
    "Worker",
    "WorkerConfig",
    "WorkerParts",
]
