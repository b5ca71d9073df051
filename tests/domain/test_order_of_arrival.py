"""The order of arrival does not matter: shown for every order and any number of repeats.

A set of facts spans a graph: a node is a ledger together with the facts that have come, an edge is
any fact of the set coming once more, or a settlement being stated. Walking the whole graph tries
every order of every subset, and every number of repeats at every moment. What all of them must end
in is computed from the facts alone, without any order.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import pytest

from reservation_worker.domain.facts import BalanceCounted, Fact, InputFact, OrderCompleted
from reservation_worker.domain.ledger import Ledger, apply
from reservation_worker.domain.outcome import OutcomeKind
from tests.domain.laws import assert_ledger_is_lawful, assert_nothing_waits, drained
from tests.domain.shop import (
    balance,
    cancellation,
    deadline,
    invoice,
    line,
    order,
    payment,
)
from tests.domain.the_end import End, end_of, expected_end

NODES_MAX = 60_000
BALANCE_AGAIN = (OutcomeKind.REPEAT, OutcomeKind.BALANCE_DIFFERS)
"""What one may become that gave way to a more careful one of its instant."""
OPENING = (balance("shirt", 100), balance("hat", 100))
"""Ample stock, counted before anything else comes."""
ONE_LINE = order(line("1", 3, "shirt"))
TWO_LINES = order(line("1", 3, "shirt"), line("2", 2, "hat"))
ONE_STOCK_TWICE = order(line("1", 3, "shirt"), line("2", 2, "shirt"))

SETS: dict[str, tuple[Fact, ...]] = {
    "paid": (TWO_LINES, payment(), deadline()),
    "never paid": (TWO_LINES, deadline(), balance("shirt", 90, counted_at_ms=60)),
    "paid and invoiced whole": (
        TWO_LINES,
        payment(),
        invoice(),
        deadline(),
        balance("shirt", 90, counted_at_ms=60),
        balance("hat", 90, counted_at_ms=40),
    ),
    "invoiced whole, never paid": (
        ONE_STOCK_TWICE,
        invoice("NF1"),
        deadline(),
        balance("shirt", 95, counted_at_ms=60),
    ),
    "invoiced in parts with two dates": (
        TWO_LINES,
        payment(),
        invoice("NF1", ("1", 1), ("2", 2), invoiced_at_ms=50),
        invoice("NF2", ("1", 2), invoiced_at_ms=70),
        deadline(),
        balance("shirt", 90, counted_at_ms=60),
    ),
    "one invoice settled by each of two balances": (
        ONE_LINE,
        invoice("NF1", ("1", 1), invoiced_at_ms=50),
        invoice("NF2", ("1", 1), invoiced_at_ms=70),
        balance("shirt", 99, counted_at_ms=60),
        balance("shirt", 98, counted_at_ms=80),
        deadline(),
    ),
    "two invoices of one line on one date": (
        ONE_LINE,
        invoice("NF1", ("1", 1)),
        invoice("NF2", ("1", 1)),
        payment(),
        balance("shirt", 99, counted_at_ms=50),
        deadline(),
    ),
    "canceled in parts": (
        TWO_LINES,
        payment(),
        cancellation("C1", ("1", 1)),
        cancellation("C2", ("1", 1), ("2", 2)),
        deadline(),
        balance("hat", 50, counted_at_ms=30),
    ),
    "canceled in parts, never paid": (
        TWO_LINES,
        cancellation("C1", ("1", 1)),
        cancellation("C2", ("2", 2)),
        deadline(),
    ),
    "canceled whole": (TWO_LINES, payment(), cancellation(), deadline()),
    "canceled in part and then whole": (
        TWO_LINES,
        payment(None),
        cancellation("C1", ("1", 2)),
        cancellation("C2"),
        deadline(),
    ),
    "invoiced and canceled, other units": (
        TWO_LINES,
        payment(),
        invoice("NF1", ("1", 2), invoiced_at_ms=50),
        cancellation("C1", ("1", 1), ("2", 1)),
        deadline(),
        balance("shirt", 80, counted_at_ms=55),
    ),
    "every unit invoiced or canceled": (
        ONE_LINE,
        payment(),
        invoice("NF1", ("1", 1), invoiced_at_ms=50),
        invoice("NF2", ("1", 1), invoiced_at_ms=60),
        cancellation("C1", ("1", 1)),
        deadline(),
        balance("shirt", 90, counted_at_ms=55),
    ),
    "part of it invoiced, never paid": (
        TWO_LINES,
        invoice("NF1", ("1", 1)),
        cancellation("C1", ("2", 1)),
        deadline(),
        balance("shirt", 90, counted_at_ms=50),
    ),
    "an invoice of a part and one of the whole on one date": (
        ONE_LINE,
        payment(),
        invoice("NF1", ("1", 1)),
        invoice("NF2"),
        deadline(),
        balance("shirt", 97, counted_at_ms=50),
    ),
    "everything at once": (
        TWO_LINES,
        payment(),
        invoice("NF1", ("1", 1), invoiced_at_ms=50),
        invoice("NF2", ("1", 1), ("2", 1), invoiced_at_ms=70),
        cancellation("C1", ("2", 1)),
        deadline(),
        balance("shirt", 90, counted_at_ms=60),
        balance("hat", 90, counted_at_ms=70),
    ),
    "many dates on one stock": (
        ONE_STOCK_TWICE,
        invoice("NF1", ("1", 1), invoiced_at_ms=50),
        invoice("NF2", ("1", 1), ("2", 1), invoiced_at_ms=60),
        invoice("NF3", ("2", 1), invoiced_at_ms=70),
        cancellation("C1", ("1", 1)),
        balance("shirt", 90, counted_at_ms=60),
        balance("shirt", 80, counted_at_ms=75),
        deadline(),
    ),
    "limits and marks of balances in any order": (
        ONE_LINE,
        payment(),
        balance("shirt", 90, counted_at_ms=60),
        balance("shirt", 80, counted_at_ms=50, limit=5),
        balance("shirt", 70, counted_at_ms=40, limit=3, unlimited=True),
        balance("shirt", 60, counted_at_ms=30, unlimited=False),
    ),
    "counts of one instant": (
        ONE_LINE,
        invoice("NF1", ("1", 1), invoiced_at_ms=55),
        balance("shirt", 90, counted_at_ms=60, limit=5, unlimited=True),
        balance("shirt", 95, counted_at_ms=60, unlimited=False),
        balance("shirt", 95, counted_at_ms=60, limit=7),
        balance("shirt", 80, counted_at_ms=50, limit=9),
    ),
    "invoices that name only their day": (
        TWO_LINES,
        payment(),
        invoice("NF1", ("1", 1), ("2", 1), invoiced_at_ms=0, compared_at_ms=65),
        invoice("NF2", ("1", 1), invoiced_at_ms=0, compared_at_ms=60),
        deadline(),
        balance("shirt", 90, counted_at_ms=60),
        balance("hat", 90, counted_at_ms=65),
    ),
    "invoices dated before the order": (
        TWO_LINES,
        invoice("NF1", ("1", 1), invoiced_at_ms=2),
        invoice("NF2", ("1", 1), ("2", 2), invoiced_at_ms=12),
        deadline(),
        balance("shirt", 90, counted_at_ms=5),
        balance("hat", 90, counted_at_ms=10),
    ),
    "a payment without an id and one with it": (
        TWO_LINES,
        payment(None),
        payment("p1", approved_at_ms=22),
        cancellation("C1", ("1", 1)),
        deadline(),
    ),
    "a payment without an id, and nothing is left to pay": (
        ONE_LINE,
        payment(None),
        payment("p1", approved_at_ms=22),
        cancellation(),
        deadline(),
    ),
}


@dataclass(frozen=True)
class Node:
    """Where a walk stands: the facts that have come, and what the ledger has made of them."""

    ledger: Ledger
    seen: frozenset[int]

    @property
    def key(self) -> Hashable:
        """Stands for the node in a set."""
        return (
            frozenset(self.ledger.stocks.items()),
            frozenset(self.ledger.reservations.items()),
            self.ledger.settlements,
            self.seen,
        )


@pytest.mark.parametrize("settled_entries_max", [100, 1])
@pytest.mark.parametrize("name", SETS)
def test_every_order_and_every_repeat_ends_in_the_same(name: str, settled_entries_max: int) -> None:
    """G4, rule 1: topics are independent, so only the set of facts may decide how it ends."""
    facts = SETS[name]
    nodes = 0
    for node in _walk(facts, settled_entries_max):
        seen = tuple(facts[index] for index in sorted(node.seen))
        if not any(isinstance(fact, OrderCompleted) for fact in seen):
            continue
        nodes += 1
        final = _with_due_deadlines(drained(node.ledger, settled_entries_max=settled_entries_max))
        assert expected_end((*OPENING, *seen)) == end_of(final), seen
    assert len(facts) <= nodes


def test_the_end_that_is_expected_is_not_always_the_same() -> None:
    """A comparison of ends proves something only if different sets end differently."""
    ends = {_frozen(expected_end((*OPENING, *facts))) for facts in SETS.values()}
    assert len(SETS) - 1 <= len(ends)


def _walk(facts: tuple[Fact, ...], settled_entries_max: int) -> Iterator[Node]:
    """Give every node that any order and any repeats of the facts can reach."""
    ledger = Ledger()
    for fact in OPENING:
        ledger, _ = apply(ledger, fact)
    waiting = [Node(ledger, frozenset())]
    known = {waiting[0].key}
    for _ in range(NODES_MAX):
        if not waiting:
            return
        node = waiting.pop()
        yield node
        for following in _steps(node, facts, settled_entries_max):
            if following.key not in known:
                known.add(following.key)
                waiting.append(following)
    message = f"more than {NODES_MAX} nodes: take a smaller set of facts"
    raise AssertionError(message)


def _steps(node: Node, facts: tuple[Fact, ...], settled_entries_max: int) -> Iterator[Node]:
    for index, fact in enumerate(facts):
        after, outcome = apply(node.ledger, fact, settled_entries_max=settled_entries_max)
        if index in node.seen and isinstance(fact, InputFact):
            is_tie = isinstance(fact, BalanceCounted) and outcome.kind in BALANCE_AGAIN
            assert is_tie or outcome.kind is OutcomeKind.REPEAT, (fact, outcome)
            assert node.ledger == after, fact
        assert_ledger_is_lawful(after)
        yield Node(after, node.seen | {index})
    if node.ledger.settlements:
        after, _ = apply(
            node.ledger, node.ledger.settlements[-1], settled_entries_max=settled_entries_max
        )
        assert_ledger_is_lawful(after)
        yield Node(after, node.seen)


def _with_due_deadlines(ledger: Ledger) -> Ledger:
    for reservation in tuple(ledger.reservations.values()):
        if reservation.expires_at_ms is not None:
            ledger, _ = apply(ledger, deadline(reservation.expires_at_ms))
    assert_ledger_is_lawful(ledger)
    assert_nothing_waits(ledger)
    return ledger


def _frozen(end: End) -> Hashable:
    return (end.status, end.refund_needed, end.lines, tuple(sorted(end.buckets.items())))
