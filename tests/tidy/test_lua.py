"""Every Lua file opens with its contract, and is part of a script."""

from reservation_worker.adapters.redis.scripts import ENTRIES, PARTS, load_scripts
from tests.tidy.tree import PACKAGE, files

SCRIPTS = files(".lua", under=PACKAGE)


def test_every_file_is_declared_so_that_its_contract_is_checked() -> None:
    """The loader refuses a file without its contract, but it sees only files that it knows."""
    assert {*PARTS, *ENTRIES} == {path.stem for path in SCRIPTS}


def test_every_contract_is_kept_as_far_as_the_loader_can_see() -> None:
    """A contract that nothing checks drifts away from its code."""
    assert set(ENTRIES) == set(load_scripts())


def test_every_file_opens_with_its_own_name() -> None:
    """What keys, arguments and outcomes a file has stands before its code."""
    assert {path.stem: path.stem for path in SCRIPTS} == {
        path.stem: path.read_text(encoding="utf-8").removeprefix("--- ").split(":")[0]
        for path in SCRIPTS
    }
