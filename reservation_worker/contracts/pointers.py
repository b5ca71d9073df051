"""JSON pointers (RFC 6901) to fields whose names are somebody else's."""

from typing import Final

POINTER_BYTES_MAX: Final = 512
"""A pointer becomes a header of a dead letter, which must fit whatever a sender's names are."""


def pointer_to(*parts: str | int) -> str:
    """Return the pointer to a place; of one that is too long, to what surrounds the place."""
    pointer = ""
    for part in parts:
        step = str(part).replace("~", "~0").replace("/", "~1")
        if len(pointer.encode()) + len(step.encode()) + 1 > POINTER_BYTES_MAX:
            break
        pointer = f"{pointer}/{step}"
    return pointer
