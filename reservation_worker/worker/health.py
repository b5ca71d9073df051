"""What probes are told about a process."""

from dataclasses import dataclass

from reservation_worker.apply import ApplyStatus
from reservation_worker.worker.owner import OwnerStatus


@dataclass(frozen=True, slots=True)
class Health:
    """A snapshot: nothing is asked of Kafka or Redis to take it."""

    live: bool
    ready: bool
    problems: tuple[str, ...]
    """Why the process is not ready, or not live; for people."""
    owned_shards: int
    held_shards: tuple[int, ...]


def judge(
    apply: ApplyStatus | None,
    owner: OwnerStatus | None,
    *,
    draining: bool,
    now_ms: int,
    loop_stalled_after_ms: int,
) -> Health:
    """Say how a process is doing, given its loops; a role it does not have is None."""
    stalled = [
        f"The {name} loop has not turned for {now_ms - status.turned_at_ms} ms."
        for name, status in (("apply", apply), ("publish", owner))
        if status is not None and now_ms - status.turned_at_ms > loop_stalled_after_ms
    ]
    unready = ["The worker is draining."] if draining else []
    if apply is not None:
        if not apply.holds_partitions:
            unready.append("No input partition is assigned yet.")
        if not apply.store_answers:
            unready.append("Redis does not answer the apply loop.")
        unready += apply.problems
    if owner is not None:
        if not owner.in_group:
            unready.append("The group of shards is not joined yet.")
        if not owner.store_answers:
            unready.append("Redis does not answer the publish loop.")
        if not owner.broker_answers:
            unready.append("Kafka does not answer the publish loop.")
        unready += owner.problems
        unready += [f"Shard {shard}: {why}" for shard, why in sorted(owner.held_shards.items())]
    return Health(
        live=not stalled,
        ready=not stalled and not unready,
        problems=(*stalled, *unready),
        owned_shards=0 if owner is None else owner.owned_shards,
        held_shards=() if owner is None else tuple(sorted(owner.held_shards)),
    )
