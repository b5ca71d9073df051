"""Verifies online that the books agree: lines with stocks, Redis with the topics, all indexes."""

from reservation_worker.verification.differences import Check, Difference, Findings
from reservation_worker.verification.events import Packing
from reservation_worker.verification.parts import (
    ReadingParts,
    Unpacking,
    VerificationConfig,
    VerificationParts,
)
from reservation_worker.verification.shard import ShardVerdict, verify_shard

__all__ = [
    "Check",
    "Difference",
    "Findings",
    "Packing",
    "ReadingParts",
    "ShardVerdict",
    "Unpacking",
    "VerificationConfig",
    "VerificationParts",
    "verify_shard",
]
