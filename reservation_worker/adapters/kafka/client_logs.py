"""What the client library says by itself, as log lines of this package."""

from collections import Counter
from typing import Any

import structlog
from confluent_kafka import KafkaError

from reservation_worker.telemetry.log_events import CLIENT_WARNED


def forward_client_logs(client: str) -> dict[str, Any]:
    """Return the options that turn a client's errors into log lines; nothing goes to stderr.

    In an outage a client repeats itself many times a second: the same error is logged at its
    first, second, fourth, eighth… occurrence only.
    """
    logger = structlog.get_logger()
    totals: Counter[str] = Counter()

    def take(error: KafkaError) -> None:
        # Runs inside the client's calls, and must not raise.
        name = error.name()
        totals[name] += 1
        if totals[name].bit_count() == 1:
            logger.warning(
                CLIENT_WARNED, client=client, code=name, fatal=error.fatal(), times=totals[name]
            )

    return {"error_cb": take, "log_level": 2}
