"""What the client library says by itself: log lines of this package, and reasons of errors.

An error that a call returns is often no more than "timed out" or "transport failure"; why (a wrong
password, a certificate of another host, nobody listening) is only told in lines of the library's
own log. So each client's last trouble is remembered, and completes the next error.
"""

import logging
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka import Message as ReadMessage
from confluent_kafka.admin import AdminClient

from reservation_worker.adapters.kafka.certificates import why_not_trusted
from reservation_worker.adapters.kafka.errors import reason_in, reason_of, sentence_of
from reservation_worker.adapters.kafka.hiding import hiding
from reservation_worker.ports import BrokerUnavailable
from reservation_worker.telemetry.labels import LostReason
from reservation_worker.telemetry.log_events import CLIENT_WARNED

TROUBLE_LASTS_SECONDS: Final = 30
"""So long does the last trouble explain errors; in an outage the library says it again sooner."""
HEARD_MAX: Final = 10
SYSLOG_INFO: Final = 6
"""Lost connections are told at this level."""
_VAGUE: Final = frozenset({LostReason.OTHER, LostReason.TIMED_OUT, LostReason.DISCONNECTED})
"""Reasons of an error that the library's last trouble may know better."""
_CUT_AT_ONCE: Final = re.compile(
    r"\(after \d+ms in state APIVERSION|\(after \d{1,3}ms in state UP\)"
)
_WANTS_ANOTHER_PROTOCOL: Final = (
    "cut as soon as it was made; does it want TLS or SASL? kafka.security_protocol says what this "
    "client speaks"
)


@dataclass(frozen=True, slots=True)
class _Trouble:
    reason: LostReason
    text: str
    at_seconds: float


class ClientVoice:
    """What one client says by itself; its options belong into the client's configuration."""

    def __init__(self, options: Mapping[str, object], secrets: Collection[str]) -> None:
        """Take the options that the client is built from, and what of them is never repeated."""
        self._hide = hiding(secrets)
        self._client = str(options["client.id"])
        self._ca_file = str(options.get("ssl.ca.location", "")) or None
        self._logger = structlog.get_logger()
        self._trouble: _Trouble | None = None

    @property
    def options(self) -> dict[str, Any]:
        """What makes the client speak to this voice, and to nobody else."""
        return {"error_cb": self._take_error, "logger": self, "log_level": SYSLOG_INFO}

    def log(self, level: int, _form: str, facility: str, _name: str, text: str) -> None:
        """Take a line of the library's log, as its binding calls loggers; must not raise."""
        reason, text = reason_in(text), self._hide(text)
        if facility == "FAIL":
            self._remember(reason, text)
        if level >= logging.WARNING:
            self._warn(reason, facility, text)

    def warn_of(
        self, role: str, error: KafkaError, topic: str | None, partition: int | None = None
    ) -> None:
        """Log an error that the client lives with."""
        self._logger.warning(
            CLIENT_WARNED,
            client=role,
            code=error.name(),
            reason=reason_of(error).value,
            topic=topic,
            partition=partition,
            detail=self._said(error),
        )

    def explained(
        self, error: KafkaError, doing: str, served: Producer | AdminClient | Consumer | None = None
    ) -> BrokerUnavailable:
        """Return the outage that an error of this client means.

        Args:
            error: as the client returned it.
            doing: what was tried, on which topic: the beginning of a sentence.
            served: the client, if polling it does nothing but hear of its troubles.
        """
        if served is not None and not error.fatal():
            self._hear(served)
        reason, text = reason_of(error), self._said(error)
        trouble = self._trouble
        if (
            trouble is not None
            and reason in _VAGUE
            and time.monotonic() - trouble.at_seconds < TROUBLE_LASTS_SECONDS
        ):
            reason, text = self._looked_at_closely(trouble)
        return BrokerUnavailable(f"{doing}: {text}", reason)

    def _hear(self, served: Producer | AdminClient | Consumer) -> None:
        """Have the client say what it has to say; a consumer hands some of it out like a record."""
        for _ in range(HEARD_MAX):
            message = served.poll(0)
            if not isinstance(message, ReadMessage):
                return
            error = message.error()
            if error is not None:
                self._remember(reason_of(error), self._said(error))

    def _said(self, error: KafkaError) -> str:
        return self._hide(sentence_of(error))

    def _looked_at_closely(self, trouble: _Trouble) -> tuple[LostReason, str]:
        """The library does not say what is wrong with a certificate: look at it."""
        if trouble.reason is LostReason.NOT_TRUSTED:
            closer = why_not_trusted(trouble.text, self._ca_file)
            if closer is not None:
                return closer
        if trouble.reason is LostReason.DISCONNECTED and _CUT_AT_ONCE.search(trouble.text):
            return trouble.reason, f"{trouble.text}: {_WANTS_ANOTHER_PROTOCOL}"
        return trouble.reason, trouble.text

    def _take_error(self, error: KafkaError) -> None:
        # Runs inside the client's calls, and must not raise.
        reason, text = reason_of(error), self._hide(error.str())
        self._remember(reason, text)
        self._warn(reason, error.name(), text, fatal=error.fatal())

    def _remember(self, reason: LostReason, text: str) -> None:
        known = LostReason.OTHER if self._trouble is None else self._trouble.reason
        if reason in _VAGUE and (known not in _VAGUE or reason is LostReason.OTHER is not known):
            # "All brokers are down" says less than why each of them is.
            return
        self._trouble = _Trouble(reason, text, time.monotonic())

    def _warn(self, reason: LostReason, code: str, text: str, *, fatal: bool = False) -> None:
        self._logger.warning(
            CLIENT_WARNED,
            client=self._client,
            reason=reason.value,
            code=code if reason is LostReason.OTHER else reason.value,
            fatal=fatal,
            detail=text,
        )
