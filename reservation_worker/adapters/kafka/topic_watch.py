"""Whether the topics are still what the guarantees need, asked every few seconds while running."""

from collections.abc import Mapping
from typing import Final

import structlog

from reservation_worker.adapters.kafka.configuration import KafkaConfig
from reservation_worker.adapters.kafka.topic_needs import (
    Finding,
    State,
    TopicLayout,
    findings,
    needed_topics,
)
from reservation_worker.adapters.kafka.topic_questions import DescribedTopic
from reservation_worker.adapters.kafka.topics import TopicAdmin
from reservation_worker.ports import BrokerUnavailable
from reservation_worker.telemetry.labels import LostReason, TopicProblem
from reservation_worker.telemetry.log_events import TOPIC_PROBLEM_ENDED, TOPIC_PROBLEM_FOUND
from reservation_worker.telemetry.metrics import Metrics

HARMLESS: Final = frozenset({TopicProblem.MORE_PARTITIONS})
"""Said once, and nothing else: the worker does all of its work."""


class TopicWatch:
    """Looks in a thread of its own; everybody else only reads what it found last.

    Until it has looked for the first time nothing may be published: it has seen nothing.
    """

    def __init__(self, config: KafkaConfig, layout: TopicLayout, metrics: Metrics) -> None:
        self._layout = layout
        self._metrics = metrics
        self._admin = TopicAdmin(config)
        self._logger = structlog.get_logger()
        self._written_ids: dict[str, str] = {}
        """Of the topics that are written, the ids that they had when they were first seen."""
        self._found: tuple[Finding, ...] | None = None
        self._unreachable: Mapping[int, str] = {}
        self._group_problem = ""

    def look(self) -> None:
        """Look once, and say what has changed.

        Raises:
            BrokerUnavailable: Kafka does not answer: what was found last still counts.
        """
        state = self._admin.look(self._layout)
        found = (*findings(self._layout, state), *self._created_anew(state))
        self._unreachable = self._leaderless(state)
        before = frozenset(self._found or ())
        self._found = found
        for one in found:
            if one not in before:
                log = self._logger.warning if one.problem in HARMLESS else self._logger.error
                log(
                    TOPIC_PROBLEM_FOUND,
                    topic=one.topic,
                    problem=one.problem.value,
                    reason=one.sentence,
                )
        for one in before - frozenset(found):
            self._logger.info(TOPIC_PROBLEM_ENDED, topic=one.topic, problem=one.problem.value)
        for problem in TopicProblem:
            total = sum(one.problem is problem for one in found)
            self._metrics.topic_problems.labels(problem=problem).set(total)

    def problems(self) -> tuple[str, ...]:
        """Return what keeps the worker from its work, a sentence each."""
        found = tuple(one.sentence for one in self._found or () if one.problem not in HARMLESS)
        return (self._group_problem, *found) if self._group_problem else found

    def tell_group_problem(self, problem: str) -> None:
        """Take why the group of the inputs cannot be joined; empty: nothing is wrong."""
        self._group_problem = problem

    def unreachable_shards(self) -> Mapping[int, str]:
        """Return the shards of which nothing can be published or read back now, and why."""
        return self._unreachable

    def refuse_unsafe(self) -> None:
        """Let nothing be published or committed while a guarantee would not hold.

        Raises:
            BrokerUnavailable: what is wrong, and what to do; it goes on when that is mended.
        """
        if self._found is None:
            raise BrokerUnavailable(
                "How the topics are set up has not been seen yet: Kafka has not answered.",
                LostReason.TIMED_OUT,
            )
        stopping = [one for one in self._found if one.stops]
        if stopping:
            raise BrokerUnavailable(" ".join(one.sentence for one in stopping), stopping[0].reason)

    def _leaderless(self, state: State) -> Mapping[int, str]:
        """Find shards that would hold up a transaction that others are in as well."""
        unreachable: dict[int, str] = {}
        for needed in needed_topics(self._layout):
            topic = state.topics[needed.name]
            if not needed.is_published or not isinstance(topic, DescribedTopic):
                continue
            for shard in sorted(topic.leaderless):
                unreachable[shard] = (
                    f"The partition {needed.name}-{shard} has no leader: no broker that has it is "
                    "there. The shard waits alone, nothing of it is lost, and it goes on by itself."
                )
        return unreachable

    def _created_anew(self, state: State) -> list[Finding]:
        """Find topics whose records are gone although Redis has what they stated."""
        written: Mapping[str, DescribedTopic] = {
            needed.name: topic
            for needed in needed_topics(self._layout)
            if needed.is_truth and isinstance(topic := state.topics[needed.name], DescribedTopic)
        }
        return [
            Finding(
                name,
                TopicProblem.CREATED_ANEW,
                f"The topic {name} was deleted and created anew while this worker runs: what was "
                "published there is gone, and a shard that had to be restored now would lose it. "
                "Nothing is published and nothing is committed; Redis has everything. Restore the "
                "topic's records from a copy, or accept that its history begins now, and restart "
                "the workers.",
            )
            for name, topic in written.items()
            if self._written_ids.setdefault(name, topic.topic_id) != topic.topic_id
        ]
