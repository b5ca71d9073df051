"""What every contender is told by its environment, and the names that follow from it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

from reservation_worker.contracts.decode import Decoder, DecoderConfig
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.records import EVENT_TOPICS, OutputTopic

SHARDS_TOTAL = 16
"""Partitions of each output topic; all events of an account are in one of them."""
INPUT_PARTITIONS = 4
"""Divides `SHARDS_TOTAL`, so that all accounts of a shard come by the same input partition."""
GROUP_ID = "peers"
PREFIX = "PEER_"


@dataclass(frozen=True, slots=True)
class Given:
    """Where the servers are, and what may differ from one attempt to the next."""

    bootstrap_servers: str
    redis_url: str
    topic_prefix: str
    """In front of the default name of every topic, and of the consumer group."""
    session_timeout_ms: int
    state_directory: str
    """For contenders that keep state on their own disk."""

    @classmethod
    def from_environment(cls) -> Self:
        """Read what `environment` has written."""
        return cls(
            bootstrap_servers=os.environ[f"{PREFIX}BOOTSTRAP_SERVERS"],
            redis_url=os.environ[f"{PREFIX}REDIS_URL"],
            topic_prefix=os.environ[f"{PREFIX}TOPIC_PREFIX"],
            session_timeout_ms=int(os.environ[f"{PREFIX}SESSION_TIMEOUT_MS"]),
            state_directory=os.environ[f"{PREFIX}STATE_DIRECTORY"],
        )

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables of the peers, and the same as settings of the worker."""
        peers = {PREFIX + one.name.upper(): str(getattr(self, one.name)) for one in fields(self)}
        topics = {
            f"RESERVATION_TOPICS__{setting}": self.topic(name)
            for setting, name in (
                *((kind.value.upper().replace("-", "_"), kind.value) for kind in FactKind),
                *((topic.value.upper().replace("-", "_"), topic.value) for topic in EVENT_TOPICS),
                ("DEAD_LETTER", OutputTopic.DEAD_LETTER.value),
                ("SHARDS", "reservation-shards"),
            )
        }
        return {
            **peers,
            **topics,
            "RESERVATION_TOPICS__INPUT_PARTITIONS": str(INPUT_PARTITIONS),
            "RESERVATION_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "RESERVATION_KAFKA__GROUP_ID": self.group_id,
            "RESERVATION_KAFKA__SESSION_TIMEOUT_MS": str(self.session_timeout_ms),
            "RESERVATION_REDIS__URL": self.redis_url,
            "RESERVATION_HTTP__PORT": "0",
        }

    @property
    def group_id(self) -> str:
        """The group that reads the input topics."""
        return f"{self.topic_prefix}{GROUP_ID}"

    @property
    def input_topics(self) -> Mapping[str, FactKind]:
        """What is in each input topic, by the topic's name."""
        return {self.topic(kind.value): kind for kind in FactKind}

    @property
    def event_topics(self) -> Mapping[str, OutputTopic]:
        """What is in each output topic, by the topic's name."""
        return {self.topic(topic.value): topic for topic in EVENT_TOPICS}

    def topic(self, name: str) -> str:
        """Return a topic's name in this attempt."""
        return self.topic_prefix + name

    def decoder(self) -> Decoder:
        """Return what reads this attempt's input records."""
        return Decoder(DecoderConfig(topics=self.input_topics))
