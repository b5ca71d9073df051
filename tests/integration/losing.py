"""One way of losing what Redis has: how long nothing flows, and what the auditor says after it."""

from collections.abc import Callable, Iterable

import redis

from reservation_worker.audit.verdict import Law
from tests.integration.stage import SETTLE_TIMEOUT_MS, Stage
from tests.losses import Row
from tests.waiting import wait_until


class Loss:
    """Watches a stage from the loss on, and reports its row of the table."""

    def __init__(self, stage: Stage, report: Callable[[Row], None]) -> None:
        self._stage = stage
        self._report = report
        self._way = ""
        self._began_at_ms = 0

    def begins(self, way: str) -> None:
        """Say that something is lost now, in which way."""
        # Whoever reads from the beginning has nothing to catch up with later.
        self._stage.watch().read_to_the_end()
        self._way = way
        self._began_at_ms = self._stage.clock.monotonic_ms()

    def is_survived(self, load: str) -> None:
        """Wait until the orders of a load that was sent after it come out, and ask the auditor."""
        stage = self._stage
        self.wait_for_shops(load, stage.accounts())
        flows_again_ms = stage.clock.monotonic_ms() - self._began_at_ms
        stage.wait_until_settled()
        violations = {law.law: law.violations for law in stage.verdict().laws}
        self._report(
            Row(
                self._way,
                len(stage.outputs()),
                violations[Law.ONE_OUTCOME],
                violations[Law.PUBLISHED_ONCE],
                violations[Law.SOLD_ONCE],
                flows_again_ms,
            )
        )
        stage.assert_every_law_holds()

    def wait_for_shops(self, load: str, accounts: Iterable[str]) -> None:
        """Wait until orders of a load come out for each of these accounts."""
        stage, reader = self._stage, self._stage.watch()
        changes = stage.topics.name("reservation-changed")
        awaited = {f"{account}/{load}-".encode() for account in accounts}
        looked_at = 0

        def flows() -> bool:
            nonlocal looked_at
            records = reader.poll()
            for record in records[looked_at:]:
                if record.topic == changes and record.key is not None:
                    awaited.discard(record.key[: record.key.rindex(b"-") + 1])
            looked_at = len(records)
            return not awaited

        try:
            wait_until(flows, timeout_ms=SETTLE_TIMEOUT_MS, what="orders come out")
        except AssertionError as error:
            raise AssertionError(f"{error} of {awaited}\n{stage.last_words()}") from error


def is_primary(client: redis.Redis) -> bool:
    """Tell whether a server is one; a promotion cuts off whoever is connected."""
    try:
        return bool(client.info("replication")["role"] == "master")
    except redis.ConnectionError:
        return False
