"""Real Apache Kafka and real Valkey, started from installed packages, for tests and trials.

EmbeddedError            an embedded server cannot be had; the message says what to do
  ExtraNotInstalled        a package of the extra `embedded` is missing
  ProgramNotFound          no Java, or no Valkey, fit for use on this machine
  DownloadFailed           a jar of Apache Kafka could not be fetched
  ChecksumMismatch         a fetched jar is not the one that this package was written for
  ServerDidNotStart        a server ended, or stayed silent; the message ends with its log
"""

from collections.abc import Callable

Progress = Callable[[str], None]
"""Is given one line of text when something that takes long begins, advances or ends."""


class EmbeddedError(Exception):
    """An embedded server cannot be had; the message says what to do."""


class ExtraNotInstalled(EmbeddedError):
    """A package of the extra `embedded` is missing."""

    def __init__(self, package: str) -> None:
        super().__init__(
            f"The package {package} is not installed. "
            "Install the extra that brings it: pip install 'reservation-worker[embedded]'"
        )


class ProgramNotFound(EmbeddedError):
    """No Java, or no Valkey, fit for use on this machine."""


class DownloadFailed(EmbeddedError):
    """A jar of Apache Kafka could not be fetched."""


class ChecksumMismatch(EmbeddedError):
    """A fetched jar is not the one that this package was written for."""


class ServerDidNotStart(EmbeddedError):
    """A server ended, or stayed silent; the message ends with its log."""


def ignore_progress(_line: str) -> None:
    """Take progress, and show it to nobody."""
