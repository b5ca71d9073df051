"""Capturing who a consumer is in its group."""

from typing import Final

from confluent_kafka import Consumer, KafkaException

from reservation_worker.ports import Clock, Membership

REFRESH_INTERVAL_MS: Final = 100
"""A membership this old is asked for anew: an epoch may pass without a rebalance of this member."""


class MembershipCapture:
    """The membership of a consumer, as it was at a moment that is never later than now.

    Each question is answered by a thread of the client, which takes longer than a poll: so what was
    answered is used for a while. To be called before the poll that serves rebalances, and used only
    if that poll served none: then it is not newer than the partitions held. An older one is refused
    by the brokers if it is outdated, and can do no harm.
    """

    def __init__(self, consumer: Consumer, clock: Clock) -> None:
        self._consumer = consumer
        self._now_ms = clock.monotonic_ms
        self._membership: Membership | None = None
        self._ask_at_ms = 0

    def current(self) -> Membership | None:
        """Return the membership; None while there is none."""
        if self._membership is None or self._now_ms() >= self._ask_at_ms:
            self._membership = self._ask()
            self._ask_at_ms = self._now_ms() + REFRESH_INTERVAL_MS
        return self._membership

    def forget(self) -> None:
        """Ask anew at the next call: partitions have come or gone."""
        self._membership = None

    def _ask(self) -> Membership | None:
        """An empty member id is no member at all: brokers would check it against nothing."""
        try:
            member_id = self._consumer.memberid()
            token = self._consumer.consumer_group_metadata()
            if not member_id or self._consumer.memberid() != member_id:
                return None
        except KafkaException:
            return None
        return Membership(member_id, token)
