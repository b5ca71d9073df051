"""Asks the client library, before anything is sent, whether it takes the options that are given."""

from collections.abc import Mapping
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Producer

from reservation_worker.adapters.kafka.errors import error_of

_NO_SUCH_OPTION: Final = "No such configuration property"
_SILENT: Final = {"log_level": 0}
"""Without a broker's address the library connects to nobody."""
_HIDDEN: Final = "**********"


def unknown_options(options: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names that the client library does not know."""
    return tuple(
        name for name in sorted(options) if _NO_SUCH_OPTION in _refusal({name: options[name]})
    )


def refused_values(options: Mapping[str, str], may_be_shown: frozenset[str]) -> dict[str, str]:
    """Return by its name what the library says of each option whose value it does not take."""
    refusals = {name: _refusal({name: value}) for name, value in options.items()}
    return {
        name: text if name in may_be_shown else "the client library does not take its value"
        for name, text in refusals.items()
        if text and _NO_SUCH_OPTION not in text
    }


def refusal_of_all(options: Mapping[str, str], may_be_shown: frozenset[str]) -> str:
    """Return what the library says of all options together; nothing: it takes them."""
    text = _refusal(options)
    for name, value in options.items():
        if name not in may_be_shown:
            text = text.replace(value, _HIDDEN)
    return text


def _refusal(options: Mapping[str, str]) -> str:
    try:
        Producer({**options, **_SILENT})
    except KafkaException as exception:
        error = error_of(exception)
        return error.str().strip() if error.code() == KafkaError._INVALID_ARG else ""  # noqa: SLF001
    except (TypeError, ValueError):
        # An option that a program sets, such as a callback.
        return _NO_SUCH_OPTION
    return ""
