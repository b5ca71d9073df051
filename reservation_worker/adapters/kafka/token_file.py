"""A token of a file, which somebody else keeps good: read again for each new one."""

import base64
import binascii
import json
from collections.abc import Callable
from typing import Final

Token = tuple[str, float]
"""What is shown to the brokers, and until when, in seconds since the epoch."""

TOKEN_READ_AGAIN_MS: Final = 60_000
"""A token is asked for anew before so much has passed, however long it says to be good: so a file
that was rewritten before its time is noticed.
"""


def token_callback(read: Callable[[], str], now_ms: Callable[[], int]) -> Callable[[str], Token]:
    """Return what the library asks for a token; it asks again at four fifths of its time.

    What it raises the library reports as a failed authentication, and asks again after 10 s.
    """

    def token(_configuration: str) -> Token:
        text = read()
        latest = (now_ms() + TOKEN_READ_AGAIN_MS) / 1000
        said = _expires_at(text)
        return text, latest if said is None else min(said, latest)

    return token


def _expires_at(token: str) -> float | None:
    """Return until when a token says to be good; None: it does not say, or is no JSON Web Token."""
    _header, _, rest = token.partition(".")
    payload = rest.partition(".")[0]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None
