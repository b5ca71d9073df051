"""The settings as anybody may see them: in tickets, in logs, on a screen."""

from typing import Any

from reservation_worker.settings.model import Settings
from reservation_worker.settings.names import all_settings


def settings_that_differ(settings: Settings) -> dict[str, Any]:
    """Return by its variable each setting that is not as the defaults are; no secret."""
    dumped = settings.model_dump(mode="json")
    dumped["kafka"]["extra"] = sorted(settings.kafka.extra)
    shown: dict[str, Any] = {}
    for setting in all_settings():
        value: Any = settings
        text: Any = dumped
        for name in setting.path:
            value, text = getattr(value, name), text[name]
        if value != setting.default:
            shown[setting.variable] = text
    return shown
