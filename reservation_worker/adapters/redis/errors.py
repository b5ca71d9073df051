"""Tells an outage of Redis from a defect, and says so without any argument of the command.

redis-py puts commands, and Lua puts values, into the texts of errors; so only the code of an error
and the line of the script are kept.
"""

import re
import socket
import ssl
from collections.abc import Mapping
from typing import Final

from redis import exceptions
from redis.sentinel import MasterNotFoundError

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
REASON_OF_CODE: Final[Mapping[str, LostReason]] = {
    "BUSY": LostReason.BUSY,
    "CLUSTERDOWN": LostReason.BUSY,
    "LOADING": LostReason.BUSY,
    "MASTERDOWN": LostReason.BUSY,
    "MISCONF": LostReason.BUSY,  # its disk takes no writes
    "NOAUTH": LostReason.AUTHENTICATION,
    "NOPERM": LostReason.NO_RIGHT,
    "NOREPLICAS": LostReason.BUSY,
    "OOM": LostReason.OUT_OF_MEMORY,
    "READONLY": LostReason.READ_ONLY,
    "UNKILLABLE": LostReason.BUSY,
    "WRONGPASS": LostReason.AUTHENTICATION,
}
"""What a server refuses for now: somebody mends it, and then it goes on by itself."""
FOREIGN_CODE: Final = "FOREIGN"
"""Our own: a look at a shard of another deployment."""
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
_NO_RIGHT_IN_SCRIPT = re.compile(r"ACL failure in script|user executing the script can't run")
_CODE = re.compile(r"(?P<code>[A-Z]{2,})\b")
_SCRIPT_LINE = re.compile(r"user_script:(?P<line>\d+)")


def is_broken_connection(error: ClientError) -> bool:
    """Tell whether the same call may simply be made again: nobody knows whether it was run."""
    return isinstance(
        error, exceptions.ConnectionError | exceptions.TimeoutError
    ) and not isinstance(error, exceptions.BusyLoadingError)


class ScriptFailed(FatallyBroken):
    """A script broke while it ran: a defect that concerns what it was called for, and no other."""

    def __init__(self, message: str, where: str) -> None:
        super().__init__(message)
        self.where = where


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
    if code == FOREIGN_CODE:
        return FatallyBroken(
            f"Redis refused {what}: the shard is the state of another deployment (another Kafka "
            "cluster or group). Nothing was touched: check redis.url and redis.key_prefix"
        )
    if isinstance(error, exceptions.ResponseError) and code not in REASON_OF_CODE:
        line = _SCRIPT_LINE.search(str(error))
        where = f" in line {line['line']} of the joined script" if line else ""
        message = (
            f"Redis refused {what}: {code}{where}. Waiting cannot help: check that this Redis is "
            "7.0 or newer (Valkey 7.2), and that nothing else writes to the worker's keys"
        )
        if line is not None:
            return ScriptFailed(message, f"{code}{where}")
        return FatallyBroken(message)
    reason = _reason(error, code)
    sentence = _sentence(error, code, reason)
    if reason is LostReason.AUTHENTICATION:
        asked = "redis.sentinel_password" if isinstance(error, MasterNotFoundError) else credentials
        from_where = asked or "redis.username and redis.password: none are set"
        sentence += f" ({from_where}; what a file holds is read again)"
    return StoreUnavailable(f"Redis could not run {what}: {sentence}", reason)


def _reason(error: ClientError, code: str) -> LostReason:
    """Return why, from the code of the server, or from what the system said of the connection."""
    if code in REASON_OF_CODE:
        return REASON_OF_CODE[code]
    if isinstance(error, exceptions.AuthenticationError):
        return LostReason.AUTHENTICATION
    if isinstance(error, MasterNotFoundError | exceptions.RedisClusterException):
        # The client asked several servers, and has put what each of them said into one text.
        said = str(error)
        return next(
            (reason for words, reason in _REASON_SAID_BY_SEVERAL if words in said),
            LostReason.NO_LEADER,
        )
    if isinstance(error, exceptions.InvalidResponse):
        return LostReason.NOT_TLS
    told: BaseException | None = error
    while told is not None:
        if (reason := _reason_of_system(told)) is not None:
            return reason
        told = told.__cause__ or told.__context__
    if isinstance(error, exceptions.TimeoutError):
        return LostReason.TIMED_OUT
    if isinstance(error, exceptions.ConnectionError):
        return LostReason.DISCONNECTED
    return LostReason.OTHER


def _reason_of_system(error: BaseException) -> LostReason | None:
    match error:
        case ssl.SSLCertVerificationError():
            return _REASON_OF_VERIFICATION.get(error.verify_code, LostReason.NOT_TRUSTED)
        case ssl.SSLError():
            return _reason_of_tls(error)
        case ConnectionRefusedError():
            return LostReason.REFUSED
        case socket.gaierror():
            return LostReason.UNRESOLVED
        case TimeoutError():
            # A server without TLS waits for the rest of what it takes for a command.
            is_unanswered = "handshake" in str(error)
            return LostReason.NOT_TLS if is_unanswered else LostReason.TIMED_OUT
        case _:
            return None


def _reason_of_tls(error: ssl.SSLError) -> LostReason:
    """Return why two sides that speak, or do not speak, TLS do not understand each other."""
    said = (error.reason or "").upper()
    if "EXPIRED" in said:
        return LostReason.EXPIRED
    if "CERTIFICATE" in said or "UNKNOWN_CA" in said:
        return LostReason.NOT_TRUSTED
    return LostReason.NOT_TLS if said in _NOT_TLS else LostReason.DISCONNECTED


def _sentence(error: ClientError, code: str, reason: LostReason) -> str:
    """Say what it means and what to do, without any argument of the command."""
    if reason is LostReason.NO_RIGHT:
        named = _COMMAND_REFUSED.search(str(error))
        right = f"the command {named['command'].upper()}" if named else "a command, or these keys"
        return (
            f"{code}, its user has no right to {right}. Give it the rights of deploy/redis/"
            "users.acl, with redis.key_prefix before its keys where that is set"
        )
    advice = _ADVICE.get(reason)
    return code if advice is None else f"{code}, {advice}"


_ADVICE: Final[Mapping[LostReason, str]] = {
    LostReason.REFUSED: "nobody listens at that address",
    LostReason.DISCONNECTED: "it cut the connection; one that does so at once may speak TLS: "
    "rediss:// in redis.url",
    LostReason.UNRESOLVED: "no such host is known",
    LostReason.AUTHENTICATION: "it does not take this user and password",
    LostReason.NOT_TRUSTED: "its certificate, or this client's, was issued by nobody whom the "
    "other side trusts: check redis.tls_ca_file",
    LostReason.EXPIRED: "a certificate is no longer valid, or not yet",
    LostReason.WRONG_HOST_NAME: "its certificate is for another host than redis.url names",
    LostReason.NOT_TLS: "one side speaks TLS and the other one does not: redis:// or rediss:// in "
    "redis.url, and the port",
    LostReason.READ_ONLY: "it is a replica by now: its primary is another server",
    LostReason.OUT_OF_MEMORY: "it is full: give it more memory (maxmemory)",
    LostReason.NO_LEADER: "the Sentinels name no primary, or the cluster no node",
    LostReason.NOT_AS_NEEDED: "this server is not one of a cluster: redis.topology",
}
_REASON_OF_VERIFICATION: Final[Mapping[int, LostReason]] = {
    9: LostReason.EXPIRED,  # not valid yet
    10: LostReason.EXPIRED,
    62: LostReason.WRONG_HOST_NAME,
    64: LostReason.WRONG_HOST_NAME,  # an address
}
"""OpenSSL's X509_V_ERR_ codes."""
_REASON_SAID_BY_SEVERAL: Final = (
    ("AuthenticationError", LostReason.AUTHENTICATION),
    ("certificate has expired", LostReason.EXPIRED),
    ("mismatch, certificate", LostReason.WRONG_HOST_NAME),
    ("CERTIFICATE_VERIFY_FAILED", LostReason.NOT_TRUSTED),
    ("WRONG_VERSION_NUMBER", LostReason.NOT_TLS),
    ("Connection refused", LostReason.REFUSED),
    ("not known", LostReason.UNRESOLVED),
    ("Timeout", LostReason.TIMED_OUT),
    ("timed out", LostReason.TIMED_OUT),
    ("Cluster mode is not enabled", LostReason.NOT_AS_NEEDED),
)
_NOT_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"})
_COMMAND_REFUSED: Final = re.compile(r"the '(?P<command>[a-z|_-]+)' command")


def _code(error: ClientError) -> str:
    """Return the code of an error, such as ``OOM``; what is behind it may contain arguments."""
    known = _CODE_OF_TYPE.get(type(error))
    if known is not None:
        return known
    if isinstance(error, exceptions.ResponseError) and _SLOT_MOVES.search(str(error)):
        return "SLOT_MOVES"
    if isinstance(error, exceptions.ResponseError) and _NO_RIGHT_IN_SCRIPT.search(str(error)):
        return "NOPERM"
    found = _CODE.match(str(error)) if isinstance(error, exceptions.ResponseError) else None
    return type(error).__name__ if found is None else found["code"]
