"""Holds what Redis has of a shard against what is published, and against its indexes."""

from collections.abc import Sequence

from reservation_worker.contracts.records import OutputTopic
from reservation_worker.ports import Entry, LookedReservation, LookedStock, Moment
from reservation_worker.verification.awaited import AwaitedLook
from reservation_worker.verification.differences import Check, Findings
from reservation_worker.verification.events import (
    digest_of,
)
from reservation_worker.verification.indexes import (
    INDEX_NAMES,
    Problem,
    entry_problem,
    reservation_of,
    reservation_problems,
    stock_problems,
)
from reservation_worker.verification.notebook import Notebook
from reservation_worker.verification.parts import (
    CannotVerify,
    OwnerChanged,
    VerificationConfig,
    VerificationParts,
)
from reservation_worker.verification.reading import Reading


class Comparison:
    """One pass over Redis in one epoch.

    A key that is not what was read so far may be newer: it waits until the topics have been read up
    to the step of the look, and must be the same then.
    """

    def __init__(
        self,
        config: VerificationConfig,
        parts: VerificationParts,
        notebook: Notebook,
        reading: Reading,
        findings: Findings,
        number: int,
    ) -> None:
        """Begin in the epoch of now; `number`: of the pass, from 1."""
        self._config = config
        self._parts = parts
        self._notebook = notebook
        self._reading = reading
        self._findings = findings
        self._shard = findings.shard
        self._epoch = parts.books.state(self._shard).epoch
        self._number = number
        """What was seen in another pass must be seen again."""

    def look_at_reservations(
        self, keys: Sequence[str], entries: Sequence[Entry] = ()
    ) -> tuple[dict[str, LookedReservation], dict[str, list[Problem]]]:
        """Look at reservations, and at entries that speak of them; awaits what differs.

        Returns what was seen, and what is wrong with the indexes.
        """
        asked = list(dict.fromkeys((*keys, *_reservations_of(entries))))
        look = self._parts.books.look_at_reservations(self._shard, INDEX_NAMES, asked, entries)
        self._check_owner(look.moment)
        looked = {one.key: one for one in look.reservations}
        problems = {one.key: reservation_problems(one) for one in look.reservations}
        self._findings.count(Check.INDEXES, len(asked) * len(INDEX_NAMES) + len(entries))
        self._findings.count(Check.INDEXES, sum(len(one.acknowledged) for one in look.reservations))
        for (index, member), score in zip(entries, look.entry_scores, strict=True):
            key = reservation_of(index, member)
            if key is not None and score is not None:
                problem = entry_problem(looked[key], index, member, score)
                problems[key] += [problem] if problem is not None else []
        self._await(
            OutputTopic.RESERVATION_CHANGED,
            look.moment,
            {one.key: one.packed for one in look.reservations},
        )
        return looked, problems

    def look_at_stocks(
        self, keys: Sequence[str]
    ) -> tuple[dict[str, LookedStock], dict[str, list[Problem]]]:
        """Look at stocks, and at the settlements of them that wait; awaits what differs."""
        look = self._parts.books.look_at_stocks(self._shard, keys)
        self._check_owner(look.moment)
        self._findings.count(Check.INDEXES, len(keys))
        self._await(
            OutputTopic.STOCK_CHANGED, look.moment, {one.key: one.packed for one in look.stocks}
        )
        return (
            {one.key: one for one in look.stocks},
            {one.key: stock_problems(one) for one in look.stocks},
        )

    def drain(self) -> None:
        """Read the topics on until nothing is awaited any more.

        Raises:
            CannotVerify: what Redis has is not published in time.
        """
        reading, clock = self._reading, self._parts.clock
        progress_at_ms = clock.monotonic_ms()
        while len(reading.awaited):
            before = reading.cut
            reading.advance()
            if reading.cut > before:
                progress_at_ms = clock.monotonic_ms()
            elif len(reading.awaited):
                if clock.monotonic_ms() > progress_at_ms + self._config.patience_ms:
                    raise CannotVerify(
                        f"Redis is at step {reading.awaited.last_step}, but only {reading.cut} is "
                        "published. Is a worker running?"
                    )
                self._parts.wait(self._config.retry_interval_ms)

    def check_owner(self) -> None:
        """See that the shard is still in the epoch in which the pass has begun.

        Raises:
            OwnerChanged: it is not, or is being rebuilt.
        """
        state = self._parts.books.state(self._shard)
        self._check_owner(Moment(state.epoch, state.step, state.torn))

    def _check_owner(self, moment: Moment) -> None:
        if moment.epoch != self._epoch or moment.torn:
            raise OwnerChanged

    def _await(self, topic: OutputTopic, moment: Moment, values: dict[str, bytes | None]) -> None:
        is_stock = topic is OutputTopic.STOCK_CHANGED
        self._findings.count(Check.STOCKS if is_stock else Check.RESERVATIONS, len(values))
        keys = list(values)
        notebook = self._notebook
        rows = notebook.stocks(keys) if is_stock else notebook.reservations(keys)
        seen: list[str] = []
        for key, packed in values.items():
            digest, row = None if packed is None else digest_of(packed), rows.get(key)
            if digest is not None:
                seen.append(key)
            if digest != (None if row is None else row.digest):
                self._reading.awaited.add(topic, AwaitedLook(moment.step, key, digest))
        notebook.see("stocks" if is_stock else "reservations", seen, self._number)


def _reservations_of(entries: Sequence[Entry]) -> list[str]:
    return [key for entry in entries if (key := reservation_of(*entry)) is not None]
