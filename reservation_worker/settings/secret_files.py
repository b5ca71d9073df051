"""Secrets that files hold, read again whenever they are asked for.

SecretUnreadable         the file is not there, may not be read, or holds no text
"""

from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import SecretStr

SECRET_BYTES_MAX: Final = 65_536


class SecretUnreadable(ValueError):
    """A file does not hold a secret; the message names it."""


class SecretFile(SecretStr):
    """The secret of a file: whoever rewrites the file has changed it.

    While the file is being replaced it may be gone, or empty: what was read last is used then.
    """

    def __init__(self, path: Path) -> None:
        """Read it.

        Raises:
            SecretUnreadable: the file does not hold one.
        """
        self.path = path
        super().__init__(read_secret(path))

    def get_secret_value(self) -> str:
        """Return the secret as it is now."""
        with suppress(SecretUnreadable):
            self._secret_value = read_secret(self.path)
        return self._secret_value

    def _display(self) -> str:
        """Show where it comes from, and nothing of it."""
        return f"********** (from {self.path})"


def secret_of_path(value: object) -> object:
    """Return the secret of a file that a setting names; for pydantic, which knows the rest."""
    return SecretFile(Path(value)) if isinstance(value, str | Path) else value


def read_secret(path: Path) -> str:
    """Return what a file holds, without the line's end that editors add.

    Raises:
        SecretUnreadable: the file does not hold a secret.
    """
    try:
        with path.open("rb") as file:
            content = file.read(SECRET_BYTES_MAX + 1)
        secret = content.decode().rstrip("\r\n")
    except OSError as error:
        raise SecretUnreadable(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretUnreadable(f"{path} is not UTF-8 text") from None
    if not secret:
        raise SecretUnreadable(f"{path} is empty")
    if len(content) > SECRET_BYTES_MAX:
        raise SecretUnreadable(f"{path} is larger than {SECRET_BYTES_MAX} bytes: no secret is")
    return secret
