"""How log lines are written: JSON for machines, colours for a person at a terminal."""

import logging
import sys
import time
import traceback
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from reservation_worker.telemetry.limiting import TroubleLimiter


class ExceptionDescriber:
    """Replaces ``exc_info`` by type and frames; by the message only where that is our own.

    A foreign exception's message may quote a record, and a log must not.
    """

    def __init__(self, speaking: tuple[type[BaseException], ...]) -> None:
        """Name the exceptions whose messages this package writes itself."""
        self._speaking = speaking

    def __call__(self, _logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        """Describe the exception of one log line, if it has one."""
        error = line.pop("exc_info", None)
        if error is True:
            error = sys.exception()
        if not isinstance(error, BaseException):
            return line
        line["error"] = type(error).__qualname__
        if isinstance(error, self._speaking):
            line["error_message"] = str(error)
        line["frames"] = [
            f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
        return line


def configure_logging(
    stream: TextIO,
    *,
    for_people: bool,
    speaking: tuple[type[BaseException], ...],
    level: int = logging.INFO,
) -> None:
    """Write log lines to a stream; data for other programs never goes there."""
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=True)
        if for_people
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            TroubleLimiter(lambda: time.monotonic_ns() // 1_000_000),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            ExceptionDescriber(speaking),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
