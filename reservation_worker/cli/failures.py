"""Why a command ends without having done its work.

UsageFailed              what was given cannot be used
CheckFailed              a check found problems; each finding says what to do
"""


class UsageFailed(Exception):
    """What was given cannot be used."""


class CheckFailed(Exception):
    """A check found problems."""

    def __init__(self, message: str, findings: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.findings = findings
