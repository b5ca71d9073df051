"""The auditor does not take a fault for right because it errs on the careful side."""

from reservation_worker.contracts.dead_letters import dead_letter
from reservation_worker.contracts.records import Record, Rejection, RejectionCode
from tests.audit.ledger_worker import LIMITS
from tests.audit.small_day import DEAD_LETTERS, STOCK_CHANGED, Shop, ordinary_shop


def sentences(shop: Shop, law: str) -> str:
    """Return what is said of one law."""
    verdict = shop.worker.verdict()
    return " | ".join(one for each in verdict.laws if each.law == law for one in each.examples)


def test_a_stock_that_says_less_than_its_reservations_hold_is_named() -> None:
    """G1: what it calls available is promised to somebody."""
    shop = ordinary_shop()
    shop.order(7_000, "held", 3)
    shop.rewrite_last(STOCK_CHANGED, authorized=1, available=6)
    assert "says 1 authorized" in sentences(shop, "G1")


def test_a_good_record_that_became_a_dead_letter_is_named() -> None:
    """G2: a dead letter is for what cannot be used, and an order that can be held must be."""
    shop = ordinary_shop()
    record = shop.order(7_000, "good", is_taken=False)
    reason = Rejection(RejectionCode.SCHEMA_INVALID, None, "It is said to be wrong.")
    letter = dead_letter(record, reason, LIMITS, record.timestamp_ms)
    last = next(one for one in reversed(shop.worker.outputs) if one.topic == DEAD_LETTERS)
    shop.worker.outputs.append(
        Record(
            *(DEAD_LETTERS, last.partition, last.offset + 1, record.timestamp_ms),
            *(letter.key, letter.value, letter.headers),
        )
    )
    assert "is a dead letter (SCHEMA_INVALID) for no reason" in sentences(shop, "G2")
