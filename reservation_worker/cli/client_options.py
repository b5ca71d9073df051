"""What is wrong with options of the Kafka client, a sentence each, before one is built."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reservation_worker.settings.model import Settings


def refused_client_options(settings: "Settings") -> Iterator[str]:
    """Say which options may not be passed on, do not exist, or do not go together."""
    from reservation_worker.adapters.kafka.configuration import refused_options
    from reservation_worker.settings.client_options import kafka_options, options_with_settings

    kafka = settings.kafka
    given = {
        **kafka.extra,
        **{name: secret.get_secret_value() for name, secret in kafka.extra_files.items()},
    }
    own = options_with_settings()
    yield from refused_options(given)
    yield from (
        f"kafka.extra must not set {name}: {setting} does."
        for name, setting in own.items()
        if name in given
    )
    free = {
        name: value
        for name, value in given.items()
        if name not in own and not refused_options({name: value})
    }
    problems = [*_of_the_library(free)]
    yield from problems
    if len(free) == len(given) and not problems:
        yield from _together(kafka_options(kafka))


def _of_the_library(given: "Mapping[str, str]") -> Iterator[str]:
    from reservation_worker.adapters.kafka.option_check import refused_values, unknown_options
    from reservation_worker.settings.client_options import options_with_settings
    from reservation_worker.settings.harmless_options import HARMLESS_OPTIONS

    unknown = unknown_options(given)
    for name in unknown:
        known = sorted(HARMLESS_OPTIONS | options_with_settings().keys())
        close = get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        yield f"kafka.extra: the client library has no option {name}{hint}"
    rest = {name: value for name, value in given.items() if name not in unknown}
    for name, text in refused_values(rest, HARMLESS_OPTIONS).items():
        yield f"kafka.extra: {name}: {text}"


def _together(options: "Mapping[str, str]") -> Iterator[str]:
    from reservation_worker.adapters.kafka.option_check import refusal_of_all
    from reservation_worker.settings.harmless_options import HARMLESS_OPTIONS

    text = refusal_of_all(options, HARMLESS_OPTIONS)
    if text:
        yield f"The Kafka client library does not take kafka.…: {text}"
