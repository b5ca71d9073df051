"""The limits of the apply loop."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApplyConfig:
    """How much the apply loop holds at once, and how often it looks."""

    shards_total: int
    records_per_poll_max: int = 2_000
    idle_poll_timeout_ms: int = 100
    """How long a poll may wait while nothing is uncommitted."""
    busy_poll_timeout_ms: int = 5
    """How long a poll may wait while facts or commits are outstanding."""
    linger_ms: int = 4
    """How long a poll that brings something waits for more while nothing else is to be done: a
    step and a transaction cost much the same for one fact as for ten.
    """
    facts_per_step_max: int = 300
    """The longest script run grows with it: 200 to 500 is the best trade with throughput."""
    lines_per_step_max: int = 3_000
    uncommitted_records_max: int = 50_000
    """Reading pauses at this many records whose offsets are not committed."""
    uncommitted_bytes_max: int = 64 * 1024 * 1024
    """Reading pauses at this many bytes of records that are not applied yet."""
    dead_letters_per_commit_max: int = 500
    """A commit stops before the batch that would bring more; a single batch may."""
    commit_interval_ms: int = 500
    """Time between two commits of offsets: it delays only the payment frontier."""
    unverified_after_ms: int = 5_000
    """A shard that refuses its steps for so long, because no owner has verified it, is said: an
    owner that starts takes it over sooner.
    """
    retry_interval_ms: int = 100
    """Wait after a refused step or an outage before the next attempt."""
