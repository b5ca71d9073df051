"""What probes are told about a process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reservation_worker.apply import ApplyStatus
from reservation_worker.deadlines import PaymentFrontier
from reservation_worker.worker.owner import OwnerStatus


@dataclass(frozen=True, slots=True)
class Health:
    """A snapshot: nothing is asked of Kafka or Redis to take it."""

    live: bool
    ready: bool
    problems: tuple[str, ...]
    """Why the process is not ready, or not live; for people."""
    remarks: tuple[str, ...]
    """What does not keep it from being ready, and should be known."""
    owned_shards: int
    held_shards: tuple[int, ...]


def judge(
    apply: ApplyStatus | None,
    owner: OwnerStatus | None,
    *,
    frontier: PaymentFrontier | None,
    lost: Sequence[str],
    draining: bool,
    now_ms: int,
    loop_stalled_after_ms: int,
) -> Health:
    """Say how a process is doing, given its loops; a role it does not have is None.

    Args:
        apply: what the apply loop says of itself.
        owner: what the loop of the shards' owner says.
        frontier: what says how far payments are known; None without an owner.
        lost: sentences about Kafka and Redis.
        draining: whether the process is about to end.
        now_ms: monotonic, like the loops' own times.
        loop_stalled_after_ms: from when on a loop that does not turn is taken for dead.
    """
    stalled = [
        f"The {name} loop has not turned for {now_ms - status.turned_at_ms} ms."
        for name, status in (("apply", apply), ("publish", owner))
        if status is not None and now_ms - status.turned_at_ms > loop_stalled_after_ms
    ]
    unready = [*(["The worker is draining."] if draining else []), *lost]
    if apply is not None:
        if not apply.in_group:
            unready.append("The group of inputs is not joined yet, or shares them out anew.")
        unready += apply.problems
    if owner is not None:
        unready += _of_owner(owner)
    return Health(
        live=not stalled,
        ready=not stalled and not unready,
        problems=(*stalled, *unready),
        remarks=tuple(_remarks(apply, owner, frontier)),
        owned_shards=0 if owner is None else owner.owned_shards,
        held_shards=() if owner is None else tuple(sorted(owner.held_shards)),
    )


def _of_owner(owner: OwnerStatus) -> Iterator[str]:
    if not owner.in_group:
        yield "The group of shards is not joined yet, or shares them out anew."
    yield from owner.problems
    waiting = owner.assigned_shards - owner.owned_shards - len(owner.held_shards)
    rebuilding = owner.rebuilding_shards
    if rebuilding:
        yield f"{rebuilding} shards are being restored from the topics."
    if waiting > rebuilding:
        yield f"{waiting - rebuilding} assigned shards are not taken over and verified yet."
    yield from (f"Shard {shard}: {why}" for shard, why in sorted(owner.held_shards.items()))


def _remarks(
    apply: ApplyStatus | None, owner: OwnerStatus | None, frontier: PaymentFrontier | None
) -> Iterator[str]:
    if apply is not None and apply.in_group and not apply.holds_partitions:
        yield "No input partition is assigned: other members of the group read all of them."
    if owner is not None and owner.in_group and not owner.assigned_shards:
        yield "No shard is assigned: other members of the group own all of them."
    delay = None if frontier is None else frontier.delay()
    if delay is not None:
        yield delay
