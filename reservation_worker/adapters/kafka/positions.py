"""A shard's position as the text that is kept with a committed offset."""

import re
from typing import Final

from reservation_worker.ports import FatallyBroken, Position

_TEXT: Final = re.compile(
    r"v1;minted=(\d{1,15});served=(\d{1,15});step=(\d{1,15});shards=(\d{1,6})", re.ASCII
)


def position_text(position: Position) -> str:
    """Write a position: ``v1;minted=…;served=…;step=…;shards=…``."""
    return (
        f"v1;minted={position.minted};served={position.served};step={position.step};"
        f"shards={position.shards_total}"
    )


def parse_position(text: str) -> Position:
    """Read a position.

    Raises:
        FatallyBroken: it is written in a form that this release does not know.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise FatallyBroken(
            "The position of a shard is written in a form that this release does not know: a "
            "newer release must have written it. Run that one."
        )
    minted, served, step, shards_total = (int(digits) for digits in match.groups())
    return Position(minted, served, step, shards_total)
