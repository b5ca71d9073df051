"""Whose records a shard may be rebuilt from: this deployment's, and those that it once adopted."""

from collections.abc import Sequence

from reservation_worker.contracts.written import EVENT_SOURCE
from reservation_worker.ports import PublishedBy


def stranger_among(sources: Sequence[PublishedBy], own: str, published: int) -> PublishedBy | None:
    """Return who else has published there; None: nobody whose records are not ours by now.

    Two groups on the same outputs would publish everything twice. A former group's records, which
    this one has adopted, all stand before the first of its own; and one that has published nothing
    yet, whose position names no step, has adopted nothing. Releases that did not name their group
    are nobody.
    """
    own_first: dict[str, int] = {}
    for one in sources:
        if one.source == own:
            own_first[one.topic] = one.first_offset
    for one in sources:
        if one.source in {own, EVENT_SOURCE}:
            continue
        is_adopted = published > 0 and one.last_offset < own_first.get(
            one.topic, one.last_offset + 1
        )
        if not is_adopted:
            return one
    return None
