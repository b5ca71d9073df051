"""One pass over everything that Redis has of a shard, in one epoch."""

from collections.abc import Iterator, Sequence

from reservation_worker.contracts.records import OutputTopic
from reservation_worker.ports import Entry
from reservation_worker.verification.comparison import Comparison
from reservation_worker.verification.differences import Check, Findings
from reservation_worker.verification.events import reservation_subject, stock_subject
from reservation_worker.verification.indexes import (
    ENTRIES,
    INDEX_NAMES,
    SETTLE,
    Problem,
    reservation_of,
)
from reservation_worker.verification.naming import Naming
from reservation_worker.verification.notebook import Notebook, Row
from reservation_worker.verification.parts import VerificationConfig, VerificationParts
from reservation_worker.verification.reading import Reading
from reservation_worker.verification.suspects import Suspects

RESERVATIONS, STOCKS = OutputTopic.RESERVATION_CHANGED, OutputTopic.STOCK_CHANGED


class RedisPass:
    """Every key, every row of the notebook, and every index entry; what differs is looked at again.

    Raises from `run`:
        OwnerChanged: the shard is in another epoch: begin again.
        CannotVerify: what Redis has is not published in time.
    """

    def __init__(
        self,
        config: VerificationConfig,
        parts: VerificationParts,
        notebook: Notebook,
        reading: Reading,
        number: int,
    ) -> None:
        """Prepare pass `number`, from 1."""
        self.findings = Findings(reading.shard)
        self._config = config
        self._parts = parts
        self._notebook = notebook
        self._reading = reading
        self._shard = reading.shard
        self._number = number
        self._suspects = Suspects(config.suspects_max)
        self._comparison = Comparison(config, parts, notebook, reading, self.findings, number)
        self._naming = Naming(parts, self._shard)
        self._looked_total = 0
        reading.forget_awaited()

    def run(self) -> None:
        """Look at everything once, and once more at what differed."""
        self._look_at_keys()
        self._look_at_unseen()
        self._look_at_indexes()
        self._comparison.drain()
        self._suspect_mismatches()
        self._name_suspects()
        self.check_owner()

    def check_owner(self) -> None:
        """See that everything was of one owner.

        Raises:
            OwnerChanged: it was not.
        """
        self._comparison.check_owner()

    def _look_at_keys(self) -> None:
        cursor, is_begun = 0, False
        while cursor or not is_begun:
            is_begun = True
            keys = self._parts.books.scan(self._shard, cursor)
            cursor = keys.next_cursor
            self._look_at_reservations(keys.reservations)
            self._look_at_stocks(keys.stocks)
            for name in keys.entries_of:
                self._look_at_index(f"{ENTRIES}{name}")
            self._look_at_outbox(keys.outbox_steps)

    def _look_at_unseen(self) -> None:
        """What is published, and was not found: it is not there, or came while keys were read."""
        for keys in self._notebook.unseen("reservations", self._number):
            self._look_at_reservations(keys)
        for keys in self._notebook.unseen("stocks", self._number):
            self._look_at_stocks(keys)

    def _look_at_indexes(self) -> None:
        for index in (*INDEX_NAMES, SETTLE):
            self._look_at_index(index)

    def _look_at_index(self, index: str) -> None:
        cursor, is_begun = 0, False
        while cursor or not is_begun:
            is_begun = True
            cursor, members = self._parts.books.scan_index(self._shard, index, cursor)
            if index in INDEX_NAMES:
                self._look_at_members(members)
                continue
            entries = [(index, member) for member in members]
            self._look_at_entries([one for one in entries if reservation_of(*one) is not None])
            self._look_at_stocks([one for one in members if reservation_of(index, one) is None])

    def _look_at_reservations(self, keys: Sequence[str]) -> None:
        for some in self._some(keys):
            _, problems = self._comparison.look_at_reservations(some)
            self._suspects.add_reservations([key for key in some if problems[key]])
            self._looked(len(some))

    def _look_at_members(self, keys: Sequence[str]) -> None:
        """Look at members of which no reservation was found: that one would have told of it."""
        self.findings.count(Check.INDEXES, len(keys))
        seen = self._notebook.seen("reservations", keys, self._number)
        self._look_at_reservations([key for key in keys if key not in seen])

    def _look_at_entries(self, entries: Sequence[Entry]) -> None:
        for first in range(0, len(entries), self._config.keys_per_look_max):
            some = entries[first : first + self._config.keys_per_look_max]
            _, problems = self._comparison.look_at_reservations((), some)
            self._suspects.add_reservations([key for key in problems if problems[key]], some)
            self._looked(len(some))

    def _look_at_stocks(self, keys: Sequence[str]) -> None:
        for some in self._some(keys):
            _, problems = self._comparison.look_at_stocks(some)
            self._suspects.add_stocks([key for key in some if problems[key]])
            self._looked(len(some))

    def _look_at_outbox(self, steps: Sequence[int]) -> None:
        """Look whether entries wait for what is published already, or was never made."""
        for first in range(0, len(steps), self._config.keys_per_look_max):
            some = steps[first : first + self._config.keys_per_look_max]
            look = self._parts.books.look_at_outbox(self._shard, some)
            self.findings.count(Check.OUTBOX, len(some))
            for step in look.strays:
                self.findings.differ(
                    Check.OUTBOX, "shard", f"entry of step {step}", expected="none", found="there"
                )

    def _looked(self, keys_total: int) -> None:
        self._looked_total += keys_total
        self._parts.reading.progress(f"shard {self._shard}: {self._looked_total} looks at Redis")
        if len(self._reading.awaited) > self._config.awaited_max:
            self._comparison.drain()
        self._suspect_mismatches()

    def _suspect_mismatches(self) -> None:
        self._suspects.add_reservations(list(self._mismatches(RESERVATIONS)))
        self._suspects.add_stocks(list(self._mismatches(STOCKS)))

    def _mismatches(self, topic: OutputTopic) -> dict[str, Row | None]:
        found = {one.key: one.row for one in self._reading.mismatches[topic]}
        self._reading.mismatches[topic].clear()
        return found

    def _name_suspects(self) -> None:
        """Look once more, and name what differs still."""
        for keys, entries in self._suspects.reservations(self._config.keys_per_look_max):
            looked, problems = self._comparison.look_at_reservations(keys, entries)
            self._comparison.drain()
            mismatches = self._mismatches(RESERVATIONS)
            for key in keys:
                subject = reservation_subject(key)
                self._note(Check.INDEXES, subject, problems[key])
                if key in mismatches:
                    named = self._naming.of_reservation(looked[key], mismatches[key])
                    self._note(Check.RESERVATIONS, subject, named)
        for keys in self._suspects.stocks(self._config.keys_per_look_max):
            looked_stocks, problems = self._comparison.look_at_stocks(keys)
            self._comparison.drain()
            mismatches = self._mismatches(STOCKS)
            for key in keys:
                self._note(Check.INDEXES, stock_subject(key), problems[key])
                if key in mismatches:
                    named = self._naming.of_stock(looked_stocks[key], mismatches[key])
                    self._note(Check.STOCKS, stock_subject(key), named)
        self.findings.differ_unnamed(Check.RESERVATIONS, self._suspects.unnamed)

    def _note(self, check: Check, subject: str, problems: Sequence[Problem]) -> None:
        for field, expected, found in problems:
            self.findings.differ(check, subject, field, expected=expected, found=found)

    def _some(self, keys: Sequence[str]) -> Iterator[Sequence[str]]:
        for first in range(0, len(keys), self._config.keys_per_look_max):
            yield keys[first : first + self._config.keys_per_look_max]
