"""Plays a scenario in a world, and holds every sentence of it against what is seen there."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from reservation_worker.domain.facts import Fact
from reservation_worker.domain.outcome import AcknowledgedLine, Conflict, OutcomeKind
from reservation_worker.domain.reservation import Line, Reservation
from reservation_worker.domain.stock import Stock
from tests.domain.shop import reservation_id, stock_id
from tests.scenarios.script import Scenario, ScriptError, Settlements, Step, instant_ms, named_stock
from tests.scenarios.world import Seen, World

SETTLEMENTS_MAX = 1_000
PLACES = ("held", "acknowledged", "settled", "canceled", "expired", "denied")
BUCKETS = ("available", "authorized", "confirmed", "acknowledged")
KINDS = {
    "it is a repeat": OutcomeKind.REPEAT,
    "it is a dead letter, BALANCE_DIFFERS": OutcomeKind.BALANCE_DIFFERS,
}


@dataclass(frozen=True)
class Scene:
    """What stands after one step of a scenario."""

    world: World
    seen: tuple[Seen, ...]


def play(scenario: Scenario, world: World) -> None:
    """Let everything happen, and check every sentence.

    Conflicts, shortages and acknowledgements that no sentence mentions fail the scenario as well:
    a script tells the whole story.
    """
    assert scenario.steps, "an empty script proves nothing"
    for step in scenario.steps:
        scene = Scene(world, _let_happen(step.happening, world))
        for expectation in step.expectations:
            _check(scene, expectation, f"{scenario.name}: {step.text}: {expectation}")
        _check_nothing_is_untold(scene, step, f"{scenario.name}: {step.text}")


def _let_happen(happening: Fact | Settlements, world: World) -> tuple[Seen, ...]:
    if not isinstance(happening, Settlements):
        return (world.state(happening),)
    seen: list[Seen] = []
    for _ in range(1 if happening.is_only_one else SETTLEMENTS_MAX):
        waiting = world.waiting_settlements()
        if not waiting:
            break
        seen.append(world.state(waiting[0]))
    assert seen, "no settlement waits"
    return tuple(seen)


def _check(scene: Scene, expectation: str, context: str) -> None:
    for pattern, check in EXPECTATIONS:
        if match := re.fullmatch(pattern, expectation):
            check(scene, match, context)
            return
    raise ScriptError(f"not a sentence: {expectation!r}")


def _check_nothing_is_untold(scene: Scene, step: Step, context: str) -> None:
    told = " | ".join(step.expectations)
    for seen in scene.seen:
        if seen.kind is OutcomeKind.REPEAT:
            assert (None, (), ()) == (seen.change, seen.acknowledgements, seen.stocks), context
        for conflict in seen.change.conflicts if seen.change else ():
            assert f"conflict {conflict}" in told, f"{context}: untold conflict {conflict}"
        for shortage in seen.change.shortages if seen.change else ():
            assert f"shortage of {shortage.stock_id.sku}" in told, f"{context}: untold {shortage}"
    acknowledgements_total = sum(len(seen.acknowledgements) for seen in scene.seen)
    assert told.count("the ERP is told") == acknowledgements_total, f"{context}: {scene.seen}"


def _check_status(scene: Scene, match: re.Match[str], context: str) -> None:
    reservation = _reservation(scene, match["order"])
    assert match["status"] == reservation.status, context
    if match["until"]:
        assert instant_ms(match["until"]) == reservation.expires_at_ms, context
    if match["version"]:
        assert int(match["version"]) == reservation.version, context


def _check_line(scene: Scene, match: re.Match[str], context: str) -> None:
    reservation = _reservation(scene, match["order"])
    line = next(line for line in reservation.lines if line.line_id == match["line"])
    expected = _amounts(match["units"], PLACES)
    assert sum(expected.values()) == line.quantity, f"{context}: add up to {line.quantity}"
    assert expected == _places(line), context


def _check_stock(scene: Scene, match: re.Match[str], context: str) -> None:
    sku, warehouse_id = named_stock(match["stock"])
    stock = scene.world.stock(stock_id(sku, warehouse_id)) or Stock(stock_id(sku, warehouse_id))
    assert int(match["on_hand"]) == stock.on_hand, context
    assert _amounts(match["units"], BUCKETS) == {name: getattr(stock, name) for name in BUCKETS}, (
        context
    )


def _amounts(text: str, names: tuple[str, ...]) -> dict[str, int]:
    """Return the numbers of ``2 held, 1 settled``; what is not named is 0."""
    amounts = dict.fromkeys(names, 0)
    for part in text.split(", "):
        number, _, name = part.partition(" ")
        if name not in amounts:
            raise ScriptError(f"not one of {names}: {part!r}")
        amounts[name] = int(number)
    return amounts


def _places(line: Line) -> dict[str, int]:
    return {name: getattr(line, name) for name in PLACES}


def _check_kind(scene: Scene, match: re.Match[str], context: str) -> None:
    assert [KINDS[match[0]]] == [seen.kind for seen in scene.seen], context


def _check_conflict(scene: Scene, match: re.Match[str], context: str) -> None:
    conflicts = {one for seen in scene.seen if seen.change for one in seen.change.conflicts}
    assert Conflict(match["kind"]) in conflicts, context
    assert any(seen.kind is OutcomeKind.CONFLICT for seen in scene.seen), context


def _check_shortage(scene: Scene, match: re.Match[str], context: str) -> None:
    sku, warehouse_id = named_stock(match["stock"])
    shortages = [
        (one.stock_id, one.requested, one.available, one.unknown)
        for seen in scene.seen
        if seen.change
        for one in seen.change.shortages
    ]
    expected = (
        stock_id(sku, warehouse_id),
        int(match["requested"]),
        int(match["available"]),
        match["unknown"] is not None,
    )
    assert expected in shortages, f"{context}: {shortages}"


def _check_acknowledgement(scene: Scene, match: re.Match[str], context: str) -> None:
    events = [
        (
            event.order_id,
            event.invoice_id,
            _units(event.lines),
            _units(event.already_counted),
        )
        for seen in scene.seen
        for event in seen.acknowledgements
    ]
    told = (match["order"], match["id"], match["units"] or "", match["counted"] or "")
    assert told in events, f"{context}: {events}"


def _units(lines: tuple[AcknowledgedLine, ...]) -> str:
    return ", ".join(f"{line.quantity} of line {line.line_id}" for line in lines)


def _check_refund(scene: Scene, match: re.Match[str], context: str) -> None:
    reservation = _reservation(scene, match["order"])
    assert (match["no"] is None) == reservation.refund_needed, context


def _check_change(scene: Scene, match: re.Match[str], context: str) -> None:
    changes = [
        (
            seen.change.reservation.id.order_id,
            seen.change.previous_status or "nothing",
            str(seen.change.reservation.status),
            str(seen.change.reason),
        )
        for seen in scene.seen
        if seen.change
    ]
    told = (match["order"], match["before"], match["after"], match["reason"])
    assert told in changes, f"{context}: {changes}"


def _check_stocks_told(scene: Scene, match: re.Match[str], context: str) -> None:
    skus = sorted({stock.id.sku for seen in scene.seen for stock in seen.stocks})
    expected = sorted(match["stocks"].split(", ")) if match["stocks"] else []
    assert expected == skus, context


def _check_unknown(scene: Scene, match: re.Match[str], context: str) -> None:
    assert scene.world.reservation(reservation_id(match["order"])) is None, context


def _reservation(scene: Scene, order_id: str) -> Reservation:
    reservation = scene.world.reservation(reservation_id(order_id))
    assert reservation is not None, f"nothing is known of order {order_id}"
    return reservation


EXPECTATIONS: tuple[tuple[str, Callable[[Scene, re.Match[str], str], None]], ...] = (
    (
        (
            r"(?P<order>\S+) is (?P<status>[A-Z][a-z]+)(?: until (?P<until>[\d: -]+))?"
            r"(?:, version (?P<version>\d+))?"
        ),
        _check_status,
    ),
    (r"(?P<order>\S+) line (?P<line>\S+): (?P<units>.+)", _check_line),
    (r"(?P<stock>\S+): (?P<on_hand>-?\d+) on hand, (?P<units>.+)", _check_stock),
    (r"it is a .+", _check_kind),
    (r"conflict (?P<kind>\w+)", _check_conflict),
    (
        (
            r"shortage of (?P<stock>\S+): (?P<requested>\d+) requested, "
            r"(?P<available>\d+) available(?P<unknown>, unknown)?"
        ),
        _check_shortage,
    ),
    (
        (
            r"the ERP is told: (?P<order>\S+?)(?: by (?P<id>\S+?))?(?:: (?P<units>.+?))?"
            r"(?:, already counted: (?P<counted>.+))?"
        ),
        _check_acknowledgement,
    ),
    (r"(?P<no>no )?refund is needed for (?P<order>\S+)", _check_refund),
    (
        r"published: (?P<order>\S+) from (?P<before>\w+) to (?P<after>\w+) by (?P<reason>\w+)",
        _check_change,
    ),
    (r"stocks that changed: (?P<stocks>.+)", _check_stocks_told),
    (r"(?P<stocks>)no stock changed", _check_stocks_told),
    (r"nothing is known of (?P<order>\S+)", _check_unknown),
)
