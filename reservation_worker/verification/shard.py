"""Verifies one shard while traffic runs: the topics with themselves, and Redis with the topics."""

from contextlib import closing

from reservation_worker.domain.values import value_class
from reservation_worker.verification.differences import Check, Findings
from reservation_worker.verification.events import stock_subject
from reservation_worker.verification.notebook import Notebook
from reservation_worker.verification.parts import (
    CannotVerify,
    OwnerChanged,
    VerificationConfig,
    VerificationParts,
)
from reservation_worker.verification.position import PositionProblem, position_problems
from reservation_worker.verification.reading import Reading
from reservation_worker.verification.redis_pass import RedisPass
from reservation_worker.verification.wholeness import begun_position, wait_until_whole

BUCKETS = ("authorized", "confirmed", "acknowledged")


@value_class(frozen=True, slots=True)
class ShardVerdict:
    """What came of one shard."""

    findings: Findings
    unverified: str | None
    """Why nothing can be said of all or of a part of it; None: everything was checked."""

    @property
    def agrees(self) -> bool:
        """Whether all of its books were checked, and none differs."""
        return self.unverified is None and not self.findings.differences_total


def verify_shard(config: VerificationConfig, parts: VerificationParts, shard: int) -> ShardVerdict:
    """Verify a shard in bounded memory; what is in flight is waited for.

    Raises:
        StoreUnavailable: Redis does not answer.
        BrokerUnavailable: Kafka does not, or a transaction is still open in it.
        FatallyBroken: a position is written in a form that this release does not know.
    """
    path = parts.notebook / f"shard-{shard}.sqlite"
    findings = Findings(shard)
    try:
        with closing(Notebook(path)) as notebook:
            _Verification(config, parts, notebook, findings).run()
    except CannotVerify as error:
        return ShardVerdict(findings, str(error))
    finally:
        path.unlink(missing_ok=True)
    return ShardVerdict(findings, None)


class _Verification:
    def __init__(
        self,
        config: VerificationConfig,
        parts: VerificationParts,
        notebook: Notebook,
        findings: Findings,
    ) -> None:
        self._config = config
        self._parts = parts
        self._notebook = notebook
        self._findings = findings
        self._shard = findings.shard

    def run(self) -> None:
        position = begun_position(self._parts, self._findings)
        if position is None:
            return
        reading = Reading(self._config, self._parts.reading, self._notebook, self._findings)
        is_summed = False
        for number in range(1, self._config.attempts_max + 1):
            if not wait_until_whole(self._config, self._parts, self._findings, position):
                return
            if not is_summed:
                reading.advance()
                self._judge_sums()
                is_summed = True
            if self._pass(reading, number):
                return
        raise CannotVerify("It gets another owner again and again.")

    def _judge_sums(self) -> None:
        """Hold the buckets of all stocks against the lines, as of the cut."""
        for sums in self._notebook.sums():
            self._findings.count(Check.SUMS)
            for name, bucket, lines in zip(BUCKETS, sums.buckets, sums.lines, strict=True):
                if bucket != lines:
                    self._findings.differ(
                        Check.SUMS,
                        stock_subject(sums.key),
                        f"{name} in the topics",
                        expected=f"{lines}, the sum of the lines",
                        found=bucket,
                    )

    def _pass(self, reading: Reading, number: int) -> bool:
        """Look at Redis once; False: the shard got another owner meanwhile."""
        try:
            one = RedisPass(self._config, self._parts, self._notebook, reading, number)
            one.run()
            problems = self._position_problems(reading)
            one.check_owner()
        except OwnerChanged:
            return False
        self._findings.add(one.findings)
        for found in problems:
            self._findings.differ(
                found.check, "shard", found.field, expected=found.expected, found=found.found
            )
        return True

    def _position_problems(self, reading: Reading) -> list[PositionProblem]:
        """Read the position between two looks: none of them is older than the one before."""
        books = self._parts.books
        before = books.look_at_outbox(self._shard, ())
        position = reading.advance()
        after = books.look_at_outbox(self._shard, ())
        self._findings.count(Check.POSITION)
        self._findings.count(Check.OUTBOX, max(0, after.moment.step - after.published))
        return position_problems(before, position, after)
