"""What the auditor says: law by law, how much was checked and what was violated."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

NAMED_VIOLATIONS_MAX = 20
"""So many violations of a law are named; all are counted."""


class Law(StrEnum):
    """What a user may rely on, as far as outputs show it."""

    SOLD_ONCE = "G1"
    ONE_OUTCOME = "G2"
    PUBLISHED_ONCE = "G3"
    ANY_ORDER = "G4"
    PAID_IN_TIME = "G5"
    PAID_LATE = "G6"


TITLES = {
    Law.SOLD_ONCE: "No unit is sold twice",
    Law.ONE_OUTCOME: "Every input record has exactly one outcome, the ledger's",
    Law.PUBLISHED_ONCE: "Each change is published once, in order",
    Law.ANY_ORDER: "The order of arrival does not matter",
    Law.PAID_IN_TIME: "Paid in time is never expired, unpaid is",
    Law.PAID_LATE: "A late payment is held again or refunded",
}
"""Each law in one sentence."""


@dataclass(frozen=True, slots=True)
class LawVerdict:
    """How one law fared."""

    law: Law
    title: str
    checked: int
    """Single checks that were made."""
    counts: tuple[tuple[str, int], ...]
    """What they were made of, by name, in order of name."""
    violations: int
    """All of them; `examples` names the first."""
    examples: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """A law that was never checked is not proven."""
        return self.checked > 0 and self.violations == 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """How all laws fared."""

    laws: tuple[LawVerdict, ...]

    @property
    def holds(self) -> bool:
        """Every law was checked and none is violated."""
        return all(law.holds for law in self.laws)


class Findings:
    """Collects checks and violations while the topics are read."""

    def __init__(self) -> None:
        self._checked: dict[Law, Counter[str]] = {law: Counter() for law in Law}
        self._violations: Counter[Law] = Counter()
        self._examples: dict[Law, list[str]] = {law: [] for law in Law}

    def check(self, law: Law, what: str, *, holds: bool, violation: str) -> bool:
        """Count a check of a kind of thing, and its violation if it does not hold."""
        self.count(law, what)
        if not holds:
            self.violate(law, violation)
        return holds

    def count(self, law: Law, what: str, times: int = 1) -> None:
        """Count checks that held."""
        self._checked[law][what] += times

    def violate(self, law: Law, violation: str) -> None:
        """Note a violation in one readable sentence."""
        self._violations[law] += 1
        if len(self._examples[law]) < NAMED_VIOLATIONS_MAX:
            self._examples[law].append(violation)

    def verdict(self) -> Verdict:
        """Return what has been found."""
        return Verdict(
            tuple(
                LawVerdict(
                    law=law,
                    title=TITLES[law],
                    checked=sum(self._checked[law].values()),
                    counts=tuple(sorted(self._checked[law].items())),
                    violations=self._violations[law],
                    examples=tuple(self._examples[law]),
                )
                for law in Law
            )
        )
