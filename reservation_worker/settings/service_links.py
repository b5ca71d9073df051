"""Variables that Kubernetes sets for each service of a namespace, whatever runs in it.

A service called `reservation-worker` puts `RESERVATION_WORKER_PORT=tcp://…` and others like it into
the environment of every pod beside it; nobody means them as settings.
"""

import re
from typing import Final

_ADDRESS: Final = re.compile(r"(?:tcp|udp|sctp)://.+")
_IS_AN_ADDRESS: Final = re.compile(r"_PORT(?:_\d+_(?:TCP|UDP|SCTP))?$")
_IS_A_PART: Final = re.compile(
    r"_SERVICE_HOST$|_SERVICE_PORT(?:_[A-Z0-9_]+)?$|_PORT_\d+_(?:TCP|UDP|SCTP)_(?:PROTO|PORT|ADDR)$"
)


def is_service_link(name: str, value: str) -> bool:
    """Tell whether a variable is one of them.

    By its name; where somebody might call a setting so, as in `RESERVATION_HTTP_PORT=80`, by its
    value as well.
    """
    if _IS_A_PART.search(name) is not None:
        return True
    return _IS_AN_ADDRESS.search(name) is not None and _ADDRESS.fullmatch(value) is not None
