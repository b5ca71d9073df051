"""The client library's own texts without the secrets that it was given.

It repeats what a token endpoint or a broker answers, which may repeat what it was sent; and of a
value with a character that may not be in it, the whole value.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import quote

HIDDEN: Final = "***"
SECRET_CHARACTERS_MIN: Final = 4
"""Shorter ones stay: they would blot out every text, and are guessed anyway."""
_PROOF: Final = re.compile(r"\beyJ[\w-]+\.\S+|(?<=\bBasic )[\w+/]+=*")
"""A token, of which the library alone knows all; user and password as HTTP has them."""


def hiding(secrets: Iterable[str]) -> Callable[[str], str]:
    """Return what replaces these secrets in a text, and proofs, whoever they belong to."""
    forms = {form for secret in secrets for form in _forms(secret)}
    looked_for = sorted((one for one in forms if len(one) >= SECRET_CHARACTERS_MIN), key=len)

    def without_secrets(text: str) -> str:
        # The longest first: a shorter one may be a part of it.
        for form in reversed(looked_for):
            text = text.replace(form, HIDDEN)
        return _PROOF.sub(HIDDEN, text)

    return without_secrets


def _forms(secret: str) -> Iterable[str]:
    """Name what a secret may look like: also its values, if it is a list of `name=value`."""
    values = [one.partition("=")[2] for one in re.split(r"[\s,]+", secret)]
    for text in (secret, *values):
        yield text
        yield quote(text, safe="")
        yield json.dumps(text)[1:-1]
