"""Commands sent one behind the other on one connection, whose replies are taken later."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from redis import ConnectionPool
from redis.connection import Connection
from redis.exceptions import ResponseError

from reservation_worker.adapters.redis.errors import CLIENT_ERRORS, ClientError

Command = tuple[bytes | str | int, ...]
Reply: TypeAlias = Any
"""What it is, the header of the script says."""


class Pipeline:
    """While Redis works on what was sent, the caller does something else.

    The connection belongs to the pipeline until the replies are taken, once.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        """Send nothing yet."""
        self._pool = pool
        self._commands_total = 0
        self._connection: Connection | None = None
        self._broken: ClientError | None = None

    def send(self, commands: Sequence[Command]) -> None:
        """Send commands behind the earlier ones; that they could not be shows in their replies."""
        self._commands_total += len(commands)
        if self._broken is not None:
            return
        try:
            if self._connection is None:
                self._connection = self._pool.get_connection()
            packed = self._connection.pack_commands(commands)  # type: ignore[no-untyped-call]  # shipped so
            self._connection.send_packed_command(packed)  # type: ignore[no-untyped-call]  # shipped so
        except CLIENT_ERRORS as error:
            self._broken = error

    def replies(self) -> list[Reply | ClientError]:
        """Wait for one reply to each command; the reply to a refused one is its error.

        Where the connection broke, that error is the reply to all that were not answered.
        """
        replies: list[Reply | ClientError] = []
        while len(replies) < self._commands_total and self._broken is None:
            assert self._connection is not None, "replies are taken once"
            try:
                replies.append(self._connection.read_response())
            except ResponseError as error:
                replies.append(error)
            except CLIENT_ERRORS as error:
                self._broken = error
        if self._connection is not None:
            self._pool.release(self._connection)
            self._connection = None
        return replies + [self._broken] * (self._commands_total - len(replies))
