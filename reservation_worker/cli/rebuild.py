"""``rebuild``: have shards dropped from Redis and restored from the topics."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from reservation_worker.cli.options import AsJson, ConfigFile, DryRun, Reason, Yes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reservation_worker.adapters.redis.restoring import RedisRestoring
    from reservation_worker.adapters.redis.store import RedisStore
    from reservation_worker.ports import ShardState
    from reservation_worker.settings.model import Settings

POLL_SECONDS = 0.2
DEMANDS_MAX = 50
DEFAULT_REASON = "rebuild was called"

Shards = Annotated[
    list[int] | None, typer.Option("--shard", min=0, help="A shard; again for more of them.")
]
All = Annotated[bool, typer.Option("--all", help="All shards.")]
Adopt = Annotated[
    bool,
    typer.Option(
        "--adopt",
        help="Take over what another deployment (another group, or Kafka cluster) has left, in "
        "Redis and in the topics. Stop that one first.",
    ),
]
Timeout = Annotated[int, typer.Option("--timeout-seconds", min=1, help="How long to wait.")]


def rebuild(
    shards: Shards = None,
    every: All = False,
    adopt: Adopt = False,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
    reason: Reason = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    timeout_seconds: Timeout = 3_600,
) -> None:
    """Have the workers drop shards from Redis and restore them from the topics.

    The shards' owners do it, while everything else goes on; nothing that was read is lost.
    """
    from reservation_worker.cli.failures import UsageFailed
    from reservation_worker.cli.options import ask, read_settings
    from reservation_worker.cli.output import tell, write_json, write_table

    settings = read_settings(config_file)
    if not every and not shards:
        raise UsageFailed("Name the shards, --shard NUMBER for each, or say --all.")
    wanted = shards_wanted(None if every else shards, settings)
    if dry_run:
        tell(f"Would rebuild {len(wanted)} shards: {', '.join(map(str, wanted))}.")
        return
    if adopt:
        tell(
            "Whatever another deployment left there is this one's from now on. Its workers must be "
            "stopped; this one's may be started while this waits for them."
        )
    ask(f"Rebuild {len(wanted)} shards?", yes=yes)
    rebuilt = rebuild_shards(settings, wanted, reason or "", timeout_seconds, adopt=adopt)
    if as_json:
        write_json({"rebuilt": sorted(rebuilt.steps), "not_rebuilt": list(rebuilt.problems)})
    else:
        write_table(("shard", "step"), rebuilt.steps.items())
    rebuilt.check()
    tell("Next: reservation-worker reservation show ORDER --account ACCOUNT")


def shards_wanted(shards: list[int] | None, settings: "Settings") -> list[int]:
    """Return the shards that were named, or all.

    Raises:
        UsageFailed: there is no such shard.
    """
    from reservation_worker.cli.failures import UsageFailed

    shards_total = settings.topics.shards_total
    wanted = sorted(set(shards or range(shards_total)))
    if wanted[-1] >= shards_total:
        raise UsageFailed(f"There are {shards_total} shards: 0 to {shards_total - 1}.")
    return wanted


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of shards that were to be rebuilt."""

    steps: dict[int, int]
    """Of the shards that are rebuilt: where each goes on."""
    problems: dict[int, str]
    """Of the others: why not."""

    def check(self) -> None:
        """See that all of them are.

        Raises:
            CheckFailed: some are not.
        """
        from reservation_worker.cli.failures import CheckFailed

        if self.problems:
            raise CheckFailed("Not all shards are rebuilt:", tuple(self.problems.values()))


def rebuild_shards(
    settings: "Settings",
    shards: "Sequence[int]",
    reason: str,
    timeout_seconds: int,
    *,
    adopt: bool = False,
) -> Rebuilt:
    """Have the owners rebuild shards, and wait for it."""
    from reservation_worker.cli.dependencies import reaching_kafka, reaching_redis
    from reservation_worker.cli.run import refuse_foreign
    from reservation_worker.composition import build_restoring, build_store, read_deployment

    with reaching_kafka(settings):
        deployment = read_deployment(settings)
    with reaching_redis(settings):
        store = build_store(settings, deployment)
        restoring = build_restoring(settings, deployment, producer="")
        states = {shard: store.inspect(shard) for shard in shards}
        if not adopt:
            refuse_foreign(tuple(states.values()))
        demanded = _demand(store, restoring, states, reason or DEFAULT_REASON, adopts=adopt)
        left = _wait(store, demanded, timeout_seconds)
        steps = {shard: store.inspect(shard).step for shard in demanded if shard not in left}
    problems = {
        shard: f"Shard {shard} has no owner yet: start a worker, it begins there."
        for shard in shards
        if shard not in demanded
    }
    problems |= {shard: f"Shard {shard} is not rebuilt yet: is a worker running?" for shard in left}
    return Rebuilt(steps, problems)


def _demand(
    store: "RedisStore",
    restoring: "RedisRestoring",
    states: "Mapping[int, ShardState]",
    reason: str,
    *,
    adopts: bool,
) -> dict[int, int]:
    """Demand rebuilds; return the epochs of the shards whose owners will hear of it.

    An owner that takes a shard over at this very moment has made another epoch of it: asked again.
    """
    import time

    waiting, demanded = dict(states), dict[int, int]()
    for _ in range(DEMANDS_MAX):
        for shard, state in waiting.items():
            if restoring.demand(shard, state, reason, adopts=adopts):
                demanded[shard] = state.epoch
        waiting = {
            shard: state
            for shard in waiting.keys() - demanded.keys()
            if (state := store.inspect(shard)).epoch
        }
        if not waiting:
            break
        time.sleep(POLL_SECONDS)
    return demanded


def _wait(store: "RedisStore", epochs: dict[int, int], timeout_seconds: int) -> list[int]:
    """Wait until the owners have rebuilt the shards; returns those that are not."""
    import time

    from reservation_worker.cli.output import teller

    tell, begun = teller(), time.monotonic()
    left = list(epochs)
    while left and time.monotonic() - begun < timeout_seconds:
        time.sleep(POLL_SECONDS)
        states = {shard: store.inspect(shard) for shard in left}
        left = [
            shard
            for shard, state in states.items()
            if state.torn or state.epoch <= epochs[shard] or state.server != state.verified_server
        ]
        if left:
            begun_shards = sum(states[shard].epoch > epochs[shard] for shard in left)
            tell(
                f"{len(epochs) - len(left)} of {len(epochs)} shards are rebuilt; "
                f"{begun_shards} are being rebuilt, or are next."
            )
    return left
