"""Real Apache Kafka (KRaft) in a directory of its own, on the loopback."""

import base64
import subprocess
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from reservation_worker.embedded import (
    EmbeddedError,
    Progress,
    ServerDidNotStart,
    ignore_progress,
)
from reservation_worker.embedded.java_program import find_java
from reservation_worker.embedded.kafka_jars import KAFKA_VERSION, kafka_jars
from reservation_worker.embedded.kafka_properties import (
    BrokerAddress,
    Listener,
    broker_properties,
    properties_text,
)
from reservation_worker.embedded.port_claims import LOOPBACK, claim_port
from reservation_worker.embedded.server_process import ServerProcess

BROKERS_MAX = 5
METADATA_TIMEOUT_MS = 250


_QUICKLY_COMPILED = "-XX:TieredStopAtLevel=1"
"""These brokers live for seconds or minutes, and compiling everything as well as can be takes more
of their time in these than it saves."""
SMALL_JAVA = (_QUICKLY_COMPILED, "-Xmx512m", "-XX:+UseSerialGC")
"""Starts quickly and takes little memory; pauses of 20 to 30 ms to collect garbage."""
ROOMY_JAVA = (
    *(_QUICKLY_COMPILED, "-Xms1g", "-Xmx1g", "-Xmn700m"),
    *("-XX:+UseParallelGC", "-XX:+AlwaysPreTouch"),
)
"""Collects a tenth as often: for measurements on few cores."""


@dataclass(frozen=True, slots=True)
class KafkaConfig:
    """What may differ between uses; the defaults suit tests on a small machine."""

    java_options: Sequence[str] = SMALL_JAVA
    start_timeout_ms: int = 60_000
    stop_timeout_ms: int = 20_000
    settings: Mapping[str, str] = field(default_factory=dict)
    """Broker settings that override those of `kafka_properties`."""
    further_listeners: Sequence[Listener] = ()
    """Beside the plain one; of a single broker only, for each has ports of its own."""


class KafkaBroker:
    """One broker, which is a controller as well."""

    def __init__(
        self, address: BrokerAddress, directory: Path, command: Sequence[str], config: KafkaConfig
    ) -> None:
        self.number = address.number
        self.bootstrap_servers = f"{LOOPBACK}:{address.port}"
        self._config = config
        self._process = ServerProcess(
            f"Apache Kafka {KAFKA_VERSION}, broker {address.number}",
            command,
            directory / "server.log",
        )

    @property
    def running(self) -> bool:
        """Whether the broker was started and has not ended."""
        return self._process.running

    @property
    def process_id(self) -> int:
        """The broker's process id."""
        return self._process.process_id

    @property
    def log_path(self) -> Path:
        """What the broker wrote."""
        return self._process.log_path

    def launch(self) -> None:
        """Start the broker and return at once."""
        self._process.launch()

    def wait_until_ready(self) -> None:
        """Wait until the broker serves clients.

        Raises:
            ServerDidNotStart: it ended, or took too long.
        """
        self._process.wait_until(
            serves_clients(self.bootstrap_servers, self.number), self._config.start_timeout_ms
        )

    def start(self) -> None:
        """Start the broker, on the same port and data as before, and wait until it serves.

        Raises:
            ServerDidNotStart: it ended, or took too long.
        """
        self.launch()
        self.wait_until_ready()

    def stop(self) -> None:
        """Let the broker hand over its partitions and end."""
        self._process.stop(self._config.stop_timeout_ms)

    def kill(self) -> None:
        """End the broker at once (SIGKILL)."""
        self._process.kill()

    def restart(self) -> None:
        """Stop the broker and start it again."""
        self.stop()
        self.start()

    def suspend(self) -> None:
        """Freeze the broker (SIGSTOP)."""
        self._process.suspend()

    def resume(self) -> None:
        """Let a frozen broker go on (SIGCONT)."""
        self._process.resume()


class EmbeddedKafka:
    """A cluster of Kafka brokers that lives as long as the `with` block.

    A directory that an earlier cluster of the same number of brokers used is taken up again with
    its data, on new ports. The first start of a user fetches the jars; `progress` is told so.
    """

    def __init__(
        self,
        directory: Path,
        *,
        brokers: int = 1,
        progress: Progress = ignore_progress,
        config: KafkaConfig | None = None,
    ) -> None:
        assert 1 <= brokers <= BROKERS_MAX, f"1 to {BROKERS_MAX} brokers, not {brokers}"
        assert config is None or not config.further_listeners or brokers == 1
        self.directory = directory
        self.brokers: tuple[KafkaBroker, ...] = ()
        self._brokers_total = brokers
        self._progress = progress
        self._config = KafkaConfig() if config is None else config
        self._claims = ExitStack()

    @property
    def bootstrap_servers(self) -> str:
        """All brokers, as clients want them."""
        assert self.brokers, "the cluster was not started"
        return ",".join(broker.bootstrap_servers for broker in self.brokers)

    def __enter__(self) -> Self:
        """Start the cluster.

        Raises:
            EmbeddedError: the jars or Java cannot be had, the directory has a cluster of another
                size, or a broker did not start.
        """
        self.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Stop the cluster."""
        self.stop()

    def start(self) -> None:
        """Start all brokers and wait until each serves clients.

        Raises:
            EmbeddedError: the jars or Java cannot be had, the directory has a cluster of another
                size, or a broker did not start.
        """
        assert not self.brokers, "the cluster was started already"
        self._check_directory()
        java = self._java_command()
        addresses = tuple(self._claim_address(one + 1) for one in range(self._brokers_total))
        directories = {one: self.directory / f"broker-{one.number}" for one in addresses}
        for one, place in directories.items():
            (place / "data").mkdir(parents=True, exist_ok=True)
            properties = broker_properties(
                one, addresses, place / "data", self._config.further_listeners
            )
            text = properties_text({**properties, **self._config.settings})
            (place / "server.properties").write_text(text, "utf-8")
        try:
            _format(java, tuple(directories.values()), self._config.start_timeout_ms)
            self.brokers = tuple(
                KafkaBroker(one, place, _server_command(java, place), self._config)
                for one, place in directories.items()
            )
            for broker in self.brokers:
                broker.launch()
            for broker in self.brokers:
                broker.wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Stop all brokers; their data stays."""
        # A broker waits for the others while it hands over, so the last ones cannot do it alone:
        # in a test nobody needs the handing over of a cluster that ends as a whole.
        if len(self.brokers) == 1:
            self.brokers[0].stop()
        self.kill()

    def kill(self) -> None:
        """End all brokers at once (SIGKILL); their data stays."""
        for broker in self.brokers:
            broker.kill()
        self.brokers = ()
        self._claims.close()

    def _check_directory(self) -> None:
        earlier = len(list(self.directory.glob("broker-*/data/meta.properties")))
        if earlier not in {0, self._brokers_total}:
            raise EmbeddedError(
                f"{self.directory} has the data of {earlier} brokers, not {self._brokers_total}: "
                "start as many, or use another directory."
            )

    def _java_command(self) -> tuple[str, ...]:
        class_path = ":".join(str(jar) for jar in kafka_jars(self._progress))
        return (
            str(find_java()),
            *self._config.java_options,
            "-XX:-UsePerfData",
            "--enable-native-access=ALL-UNNAMED",
            "-Djava.awt.headless=true",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
            "-cp",
            class_path,
        )

    def _claim_address(self, number: int) -> BrokerAddress:
        claims = (claim_port(), claim_port())
        for claim in claims:
            self._claims.callback(claim.release)
        return BrokerAddress(number, claims[0].port, claims[1].port)


def _server_command(java: Sequence[str], place: Path) -> tuple[str, ...]:
    program, *options = java
    # Native libraries are unpacked here, so that a killed broker leaves nothing elsewhere.
    temporary = f"-Djava.io.tmpdir={place}"
    return (program, temporary, *options, "kafka.Kafka", str(place / "server.properties"))


def _format(java: Sequence[str], places: Sequence[Path], timeout_ms: int) -> None:
    """Prepare the data directories that are still empty; all at the same time."""
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    empty = [place for place in places if not (place / "data" / "meta.properties").exists()]
    program, *options = java
    formatting = [
        subprocess.Popen(
            (
                *(program, "-XX:TieredStopAtLevel=1", *options, "kafka.tools.StorageTool"),
                # One word: an id that begins with a dash would be taken for an option.
                *("format", f"--cluster-id={cluster_id}"),
                *("--config", str(place / "server.properties")),
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for place in empty
    ]
    try:
        for process in formatting:
            output, _ = process.communicate(timeout=timeout_ms / 1000)
            if process.returncode != 0:
                raise ServerDidNotStart(f"Apache Kafka could not format its directory:\n{output}")
    finally:
        for process in formatting:
            process.kill()
            process.communicate()


def serves_clients(bootstrap_servers: str, number: int) -> Callable[[], bool]:
    """Ask a broker, as any client would, whether it counts itself among the living."""
    client = AdminClient(
        {
            "bootstrap.servers": bootstrap_servers,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 100,
            # That it refuses connections while it starts is no news.
            "log_level": 0,
        }
    )

    def answered() -> bool:
        try:
            return number in client.list_topics(timeout=METADATA_TIMEOUT_MS / 1000).brokers
        except KafkaException:
            return False

    return answered
