"""Input records to steps, and when their offsets may be committed."""

from reservation_worker.apply.configuration import ApplyConfig
from reservation_worker.apply.counts_first import CountsFirst, Interruption
from reservation_worker.apply.loop import ApplyLoop
from reservation_worker.apply.parts import ApplyParts, ApplyStatus

__all__ = ["ApplyConfig", "ApplyLoop", "ApplyParts", "ApplyStatus", "CountsFirst", "Interruption"]
