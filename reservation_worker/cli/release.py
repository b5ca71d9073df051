"""Which release this is."""

from importlib.metadata import PackageNotFoundError, version

FROM_SOURCE = "0+source"
"""Runs from a source tree that was not installed."""


def release_version() -> str:
    """Return the version of the installed package."""
    try:
        return version("reservation-worker")
    except PackageNotFoundError:
        return FROM_SOURCE
