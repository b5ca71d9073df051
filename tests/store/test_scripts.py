"""The contract at the top of each Lua file is read and held against the file."""

from collections.abc import Callable
from importlib.resources import files

import pytest

from reservation_worker.adapters.redis.scripts import (
    ENTRIES,
    PARTS,
    ScriptBroken,
    join_scripts,
    load_scripts,
    parse_file,
)

FACTS = (
    "order_completed",
    "payment_approved",
    "order_invoiced",
    "order_canceled",
    "deadline_reached",
    "balance_counted",
    "settlement_due",
)
GOOD = """--- changes: says something.
-- Purpose: to be tested.
-- Keys: none
-- Arguments: none
-- Outcomes: changed
-- Needs: wire,
--   stocks

return wire.x + stocks.y
"""


def lua_text(name: str) -> str:
    """Return the text of a file of the package."""
    folder = files("reservation_worker.adapters.redis") / "lua"
    return (folder / f"{name}.lua").read_text("utf-8")


def test_every_lua_file_of_the_package_is_part_of_a_script() -> None:
    """A file that nothing joins would be believed to be in force."""
    folder = files("reservation_worker.adapters.redis") / "lua"
    found = {entry.name.removesuffix(".lua") for entry in folder.iterdir()}
    assert {*PARTS, *ENTRIES} == found


def test_the_step_has_one_file_for_each_fact() -> None:
    """Whoever wants to know what a fact does opens its file."""
    text = load_scripts()["step"].text
    for fact in FACTS:
        assert f"local {fact} = (function()" in text


def test_only_reading_and_writing_files_call_redis_in_a_step() -> None:
    """A decision that called Redis could fail in the middle of the writes."""
    for name in (*FACTS, "stocks", "drafts", "invoicing", "canceling", "changes", "deciding"):
        assert "redis.call" not in lua_text(name)


def test_read_only_scripts_say_so() -> None:
    """Redis then refuses any write in them."""
    scripts = load_scripts()
    for name in ("inspect", "read_outbox", "due"):
        assert scripts[name].text.startswith("#!lua flags=no-writes\n")
    assert scripts["step"].text.startswith("#!lua\n")


def test_a_contract_is_understood_over_several_lines() -> None:
    """Long lists are wrapped like everything else."""
    assert ("wire", "stocks") == parse_file("changes", GOOD).needs


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda text: text.replace("--- changes:", "--- change:"), "must begin with"),
        (lambda text: text.replace("-- Purpose: to be tested.\n", ""), "lacks 'Purpose'"),
        (lambda text: text.replace("Outcomes: changed", "Outcomes: change"), "unknown outcome"),
        (lambda text: text.replace("Keys: none", "Keys: order"), "unknown key"),
        (lambda text: text.replace("Needs: wire", "Needs: utils"), "unknown file"),
        (lambda text: text.replace("--   stocks\n", "--   drafts\n"), "uses 'stocks'"),
        (lambda text: text + "redis.call('GET', 'x')\n", "names no keys"),
        (lambda text: text + "local x = math.random()\n", "another answer each time"),
    ],
    ids=["title", "field", "outcome", "key", "need", "use", "redis", "random"],
)
def test_a_header_that_its_file_does_not_keep_is_refused(
    edit: Callable[[str], str], said: str
) -> None:
    """A header that drifts from its code misleads whoever trusts it."""
    with pytest.raises(ScriptBroken, match=said):
        parse_file("changes", edit(GOOD))


def test_a_file_that_needs_a_later_one_is_refused() -> None:
    """In the joined script it would be nil."""
    lua_files = {name: parse_file(name, lua_text(name)) for name in (*PARTS, *ENTRIES)}
    lua_files["stocks"] = parse_file(
        "stocks", lua_text("stocks").replace("-- Needs: wire", "-- Needs: wire, changes")
    )
    with pytest.raises(ScriptBroken, match="joined later"):
        join_scripts(lua_files)
