"""Steps as the production store sends them, kept instead of sent."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from redis import ConnectionPool, Redis
from redis.connection import Connection

from reservation_worker.adapters.redis.configuration import StoreConfig
from reservation_worker.adapters.redis.store import RedisStore
from reservation_worker.apply.queues import ShardQueues
from reservation_worker.benchmark.seen import Poll
from reservation_worker.composition import build_clock
from reservation_worker.domain.facts import Fact
from reservation_worker.domain.keys import shard_of
from reservation_worker.ports import StepCall, StepReply

EPOCH = 1


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step as it is sent, and how many of its facts it takes."""

    shard: int
    facts: tuple[Fact, ...]
    taken: int


Turn = tuple[PlannedStep, ...]
"""The steps that are sent together: of each shard one."""


@dataclass(frozen=True, slots=True)
class PackedTurn:
    """The steps of a turn, and what they are on the wire."""

    sent: bytes
    steps: Turn


@dataclass(frozen=True, slots=True)
class StepLimits:
    """Of the apply loop."""

    shards_total: int
    facts_per_step_max: int
    lines_per_step_max: int
    queued_facts_max: int
    """Nothing more is read while so many facts wait for their steps."""


def plan_turns(
    store: RedisStore, polls: Sequence[Poll], limits: StepLimits, shift: int
) -> list[Turn]:
    """Run all facts as the apply loop does, turn by turn, and note what each step took.

    A step ends before a balance of a stock that an earlier fact of it has touched: what it left
    is sent once more. The same facts take the same steps on every server that begins empty.
    """
    queues = ShardQueues(limits.facts_per_step_max, limits.lines_per_step_max)
    waiting = deque(polls)
    turns: list[Turn] = []
    while waiting or queues.facts_total:
        if waiting and queues.facts_total < limits.queued_facts_max:
            for one in waiting.popleft():
                queues.add(shard_of(one.fact.account, limits.shards_total), one)
        steps = [
            (shard, tuple([one.fact for one in queues.next_step(shard)]))
            for shard in queues.shards()
        ]
        calls = [StepCall(shard + shift, EPOCH, facts) for shard, facts in steps]
        turn = []
        for (shard, facts), reply in zip(steps, store.begin_steps(calls).replies(), strict=True):
            assert isinstance(reply, StepReply), reply
            queues.remove(shard, len(reply.outcomes))
            turn.append(PlannedStep(shard, facts, len(reply.outcomes)))
        turns.append(tuple(turn))
    return turns


def pack_turns(turns: Iterable[Turn], config: StoreConfig, shift: int) -> list[PackedTurn]:
    """Let the production store pack the steps of each turn, for shards so many numbers higher."""
    recorder = _Recorder()
    store = RedisStore(Redis(connection_pool=_RecordingPool(recorder)), config, build_clock())
    packed = []
    for turn in turns:
        # There is no server that could be looked at.
        store.send_steps([StepCall(step.shard + shift, EPOCH, step.facts) for step in turn])
        packed.append(PackedTurn(b"".join(recorder.sent), turn))
        recorder.sent.clear()
    return packed


class _Recorder(Connection):
    """A connection that is never made; keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # shipped so
        self.sent: list[bytes] = []

    def send_packed_command(
        self,
        command: bytes | Iterable[bytes],
        check_health: bool = True,  # noqa: ARG002, FBT001, FBT002 -- the library's signature
    ) -> None:
        self.sent.append(command if isinstance(command, bytes) else b"".join(command))


class _RecordingPool(ConnectionPool):
    """Gives out the same connection again and again."""

    def __init__(self, recorder: _Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def get_connection(self) -> Connection:  # type: ignore[override]  # nothing gives more
        return self._recorder

    def release(self, connection: object) -> None:
        """Keep it."""
