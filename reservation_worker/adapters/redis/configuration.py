"""The bounds of a step, and how often a call is tried."""

from dataclasses import dataclass
from typing import Final

from reservation_worker.contracts.written import EVENT_SOURCE
from reservation_worker.domain.ledger import SETTLED_ENTRIES_MAX

NOBODY: Final = "nobody"
"""Who owns the shards of a store that belongs to no deployment: of tests, and for display only."""


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """Whose state it is, and the bounds of a step: none means infinity."""

    deployment: str = NOBODY
    """The Kafka cluster's id and the group id: whose shards they are."""
    key_prefix: str = ""
    """Before the names of all keys; part of no other name."""
    event_source: str = EVENT_SOURCE
    """What the published events name as their source."""
    producer: str = ""
    """What the owner's publishing producer is called; empty: nobody publishes what this writes."""
    persistence_required: bool = True
    """A server without an append-only file is refused."""
    server_look_interval_ms: int = 1_000
    """Time between two looks at what the guarantees need of the servers."""
    facts_per_step_max: int = 500
    """More make the server pause longer and go no faster."""
    lines_per_step_max: int = 5_000
    """Order lines that the facts of a step concern; bounds the pause where orders are large."""
    event_bytes_max: int = 900_000
    """What would be published of one change must fit a Kafka record (1 MiB by default)."""
    step_bytes_max: int = 4_000_000
    """Bytes of one outbox entry, one event more at most."""
    outbox_steps_max: int = 10_000
    """Steps that may wait to be published before a shard refuses further ones."""
    outbox_read_bytes_max: int = 2_000_000
    """Bytes of all outboxes that are read at once, one entry of each at least.

    About what one transaction carries: what is read beyond that is read again.
    """
    settled_entries_max: int = SETTLED_ENTRIES_MAX
    attempts_max: int = 3
    """Tries of one call while the connection breaks; other refusals are not tried again here.

    Giving a server the script that it lacks is none of them.
    """

    def __post_init__(self) -> None:
        """Check the relations between the bounds."""
        assert self.facts_per_step_max >= 1, "a step takes at least one fact"
        assert self.settled_entries_max >= 1, "a settlement must come to an end"
        assert self.attempts_max >= 1, "a call is tried at least once"
        assert self.event_bytes_max <= self.step_bytes_max, "a step holds its largest event"
