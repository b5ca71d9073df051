"""Whether reservations are kept longer than any record that could state their facts again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

CLEANUP: Final = "cleanup.policy"
RETENTION: Final = "retention.ms"
SEGMENT: Final = "segment.ms"
UNLIMITED: Final = -1


@dataclass(frozen=True, slots=True)
class ReservationRetention:
    """How long reservations are kept after they have changed last."""

    over_ms: int
    awaiting_ms: int


def retention_problems(
    retention: ReservationRetention, configs: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, str]]:
    """Say what would let a fact count twice: its record is there, its reservation is not.

    Yields the topic, and a sentence.

    A record may be read again as long as its topic has it: the brokers delete whole segments, and
    one may be written to for ``segment.ms`` before ``retention.ms`` begins to count.

    Args:
        retention: what is configured here.
        configs: of the topics read and of the dead letters, by name, as the brokers tell them.
    """
    kept = {name: _kept_ms(config) for name, config in configs.items()}
    for name, kept_ms in kept.items():
        if kept_ms is None:
            yield name, _kept_for_ever(name, configs[name])
    limited = {name: kept_ms for name, kept_ms in kept.items() if kept_ms is not None}
    if not limited:
        return
    longest = max(limited, key=lambda name: limited[name])
    config, kept_ms = configs[longest], limited[longest]
    for setting, own_ms in (
        ("over_seconds", retention.over_ms),
        ("awaiting_seconds", retention.awaiting_ms),
    ):
        if own_ms <= kept_ms:
            sentence = (
                f"retention.{setting} is {own_ms // 1000}, but the topic {longest} keeps records "
                f"for up to {kept_ms // 1000} seconds ({RETENTION} {config[RETENTION]} and "
                f"{SEGMENT} {config[SEGMENT]}): a fact could be read again after its reservation "
                f"was removed, and would count twice. Set retention.{setting} to more than "
                f"{kept_ms // 1000}, or lower the two of the topic."
            )
            yield longest, sentence


def _kept_for_ever(name: str, config: Mapping[str, str]) -> str:
    return (
        f"The topic {name} keeps records for ever ({CLEANUP} {config.get(CLEANUP)}, {RETENTION} "
        f"{config.get(RETENTION)}): each could be read again after its reservation was removed, "
        f"and would count twice. Give the topic a {RETENTION}, or set retention.enabled to false: "
        "then nothing is removed, and Redis grows."
    )


def _kept_ms(config: Mapping[str, str]) -> int | None:
    """Return how long a topic may keep a record; None: for ever."""
    retention_ms = int(config[RETENTION])
    if retention_ms == UNLIMITED or "delete" not in config[CLEANUP]:
        return None
    return retention_ms + int(config[SEGMENT])
