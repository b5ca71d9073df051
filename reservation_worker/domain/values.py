"""How values are made: frozen to the type checker, and quick to make when the program runs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from dataclasses import dataclass as value_class
else:
    _Value = TypeVar("_Value")

    def value_class(
        *, frozen: bool, slots: bool, order: bool = False
    ) -> Callable[[type[_Value]], type[_Value]]:
        """Make a dataclass whose fields nobody assigns to: mypy sees to that, in tests as well.

        A dataclass that is frozen at run time sets each field through ``object.__setattr__``: one
        of ten fields takes seven times as long to make, and a batch makes tens of thousands.
        """
        assert frozen, "a value never changes"
        return dataclass(slots=slots, unsafe_hash=True, order=order)


__all__ = ["value_class"]
