"""Real Valkey nodes that share their slots, on the loopback."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import redis

from reservation_worker.embedded import ServerDidNotStart
from reservation_worker.embedded.port_claims import LOOPBACK, claim_port
from reservation_worker.embedded.valkey import AppendFsync, EmbeddedValkey

SLOTS = 16_384
FORM_TIMEOUT_SECONDS = 60
LOOK_SECONDS = 0.1
Reply: TypeAlias = Any
"""What it is, the command says."""


class EmbeddedValkeyCluster:
    """Primaries without replicas, each with an even share of the slots, in slot order."""

    def __init__(
        self,
        directory: Path,
        *,
        primaries: int = 3,
        append_fsync: AppendFsync = "everysec",
        lines: Sequence[str] = (),
    ) -> None:
        """Start nothing yet; ``lines`` go to the configuration of each node."""
        self.nodes: tuple[EmbeddedValkey, ...] = ()
        self.bus_ports: tuple[int, ...] = ()
        """By which nodes talk to each other, in the order of the nodes."""
        self._directory = directory
        self._primaries = primaries
        self._append_fsync = append_fsync
        self._lines = tuple(lines)
        self._closing = ExitStack()

    @property
    def url(self) -> str:
        """The address of one node, which knows the others."""
        return self.nodes[0].url

    def __enter__(self) -> Self:
        """Start the nodes, and wait until they serve all slots.

        Raises:
            EmbeddedError: no Valkey is installed, or the nodes did not come together.
        """
        with self._closing:
            buses = [claim_port() for _ in range(self._primaries)]
            for bus in buses:
                self._closing.callback(bus.release)
            self.nodes = tuple(
                self._closing.enter_context(
                    EmbeddedValkey(
                        self._directory / f"node-{number}",
                        append_fsync=self._append_fsync,
                        lines=(*cluster_lines(bus.port), *self._lines),
                    )
                )
                for number, bus in enumerate(buses)
            )
            self.bus_ports = tuple(bus.port for bus in buses)
            self._form()
            self._closing = self._closing.pop_all()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Stop all nodes."""
        self._closing.close()

    def _form(self) -> None:
        clients = [redis.Redis.from_url(node.url, decode_responses=True) for node in self.nodes]
        try:
            for number, client in enumerate(clients):
                first, behind = (SLOTS * one // self._primaries for one in (number, number + 1))
                _run(client, "CLUSTER ADDSLOTSRANGE", first, behind - 1)
                if number:
                    _run(client, "CLUSTER MEET", LOOPBACK, self.nodes[0].port, self.bus_ports[0])
            give_up_at = time.monotonic() + FORM_TIMEOUT_SECONDS
            while not all(self._is_whole(client) for client in clients):
                if time.monotonic() > give_up_at:
                    raise ServerDidNotStart("The nodes of the Valkey Cluster did not come together")
                time.sleep(LOOK_SECONDS)
        finally:
            for client in clients:
                client.close()

    def _is_whole(self, client: "redis.Redis") -> bool:
        said = _run(client, "CLUSTER INFO")
        return bool(
            said["cluster_state"] == "ok" and int(said["cluster_known_nodes"]) == self._primaries
        )


def cluster_lines(bus_port: int) -> tuple[str, ...]:
    """Return what makes a Valkey a node of a cluster."""
    return ("cluster-enabled yes", f"cluster-port {bus_port}")


def _run(client: "redis.Redis", *command: str | int) -> Reply:
    return client.execute_command(*command)  # type: ignore[no-untyped-call]  # shipped so
