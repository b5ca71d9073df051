"""Named points of the loops, at which tests kill, stop and look."""

from enum import StrEnum


class Waypoint(StrEnum):
    """Named points of the loops; each calls a function that does nothing, but in tests."""

    APPLY_POLLED = "apply_polled"
    APPLY_STEPPED = "apply_stepped"
    APPLY_BEFORE_COMMIT = "apply_before_commit"
    APPLY_AFTER_COMMIT = "apply_after_commit"
    DEAD_LETTERS_PRODUCED = "dead_letters_produced"
    DEAD_LETTERS_OFFSETS_SENT = "dead_letters_offsets_sent"
    DEAD_LETTERS_COMMITTED = "dead_letters_committed"
    TAKEOVER_POSITION_READ = "takeover_position_read"
    TAKEOVER_BEFORE_MINT = "takeover_before_mint"
    TAKEOVER_MINTED = "takeover_minted"
    TAKEOVER_VERIFIED = "takeover_verified"
    TAKEOVER_CLAIMED = "takeover_claimed"
    PUBLISH_OUTBOX_READ = "publish_outbox_read"
    PUBLISH_BEFORE_COMMIT = "publish_before_commit"
    """The transaction holds records and offsets, and is open."""
    PUBLISH_AFTER_COMMIT = "publish_after_commit"
    PUBLISH_BEFORE_TRIM = "publish_before_trim"
    PUBLISH_AFTER_TRIM = "publish_after_trim"
    SCHEDULE_DUE_READ = "schedule_due_read"
    SCHEDULE_STEPPED = "schedule_stepped"
