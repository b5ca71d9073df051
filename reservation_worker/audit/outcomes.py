"""G2: every input record has exactly one outcome, and every dead letter is the record's own."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from hashlib import sha256

from reservation_worker.audit.replayed import Replayed
from reservation_worker.audit.topics import AuditConfig, Input, name_of
from reservation_worker.audit.verdict import Findings, Law
from reservation_worker.contracts.dead_letters import (
    CODE_HEADER,
    OFFSET_HEADER,
    PARTITION_HEADER,
    TOPIC_HEADER,
    kept_headers,
)
from reservation_worker.contracts.records import (
    Record,
    Rejection,
    RejectionCode,
    rejection_of,
)
from reservation_worker.domain.facts import (
    BalanceCounted,
    Coordinates,
    InputFact,
    OrderCompleted,
    reservation_id_of,
    stock_id_of,
)
from reservation_worker.domain.keys import ReservationId, StockId
from reservation_worker.domain.ledger import Outcome, decide
from reservation_worker.domain.outcome import OutcomeKind
from reservation_worker.domain.reservation import Reservation

_OUTCOME_NAMES = {
    OutcomeKind.CHANGED: "in effect",
    OutcomeKind.REFUSED: "refused",
    OutcomeKind.CONFLICT: "conflicts",
}

_NOTHING_CHANGED = frozenset({OutcomeKind.REPEAT, OutcomeKind.OUT_OF_BOUNDS})


def judge_outcomes(
    inputs: Mapping[Coordinates, Input],
    dead_letters: Iterable[Record],
    replayed: Replayed,
    config: AuditConfig,
    findings: Findings,
) -> None:
    """Find the one outcome of each input record."""
    letters = _read_dead_letters(dead_letters, inputs, findings)
    counted = _Counted(inputs, replayed)
    for coordinates, one in inputs.items():
        letter = letters.get(coordinates)
        if isinstance(one.stated, Rejection):
            _judge_rejected(one, one.stated.code, letter, findings)
        elif coordinates in replayed.effects:
            name = _OUTCOME_NAMES.get(replayed.effects[coordinates], "in effect")
            gave_way = letter is RejectionCode.BALANCE_DIFFERS and counted.contradict(one.stated)
            findings.check(
                Law.ONE_OUTCOME,
                name,
                # One that has given way to a more careful count may be read again after a crash.
                holds=letter is None or gave_way,
                violation=f"{one.name} is in effect and a dead letter as well",
            )
        else:
            _judge_silent(one, one.stated, letter, replayed, counted, config, findings)


def _judge_rejected(
    one: Input, code: RejectionCode, letter: RejectionCode | None, findings: Findings
) -> None:
    found = "no dead letter" if letter is None else f"the dead letter {letter}"
    findings.check(
        Law.ONE_OUTCOME,
        "dead letters",
        holds=letter is code,
        violation=f"{one.name} cannot be used ({code}), but has {found}",
    )


def _judge_silent(
    one: Input,
    fact: InputFact,
    letter: RejectionCode | None,
    replayed: Replayed,
    counted: "_Counted",
    config: AuditConfig,
    findings: Findings,
) -> None:
    """Judge a fact that changed nothing: it must be a repeat, or a dead letter with a reason."""
    if letter is RejectionCode.BALANCE_DIFFERS and isinstance(fact, BalanceCounted):
        findings.check(
            Law.ONE_OUTCOME,
            "dead letters",
            holds=counted.contradict(fact),
            violation=f"{one.name} is a dead letter (BALANCE_DIFFERS), but no more careful balance "
            "with its counted_at is in effect",
        )
        return
    if letter is None and counted.have_said(fact):
        findings.count(Law.ONE_OUTCOME, "repeats")
        return
    outcome = _outcome_now(one, fact, replayed, config)
    rejection = rejection_of(outcome.kind)
    if rejection is not None:
        _judge_rejected(one, rejection.code, letter, findings)
        return
    lost = "has no outcome: it is in effect nowhere, and the ledger still says "
    findings.check(
        Law.ONE_OUTCOME,
        "repeats",
        holds=outcome.kind is OutcomeKind.REPEAT and letter is None,
        violation=f"{one.name} ({_subject(fact)}) "
        + (
            f"{lost}{outcome.kind}"
            if letter is None
            else f"is a dead letter ({letter}) for no reason"
        ),
    )


def _outcome_now(one: Input, fact: InputFact, replayed: Replayed, config: AuditConfig) -> Outcome:
    """Decide a fact once more: on what is there, or as it was when it left after its retention.

    An order is decided as well on what was there before it was over, if it can have been read then:
    stamped anew, it was a repeat as long as the first one lived.
    """
    lives: list[Mapping[ReservationId, Reservation]] = [replayed.reservations]
    if not isinstance(fact, BalanceCounted):
        reservation_id = reservation_id_of(fact)
        lives += [{reservation_id: one} for one in replayed.removed.get(reservation_id, ())]
        life = replayed.lives.get(reservation_id)
        if (
            isinstance(fact, OrderCompleted)
            and life is not None
            and (life.ended_at_ms is None or one.record.timestamp_ms <= life.ended_at_ms)
        ):
            lives.append({reservation_id: life.reservation})
    outcomes = [
        decide(replayed.stocks, one, fact, settled_entries_max=config.settled_entries_max)
        for one in lives
    ]
    return next((one for one in outcomes if one.kind in _NOTHING_CHANGED), outcomes[0])


def _subject(fact: InputFact) -> str:
    if isinstance(fact, BalanceCounted):
        return f"balance of {fact.account}/{fact.warehouse_id}/{fact.sku}"
    return f"order {fact.account}/{fact.order_id}"


class _Counted:
    """The balances in effect, by stock and ``counted_at``."""

    def __init__(self, inputs: Mapping[Coordinates, Input], replayed: Replayed) -> None:
        self._found: defaultdict[tuple[StockId, int], list[BalanceCounted]] = defaultdict(list)
        for coordinates in replayed.effects:
            fact = inputs[coordinates].stated
            if isinstance(fact, BalanceCounted):
                self._found[stock_id_of(fact), fact.counted_at_ms].append(fact)

    def contradict(self, fact: object) -> bool:
        """Tell whether a more careful one of the same instant is in effect."""
        return isinstance(fact, BalanceCounted) and any(
            _is_more_careful(other, fact) for other in self._of_the_instant_of(fact)
        )

    def have_said(self, fact: object) -> bool:
        """Tell whether those of the same instant say all that this one does.

        Not where a more careful one stands before it in its own partition, and was read before it.
        """
        if not isinstance(fact, BalanceCounted):
            return False
        others = self._of_the_instant_of(fact)
        return (
            any(other.on_hand == fact.on_hand for other in others)
            and (fact.limit is None or any(other.limit == fact.limit for other in others))
            and (
                fact.unlimited is None or any(other.unlimited is fact.unlimited for other in others)
            )
            and not any(
                other.cause.coordinates[:2] == fact.cause.coordinates[:2]
                and other.cause.offset < fact.cause.offset
                and _is_more_careful(other, fact)
                for other in others
            )
        )

    def _of_the_instant_of(self, fact: BalanceCounted) -> list[BalanceCounted]:
        return self._found.get((stock_id_of(fact), fact.counted_at_ms), [])


def _is_more_careful(one: BalanceCounted, other: BalanceCounted) -> bool:
    """Tell whether the other of two balances of one instant must yield to something in one."""
    return (
        one.on_hand < other.on_hand
        or (one.limit is not None and other.limit is not None and one.limit > other.limit)
        or (one.unlimited is False and other.unlimited is True)
    )


# ---- dead letters


def _read_dead_letters(
    records: Iterable[Record], inputs: Mapping[Coordinates, Input], findings: Findings
) -> dict[Coordinates, RejectionCode]:
    letters: dict[Coordinates, RejectionCode] = {}
    for record in records:
        where = f"dead letter {record.partition}@{record.offset}"
        try:
            coordinates, code = _reason(record)
        except (KeyError, ValueError):
            findings.violate(Law.ONE_OUTCOME, f"{where} does not name its record and its reason")
            continue
        one = inputs.get(coordinates)
        if one is None:
            findings.violate(
                Law.ONE_OUTCOME, f"{where} names {name_of(coordinates)}, which does not exist"
            )
            continue
        findings.check(
            Law.ONE_OUTCOME,
            "dead letters, byte for byte",
            holds=coordinates not in letters and _is_same(record, one.record),
            violation=f"{where}: {one.name} is dead-lettered twice, or not byte for byte",
        )
        letters[coordinates] = code
    return letters


def _reason(record: Record) -> tuple[Coordinates, RejectionCode]:
    """Read the reason; those of letters that were replayed are kept under other names."""
    headers = {name: (value or b"").decode() for name, value in record.headers if name in _NAMES}
    coordinates = (
        headers[TOPIC_HEADER],
        int(headers[PARTITION_HEADER]),
        int(headers[OFFSET_HEADER]),
    )
    return coordinates, RejectionCode(headers[CODE_HEADER])


_NAMES = frozenset({TOPIC_HEADER, PARTITION_HEADER, OFFSET_HEADER, CODE_HEADER})


def _is_same(letter: Record, record: Record) -> bool:
    if letter.headers[: len(record.headers)] == kept_headers(record.headers):
        return (letter.key, letter.value) == (record.key, record.value)
    stub_digest = sha256(record.value or b"").hexdigest().encode()
    return stub_digest in (letter.value or b"")
