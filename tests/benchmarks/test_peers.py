"""What the comparison with the peers decides by itself: names, headers, figures, and a ledger."""

from datetime import UTC, datetime

import pytest

from reservation_worker.audit.judge import judge
from reservation_worker.audit.topics import AuditConfig
from reservation_worker.audit.verdict import Law, LawVerdict, Verdict
from reservation_worker.benchmark import mix
from reservation_worker.contracts.encode import encode_step
from reservation_worker.contracts.records import Record, Rejection
from reservation_worker.domain.facts import Fact
from reservation_worker.domain.ledger import SETTLED_ENTRIES_MAX
from tests.benchmarks.peers.contenders import Contender
from tests.benchmarks.peers.given import SHARDS_TOTAL, Given
from tests.benchmarks.peers.judging import LONGER_THAN_ANY_RUN_MS, contract_headers
from tests.benchmarks.peers.measuring import Measured, Shops
from tests.benchmarks.peers.one_fact import script_text
from tests.benchmarks.peers.quix_streams.ledger_state import AccountLedger
from tests.benchmarks.peers.report import Failed, Result, table, verdict_text

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
GIVEN = Given("127.0.0.1:9", "redis://127.0.0.1:9", "some-", 45_000, "state")


def test_what_a_contender_is_given_comes_out_of_its_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A peer that read another topic would be judged for what it never saw."""
    for name, text in GIVEN.environment.items():
        monkeypatch.setenv(name, text)
    assert GIVEN == Given.from_environment()


def test_headers_of_a_framework_do_not_count() -> None:
    """They harm nobody; a header that is missing, or says something else, does."""
    headers = (("content-type", b"a"), ("correlation_id", b"b"), ("ce_id", b"1-2-0"))
    record = Record("some-stock-changed", 1, 0, NOW_MS, b"key", b"{}", headers)
    assert (("ce_id", b"1-2-0"), ("content-type", b"a")) == contract_headers(record)


def test_the_script_for_one_fact_has_the_rules_of_a_step_and_not_its_guard() -> None:
    """What is compared is how messages are moved, not who writes the better rules."""
    text = script_text()
    assert "local deciding = (function()" in text
    assert "GETDEL" in text
    assert "guard.admit(KEYS[1], ARGV[1])" not in text.rpartition("local deciding")[2]


def test_a_wrong_contender_is_called_wrong_and_ratios_are_to_the_worker() -> None:
    """Fast and wrong is no answer; and rates of one machine say nothing without the ratio."""
    right = Verdict((LawVerdict(Law.SOLD_ONCE, "", 1, (), 0, ()),))
    wrong = Verdict((LawVerdict(Law.PUBLISHED_ONCE, "", 9, (), 2, ("event 1-2-0 is missing",)),))
    results = [
        Result(Contender("worker", "", (), 1), Measured(9, 30, (300.0, 100.0), right, right, 3)),
        Result(Contender("slow", "", (), 1), Measured(9, 30, (50.0, 100.0), right, wrong, 3)),
        Result(Contender("stuck", "", (), 1), Failed("nothing happens")),
    ]
    lines = table(results, markdown=True).splitlines()
    assert "| worker | 30 | 100 / 200 / 300 | 0.7 / 1.3 / 2.0 | right |" in lines[2]
    assert "| 2.0 / 3.0 / 4.0 | right | wrong: G3 (2) (killed 3 times) |" in lines[3]
    assert "did not finish" in lines[4]
    assert ["slow, killed: G3: event 1-2-0 is missing", "stuck: nothing happens"] == lines[-2:]
    assert "not tried" == verdict_text(None)
    unasked = Verdict((LawVerdict(Law.PAID_IN_TIME, "", 0, (), 0, ()),))
    assert "right; not asked: G5" == verdict_text(unasked)


class StateInMemory:
    """An account's state in memory."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._values: dict[str, bytes] = {}

    def get(self, key: str, default: int) -> int:
        """Return a number."""
        return self._numbers.get(key, default)

    def set(self, key: str, value: int) -> None:
        """Keep a number."""
        self._numbers[key] = value

    def get_bytes(self, key: str) -> bytes | None:
        """Return bytes."""
        return self._values.get(key)

    def set_bytes(self, key: str, value: bytes) -> None:
        """Keep bytes."""
        self._values[key] = value


def test_a_ledger_on_a_state_of_bytes_is_right_about_a_day() -> None:
    """Otherwise a peer would be slow or wrong because of how we wrote its state."""
    decoder, state = GIVEN.decoder(), StateInMemory()
    inputs: list[Record] = []
    outputs: list[Record] = []
    shops = Shops(1, "day", 20)
    for message in (*mix.balances(shops, NOW), *mix.day(shops, 200, NOW, seed=1)):
        topic = GIVEN.topic(message.topic)
        inputs.append(Record(topic, 0, len(inputs), NOW_MS, b"shop-0", message.value, ()))
        stated = decoder.decode(inputs[-1], NOW_MS)
        assert not isinstance(stated, Rejection)
        waiting: list[Fact] = [stated]
        while waiting:
            ledger = AccountLedger(state, stated.account, SHARDS_TOTAL)
            outcome, number, events = ledger.step(waiting.pop(0))
            waiting += outcome.settlements
            for one in encode_step(ledger.shard, number, events):
                name, place = GIVEN.topic(one.topic.value), (one.partition, len(outputs))
                outputs.append(Record(name, *place, NOW_MS, one.key, one.value, one.headers))
    config = AuditConfig(
        shards_total=SHARDS_TOTAL,
        output_topics=GIVEN.event_topics,
        dead_letter_topic=GIVEN.topic("reservation-dead-letter"),
        grace_ms=0,
        audited_at_ms=NOW_MS,
        expiry_delay_max_ms=0,
        settled_entries_max=SETTLED_ENTRIES_MAX,
        over_retention_ms=LONGER_THAN_ANY_RUN_MS,
        awaiting_retention_ms=LONGER_THAN_ANY_RUN_MS,
    )
    verdict = judge(inputs, outputs, decoder, config)
    assert [] == [example for law in verdict.laws for example in law.examples]
    assert "right" == verdict_text(verdict)
