"""Steps that were sent and not answered yet."""

from collections import deque
from collections.abc import Sequence

from reservation_worker.apply.batches import WaitingFact
from reservation_worker.domain.values import value_class
from reservation_worker.ports import StepCall, StepsUnderWay

GROUPS_MAX = 2
"""One that Redis works on, and one behind it: with more, each would only be smaller."""


@value_class(frozen=True, slots=True)
class SentStep:
    """A step that was sent, and where its facts came from."""

    call: StepCall
    waiting: tuple[WaitingFact, ...]


class GroupsUnderWay:
    """Up to two groups of steps, of different shards.

    Redis works on the one while the replies to the other are taken, and the next steps of its
    shards are made.
    """

    def __init__(self) -> None:
        """Begin with nothing under way."""
        self._groups: deque[tuple[Sequence[SentStep], StepsUnderWay]] = deque()

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self._groups)

    def next_group(self, ready: Sequence[int]) -> Sequence[int]:
        """Return those of the shards that have something to do whose steps may be sent now."""
        if len(self._groups) == GROUPS_MAX:
            return ()
        busy = {step.call.shard for sent, _steps in self._groups for step in sent}
        idle = [shard for shard in ready if shard not in busy]
        # Where nothing is under way, the others are the second group.
        return idle if busy else idle[: -(-len(idle) // GROUPS_MAX)]

    def add(self, sent: Sequence[SentStep], steps: StepsUnderWay) -> None:
        """Append a group that was sent."""
        self._groups.append((sent, steps))

    def take_oldest(self) -> tuple[Sequence[SentStep], StepsUnderWay]:
        """Take out the group whose replies come next."""
        return self._groups.popleft()
