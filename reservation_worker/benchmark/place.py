"""Where a measurement is: servers, names of topics, and the settings of its processes."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from confluent_kafka.admin import AdminClient

from reservation_worker.adapters.kafka.configuration import connection_options
from reservation_worker.composition import (
    build_topic_admin,
    input_topics,
    kafka_config,
    topic_layout,
)
from reservation_worker.settings.loading import load_settings
from reservation_worker.settings.model import ENVIRONMENT_PREFIX, NESTING, Settings

DELETE_SECONDS = 30
SHOPS = "shop"
"""What the names of the accounts begin with, on servers that are the benchmark's own."""


@dataclass(frozen=True, slots=True)
class Place:
    """Servers, and the topics and the group on them that a measurement uses."""

    directory: Path
    """Logs, and what processes hand each other."""
    bootstrap_servers: str
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), kw_only=True)
    """Settings of its processes, by their environment variables, beside those of the servers."""
    process_ids: Mapping[str, int] = field(
        default_factory=lambda: MappingProxyType({}), kw_only=True
    )
    """Of the servers, by what they are; empty where they are not the benchmark's own."""
    config_file: Path | None = field(default=None, kw_only=True)
    shops: str = field(default=SHOPS, kw_only=True)
    """What the names of the accounts begin with."""

    @property
    def environment(self) -> dict[str, str]:
        """The settings of every process of the measurement."""
        return {**os.environ, **self.own_variables()}

    def own_variables(self) -> dict[str, str]:
        """Return what differs from the environment of this process."""
        return {
            f"{ENVIRONMENT_PREFIX}KAFKA{NESTING}BOOTSTRAP_SERVERS": self.bootstrap_servers,
            f"{ENVIRONMENT_PREFIX}HTTP{NESTING}PORT": "0",
            **self.variables,
        }

    def settings(self) -> Settings:
        """Return what the processes of the measurement read as their settings.

        Raises:
            SettingsInvalid: they cannot be used.
        """
        return load_settings(self.config_file, nested(self.own_variables()))

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of the product."""
        return [sys.executable, "-m", "reservation_worker", *arguments]

    def run_command(self, *arguments: str) -> list[str]:
        """Return the command line of a worker."""
        return self.command("run", *arguments, *self.config_options())

    def config_options(self) -> tuple[str, ...]:
        """Return the options by which every process reads the same file of settings."""
        return () if self.config_file is None else ("--config", str(self.config_file))

    def topic(self, default_name: str) -> str:
        """Return the name in use of a topic."""
        return str(getattr(self.settings().topics, default_name.replace("-", "_")))

    def input_topics(self) -> dict[str, str]:
        """Return the names in use of the topics that are read, by their default names."""
        settings = self.settings()
        defaults = input_topics(Settings.model_construct())
        return dict(zip(defaults, input_topics(settings), strict=True))

    def create_topics(self) -> None:
        """Create the topics that are missing.

        Raises:
            BrokerUnavailable: Kafka does not answer, or refused one.
        """
        settings = self.settings()
        admin = build_topic_admin(settings)
        plan = admin.plan(topic_layout(settings))
        missing = [
            replace(topic, config={**topic.config, **self.topic_options()}) for topic in plan.create
        ]
        admin.apply(replace(plan, create=tuple(missing)))

    def topic_options(self) -> dict[str, str]:
        """Return what topics of the measurement have besides: on given servers, nothing."""
        return {}

    def delete_topics(self, is_wanted: Callable[[str], bool]) -> None:
        """Delete the topics whose names are wanted: the broker has no work with them any more."""
        admin = AdminClient(connection_options(kafka_config(self.settings()), "benchmark"))
        names = [
            name for name in admin.list_topics(timeout=DELETE_SECONDS).topics if is_wanted(name)
        ]
        if names:
            answers = admin.delete_topics(names, operation_timeout=DELETE_SECONDS)
            for answer in answers.values():
                answer.result(DELETE_SECONDS)


def nested(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return settings as `load_settings` takes them, from their environment variables."""
    sections: dict[str, Any] = {}
    for variable, text in variables.items():
        *path, name = variable.removeprefix(ENVIRONMENT_PREFIX).lower().split(NESTING.lower())
        section = sections
        for one in path:
            section = section.setdefault(one, {})
        section[name] = text
    return sections
