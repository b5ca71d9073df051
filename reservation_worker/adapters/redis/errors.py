"""Tells an outage of Redis from a defect, and says so without any argument of the command.

redis-py puts commands, and Lua puts values, into the texts of errors; so only the code of an error
and the line of the script are kept.
"""

import re

from redis import exceptions

from reservation_worker.adapters.redis.lost_reasons import why_lost
from reservation_worker.ports import FatallyBroken, ShardMoves, StoreUnavailable
from reservation_worker.telemetry.labels import LostReason

ClientError = exceptions.RedisError | exceptions.RedisClusterException
CLIENT_ERRORS = (exceptions.RedisError, exceptions.RedisClusterException)
"""Everything that the client raises; there is no one class for it."""

MOVING_CODES = frozenset(
    {
        "ASK",  # never followed: half of the shard's keys would be missing there
        "MOVED",
        "SLOT_MOVES",  # our name: a script met a key that is on the other side already
        "TRYAGAIN",
    }
)
OUTAGE_CODES = frozenset(
    {
        "BUSY",
        "CLUSTERDOWN",
        "LOADING",
        "MASTERDOWN",
        "MISCONF",
        "NOREPLICAS",
        "OOM",
        "READONLY",
        "UNKILLABLE",
    }
)
_CODE_OF_TYPE: dict[type[Exception], str] = {
    # The client cuts these codes off the text that the server sent.
    exceptions.BusyLoadingError: "LOADING",
    exceptions.ClusterDownError: "CLUSTERDOWN",
    exceptions.MasterDownError: "MASTERDOWN",
    exceptions.MovedError: "MOVED",
    exceptions.AskError: "ASK",
    exceptions.NoPermissionError: "NOPERM",
    exceptions.NoScriptError: "NOSCRIPT",
    exceptions.OutOfMemoryError: "OOM",
    exceptions.ReadOnlyError: "READONLY",
    exceptions.TryAgainError: "TRYAGAIN",
}
_SLOT_MOVES = re.compile(r"[Aa]ttempted to .*(?:non local key|while the cluster is down)")
"""Servers give these refusals no code of their own."""
_CODE = re.compile(r"(?P<code>[A-Z]{2,})\b")
_SCRIPT_LINE = re.compile(r"user_script:(?P<line>\d+)")


def is_broken_connection(error: ClientError) -> bool:
    """Tell whether the same call may simply be made again: nobody knows whether it was run."""
    return isinstance(
        error, exceptions.ConnectionError | exceptions.TimeoutError
    ) and not isinstance(error, exceptions.BusyLoadingError)


def translated(
    error: ClientError, what: str, credentials: object = None
) -> StoreUnavailable | FatallyBroken:
    """Return the port's exception for an error of the client.

    Args:
        error: as the client raised it.
        what: the call that failed.
        credentials: says as a text where user and password come from; None: there are none.
    """
    code = _code(error)
    if code in MOVING_CODES:
        return ShardMoves(f"Redis could not run {what}: {code}")
    if isinstance(error, exceptions.ResponseError) and code not in OUTAGE_CODES:
        line = _SCRIPT_LINE.search(str(error))
        where = f" in line {line['line']} of the joined script" if line else ""
        return FatallyBroken(
            f"Redis refused {what}: {code}{where}. Waiting cannot help: check that this Redis is "
            "7.0 or newer (Valkey 7.2), that its user may run the worker's commands, and that "
            "nothing else writes to the worker's keys"
        )
    reason, words = why_lost(error, code)
    if reason is LostReason.AUTHENTICATION:
        words += f" ({credentials or 'none are set'}; what a file holds is read again)"
    return StoreUnavailable(f"Redis could not run {what}: {words}", reason)


def _code(error: ClientError) -> str:
    """Return the code of an error, such as ``OOM``; what is behind it may contain arguments."""
    known = _CODE_OF_TYPE.get(type(error))
    if known is not None:
        return known
    if isinstance(error, exceptions.ResponseError) and _SLOT_MOVES.search(str(error)):
        return "SLOT_MOVES"
    found = _CODE.match(str(error)) if isinstance(error, exceptions.ResponseError) else None
    return type(error).__name__ if found is None else found["code"]
