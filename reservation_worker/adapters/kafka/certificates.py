"""What is wrong with a broker's certificate: the client library says no more than that it is."""

import re
import socket
import ssl
from typing import Final

from reservation_worker.telemetry.labels import LostReason

LOOK_SECONDS: Final = 2
_ADDRESS: Final = re.compile(r"(?:sasl_)?ssl://([^\s/]+):(\d{1,5})/")
# Of OpenSSL's x509_vfy.h.
_NOT_YET_VALID, _EXPIRED, _HOST_NAME, _ADDRESS_MISMATCH = 9, 10, 62, 64


def why_not_trusted(text: str, ca_file: str | None) -> tuple[LostReason, str] | None:
    """Shake hands once with the broker that a line of the library names, and say what is wrong.

    None: the line names none, or it cannot be told.
    """
    found = _ADDRESS.search(text)
    if found is None:
        return None
    host, port = found.group(1).strip("[]"), int(found.group(2))
    try:
        context = ssl.create_default_context(cafile=ca_file)
        with (
            socket.create_connection((host, port), LOOK_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=host),
        ):
            return None
    except ssl.SSLCertVerificationError as error:
        match error.verify_code:
            case x if x in {_NOT_YET_VALID, _EXPIRED}:
                reason = LostReason.EXPIRED
            case x if x in {_HOST_NAME, _ADDRESS_MISMATCH}:
                reason = LostReason.WRONG_HOST_NAME
            case _:
                reason = LostReason.NOT_TRUSTED
        return reason, f"the certificate of {host}:{port} is refused: {error.verify_message}"
    except (OSError, ValueError):
        return None
