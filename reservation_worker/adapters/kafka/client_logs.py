"""What the client library says by itself, as log lines of this package."""

from typing import Any

import structlog
from confluent_kafka import KafkaError

from reservation_worker.telemetry.log_events import CLIENT_WARNED


def forward_client_logs(client: str) -> dict[str, Any]:
    """Return the options that turn a client's errors into log lines; nothing goes to stderr.

    The callback runs inside the client's calls and must not raise.
    """
    logger = structlog.get_logger()

    def take(error: KafkaError) -> None:
        logger.warning(CLIENT_WARNED, client=client, code=error.name(), fatal=error.fatal())

    return {"error_cb": take, "log_level": 2}
