"""What the exit code says."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of all commands."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    """The command line or the settings cannot be used."""
    CHECK_FAILED = 3
    """A check found problems, or what was asked for is not there."""
    UNREACHABLE = 4
    """A dependency cannot be reached."""
    PROOF_FAILED = 5
    SIGNALED = 128
    """Plus the number of the signal: 130 for SIGINT, 143 for SIGTERM."""
