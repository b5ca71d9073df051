"""The settings as anybody may see them: in tickets, in logs, on a screen."""

from collections.abc import Iterator
from typing import Any, Final

from pydantic import SecretStr

from reservation_worker.settings.harmless_options import HARMLESS_OPTIONS
from reservation_worker.settings.model import Settings
from reservation_worker.settings.names import Setting, all_settings
from reservation_worker.settings.secret_files import SecretFile

HIDDEN: Final = "**********"


def shown_settings(settings: Settings) -> dict[str, Any]:
    """Return all settings as JSON values, by section; no secret, and nothing that may be one."""
    shown: dict[str, Any] = settings.model_dump(mode="json")
    kafka = shown["kafka"]
    kafka["extra"] = {
        option: value if option in HARMLESS_OPTIONS else HIDDEN
        for option, value in kafka["extra"].items()
    }
    for setting in all_settings():
        value = _value(settings, setting)
        if isinstance(value, SecretStr):
            _section(shown, setting)[setting.path[-1]] = _from_where(value)
        elif setting.path == ("kafka", "extra_files"):
            kafka["extra_files"] = {name: _from_where(one) for name, one in value.items()}
    return shown


def settings_that_differ(settings: Settings) -> dict[str, Any]:
    """Return by its variable each setting that is not as the defaults are, as it may be shown."""
    shown = shown_settings(settings)
    return {
        setting.variable: _section(shown, setting)[setting.path[-1]]
        for setting in all_settings()
        if _value(settings, setting) != setting.default
    }


def shown_values(settings: Settings) -> Iterator[tuple[Setting, Any]]:
    """Name every setting with its value as it may be shown."""
    shown = shown_settings(settings)
    for setting in all_settings():
        yield setting, _section(shown, setting)[setting.path[-1]]


def origin_of(name: str, secret: SecretStr | None) -> str:
    """Name a secret by its setting, and by its file if it has one."""
    return f"{name}, from {secret.path}" if isinstance(secret, SecretFile) else name


def _section(shown: dict[str, Any], setting: Setting) -> dict[str, Any]:
    for name in setting.path[:-1]:
        shown = shown[name]
    return shown


def _value(settings: Settings, setting: Setting) -> Any:  # noqa: ANN401 - as different as they are
    value: Any = settings
    for name in setting.path:
        value = getattr(value, name)
    return value


def _from_where(secret: SecretStr) -> str:
    return str(secret)
