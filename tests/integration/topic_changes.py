"""What operators do to topics behind a worker's back."""

from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewPartitions, NewTopic

from tests.integration.topics import KEPT, Message
from tests.reader import QUIET, TIMEOUT_SECONDS
from tests.waiting import wait_until


class Operator:
    """Somebody with an admin client."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers, **QUIET})

    def set_up(self, name: str, config: Mapping[str, str]) -> None:
        """Change how a topic is set up; return once the brokers say so themselves.

        The controller answers first: asked at once, 2 of 200 changes were not told yet.
        """
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            for key, value in config.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        for answer in self._admin.incremental_alter_configs([resource]).values():
            answer.result(TIMEOUT_SECONDS)

        def told() -> bool:
            asked = ConfigResource(ResourceType.TOPIC, name)
            settings = self._admin.describe_configs([asked])[asked].result(TIMEOUT_SECONDS)
            return all(settings[key].value == value for key, value in config.items())

        wait_until(told, timeout_ms=20_000, what=f"{name} is set up as {config}")

    def add_partitions(self, names: Sequence[str], partitions_total: int) -> None:
        """Let topics have so many partitions."""
        wanted = [NewPartitions(name, partitions_total) for name in names]
        for answer in self._admin.create_partitions(wanted).values():
            answer.result(TIMEOUT_SECONDS)

    def create_anew(self, name: str, partitions: int, messages: Sequence[Message]) -> None:
        """Delete a topic, create it anew, and fill it: by a producer that knows no older one."""
        self._admin.delete_topics([name])[name].result(TIMEOUT_SECONDS)

        def created() -> bool:
            try:
                self._admin.create_topics([NewTopic(name, partitions, config=KEPT)])[name].result()
            except KafkaException:  # It is being deleted still.
                return False
            return True

        wait_until(created, timeout_ms=20_000, what=f"{name} is created anew")
        producer = Producer({"bootstrap.servers": self._bootstrap_servers, **QUIET})
        for message in messages:
            producer.produce(name, message.value, message.key, partition=0)
        assert producer.flush(TIMEOUT_SECONDS) == 0
