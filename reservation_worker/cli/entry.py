"""From the command line to an exit code."""

import signal
import sys
from types import FrameType
from typing import NoReturn

from reservation_worker.cli.application import application
from reservation_worker.cli.exit_codes import ExitCode


class Signaled(BaseException):
    """A signal ends the command; ``with`` blocks end first what they started."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main() -> NoReturn:
    """Run the command line and exit."""
    signal.signal(signal.SIGINT, _raise_signaled)
    signal.signal(signal.SIGTERM, _raise_signaled)
    try:
        application()(prog_name="reservation-worker")
    except Signaled as error:
        sys.exit(ExitCode.SIGNALED + error.number)
    except Exception as error:
        code, lines = explained(error)
        if not lines:
            raise
        for line in lines:
            sys.stderr.write(f"{line}\n")
        sys.exit(code)
    raise AssertionError("the application exits by itself")


def _raise_signaled(number: int, _frame: FrameType | None) -> NoReturn:
    raise Signaled(number)


def explained(error: Exception) -> tuple[ExitCode, tuple[str, ...]]:
    """Return the exit code and what to say; nothing to say: it is a surprise."""
    from reservation_worker.cli.dependencies import Unreachable
    from reservation_worker.cli.failures import CheckFailed, UsageFailed
    from reservation_worker.embedded import EmbeddedError
    from reservation_worker.ports import FatallyBroken, Unavailable
    from reservation_worker.settings.loading import SettingsInvalid

    match error:
        case SettingsInvalid():
            return ExitCode.USAGE, ("The settings cannot be used:", *_indented(error.problems))
        case UsageFailed():
            return ExitCode.USAGE, (str(error),)
        case CheckFailed():
            return ExitCode.CHECK_FAILED, (str(error), *_indented(error.findings))
        case Unreachable() | Unavailable() | EmbeddedError():
            return ExitCode.UNREACHABLE, (str(error),)
        case FatallyBroken():
            return ExitCode.UNEXPECTED, (str(error),)
        case _:
            return ExitCode.UNEXPECTED, ()


def _indented(lines: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"  {line}" for line in lines)
