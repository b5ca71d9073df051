"""The command ``verify``, run beside a stage's workers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tests.cli.command import CommandLine, Ended
from tests.integration.stage import Stage

TIMEOUT_SECONDS = 240
"""Every shard takes some requests of every server, one behind the other."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What the command has said."""

    ended: Ended
    checked: dict[str, int]
    differences: list[dict[str, Any]]
    differences_total: int
    unverified: dict[str, str]

    @property
    def shards(self) -> set[int]:
        """The shards that differ."""
        return {one["shard"] for one in self.differences}


def verify(
    stage: Stage, *arguments: str, settings: Mapping[str, str] = MappingProxyType({})
) -> Verified:
    """Run the command to its end, by the settings of the stage and these."""
    command = CommandLine({**stage.variables, **settings}, TIMEOUT_SECONDS)
    ended = command("verify", "--json", *arguments)
    assert ended.stdout, ended.stderr
    said = json.loads(ended.stdout.splitlines()[-1])
    return Verified(
        ended,
        said["checked"],
        said["differences"],
        said["differences_total"],
        said["unverified"],
    )


def assert_agrees(verified: Verified) -> None:
    """Fail with what differs."""
    assert [] == verified.differences
    assert {} == verified.unverified
    assert 0 == verified.ended.code, verified.ended.stderr
