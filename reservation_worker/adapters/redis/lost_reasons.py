"""Why Redis cannot be used: told from the client's error and from what lies behind it.

Nothing of the error's own text is shown: it may hold arguments of a command.
"""

import socket
import ssl
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from redis import exceptions
from redis.sentinel import MasterNotFoundError

from reservation_worker.telemetry.labels import LostReason

Lost = tuple[LostReason, str]
_NOT_ACCEPTED: Final = (LostReason.AUTHENTICATION, "it does not accept user and password")
_LATE: Final = (LostReason.TIMED_OUT, "it did not answer in time")
# Of OpenSSL's x509_vfy.h.
_NOT_YET_VALID, _EXPIRED, _HOST_NAME, _ADDRESS_MISMATCH = 9, 10, 62, 64
_REASON_OF_VERIFICATION: Final = MappingProxyType(
    {
        _NOT_YET_VALID: (LostReason.EXPIRED, "its certificate is not valid yet"),
        _EXPIRED: (LostReason.EXPIRED, "its certificate has expired"),
        _HOST_NAME: (LostReason.WRONG_HOST_NAME, "its certificate is for another host"),
        _ADDRESS_MISMATCH: (LostReason.WRONG_HOST_NAME, "its certificate is for another host"),
    }
)
_REASON_OF_ALERT: Final = (
    # In the words of OpenSSL, which the client keeps.
    (
        "CERTIFICATE_EXPIRED",
        (LostReason.EXPIRED, "it says that this client's certificate has expired"),
    ),
    ("UNKNOWN_CA", (LostReason.AUTHENTICATION, "it does not trust this client's certificate")),
    ("CERTIFICATE_REQUIRED", (LostReason.AUTHENTICATION, "it wants a certificate of this client")),
    ("BAD_CERTIFICATE", (LostReason.AUTHENTICATION, "it refuses this client's certificate")),
    ("WRONG_VERSION_NUMBER", (LostReason.NOT_TLS, "it does not speak TLS (rediss://)")),
)
_SILENT: Final = (
    LostReason.NOT_TLS,
    "it does not answer in TLS (rediss://), as a port without TLS does not",
)
_CUT: Final = (
    LostReason.DISCONNECTED,
    "it cut the connection (from the start? a port with TLS does, and wants rediss://)",
)
_REASON_OF_TYPE: Final = (
    (exceptions.AuthenticationError, _NOT_ACCEPTED),
    (ConnectionRefusedError, (LostReason.REFUSED, "nobody listens there")),
    (socket.gaierror, (LostReason.UNRESOLVED, "no such host is known")),
    (TimeoutError, _LATE),
    (exceptions.TimeoutError, _LATE),
    (ConnectionResetError, _CUT),
    (BrokenPipeError, _CUT),
)
_REASON_OF_CODE: Final = MappingProxyType(
    {
        "BUSY": (LostReason.BUSY, "a script runs there for too long (BUSY)"),
        "LOADING": (LostReason.BUSY, "it loads its data (LOADING)"),
        "MISCONF": (LostReason.READ_ONLY, "it cannot write to its disk (MISCONF)"),
        "NOREPLICAS": (LostReason.READ_ONLY, "it misses replicas (NOREPLICAS)"),
        "OOM": (LostReason.OUT_OF_MEMORY, "it is out of memory (OOM)"),
        "READONLY": (LostReason.READ_ONLY, "it is a replica (READONLY)"),
        "UNKILLABLE": (LostReason.BUSY, "a script runs there for too long (UNKILLABLE)"),
    }
)
_TLS_ALERT: Final = "\\x15\\x03"
"""How a server that speaks TLS answers one who does not, as the client quotes it."""


def why_lost(error: Exception, code: str) -> Lost:
    """Return the reason, and the words for it: what follows "Redis could not run …: "."""
    if isinstance(error, exceptions.NoPermissionError):
        return LostReason.NO_RIGHT, "its user may not (NOPERM)"
    # The deepest one knows most: what lies above it only says that a connection failed.
    for one in reversed([*_chain(error)]):
        found = _behind(one)
        if found is not None:
            return found
    if isinstance(error, MasterNotFoundError | exceptions.RedisClusterException):
        # The client asked several servers, and has put what each of them said into one text.
        return _said_by_several(error)
    return _REASON_OF_CODE.get(code, (LostReason.OTHER, code))


def _behind(error: BaseException) -> Lost | None:
    if isinstance(error, ssl.SSLError):
        return _behind_tls(error)
    if isinstance(error, TimeoutError) and "handshake" in str(error):
        return _SILENT
    if isinstance(error, exceptions.InvalidResponse) and _TLS_ALERT in str(error):
        return LostReason.NOT_TLS, "it speaks TLS: redis.url must begin with rediss://"
    if isinstance(error, exceptions.ConnectionError) and "closed by server" in str(error):
        return _CUT
    return next((lost for kind, lost in _REASON_OF_TYPE if isinstance(error, kind)), None)


def _behind_tls(error: ssl.SSLError) -> Lost | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        unknown = (LostReason.NOT_TRUSTED, "its certificate was issued by nobody trusted")
        return _REASON_OF_VERIFICATION.get(error.verify_code, unknown)
    name = error.reason or ""
    return next((lost for part, lost in _REASON_OF_ALERT if part in name), None)


def _said_by_several(error: Exception) -> Lost:
    text = str(error)
    who = (
        "no Sentinel names a primary"
        if isinstance(error, MasterNotFoundError)
        else "no node of the cluster answers"
    )
    for words, reason, meaning in (
        ("AuthenticationError", LostReason.AUTHENTICATION, "user or password is not accepted"),
        ("certificate has expired", LostReason.EXPIRED, "a certificate has expired"),
        ("mismatch", LostReason.WRONG_HOST_NAME, "a certificate is for another host"),
        ("CERTIFICATE_VERIFY_FAILED", LostReason.NOT_TRUSTED, "a certificate is not trusted"),
        ("WRONG_VERSION_NUMBER", LostReason.NOT_TLS, "it does not speak TLS"),
        ("Connection refused", LostReason.REFUSED, "nobody listens there"),
        ("not known", LostReason.UNRESOLVED, "no such host is known"),
        ("Timeout", LostReason.TIMED_OUT, "no answer in time"),
        ("timed out", LostReason.TIMED_OUT, "no answer in time"),
        ("Cluster mode is not enabled", LostReason.NOT_AS_NEEDED, "this server is not a cluster's"),
    ):
        if words in text:
            return reason, f"{who}: {meaning}"
    return LostReason.OTHER, who


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
