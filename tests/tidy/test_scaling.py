"""The arithmetic of `docs/scaling.md`: every result follows from the costs by its formula."""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from math import ceil, floor

import pytest
from redis.crc import key_slot

from reservation_worker.adapters.redis.calls import meta_key
from tests.tidy.tree import ROOT

PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
NUMBER = r"[\d,]+(?:\.\d+)?"
RESULT = re.compile(rf"^\| `(\w+)` \| ({NUMBER}) \| ({NUMBER}) \| `([^`]+)` \|$", re.MULTILINE)
COST = re.compile(
    rf"^\| `(\w+)` \| ({NUMBER}) \| ({NUMBER}) \| (?!`[^`]+` \|$)[^|]+ \|$", re.MULTILINE
)
ASSUMED = re.compile(rf"^\| `(\w+)` \| ({NUMBER}) \| [^|]+ \|$", re.MULTILINE)
PLACING = re.compile(r"^\| (\d+) \| (\d[\d; ]+) \|$", re.MULTILINE)
SLOTS = 16_384
SHARDS_TOTAL = 16
OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "ceil": ceil,
    "floor": floor,
    "min": min,
    "max": max,
}


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _value(node: ast.expr, known: Mapping[str, float]) -> float:
    """Work out a formula of numbers, names, the four operations and a few functions."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.Name(id=name):
            return known[name]
        case ast.BinOp(left=left, op=operation, right=right):
            return OPERATORS[type(operation)](_value(left, known), _value(right, known))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return FUNCTIONS[name](*[_value(one, known) for one in arguments])
        case _:
            raise AssertionError(f"no formula of this page has {ast.unparse(node)}")


def _printed(value: float, like: str) -> str:
    """Write a number with as many decimals as another one has."""
    return f"{value:,.{len(like.partition('.')[2])}f}"


@pytest.mark.parametrize("column", ["low", "high"])
def test_every_result_follows_from_the_costs(column: str) -> None:
    """Costs are measured anew from time to time, and whoever does so edits one table."""
    known = {name: _number(value) for name, value in ASSUMED.findall(PAGE)}
    known |= {
        name: _number(low if column == "low" else high) for name, low, high in COST.findall(PAGE)
    }
    assert len(RESULT.findall(PAGE)) > 10
    for name, low, high, formula in RESULT.findall(PAGE):
        printed = low if column == "low" else high
        known[name] = _value(ast.parse(formula, mode="eval").body, known)
        assert f"{name} = {_printed(known[name], printed)}" == f"{name} = {printed}"


def test_shards_lie_on_the_primaries_that_the_page_names() -> None:
    """Sixteen hash tags do not fall evenly, and nobody sees that from their names."""
    slots = [key_slot(meta_key(shard).encode()) for shard in range(SHARDS_TOTAL)]
    assert ", ".join(map(str, slots)) in " ".join(PAGE.split())
    placings = PLACING.findall(PAGE)
    assert placings
    for primaries, printed in placings:
        parts = int(primaries)
        shards = [
            " ".join(str(one) for one in range(SHARDS_TOTAL) if slots[one] * parts // SLOTS == part)
            for part in range(parts)
        ]
        assert "; ".join(shards) == printed
