"""Reading the settings: all problems at once, or none.

SettingsInvalid          the settings cannot be used; it names every problem
"""

import json
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
)

from reservation_worker.settings.model import ENVIRONMENT_PREFIX, Settings
from reservation_worker.settings.names import FILE_SUFFIX, Setting, all_settings
from reservation_worker.settings.relations import broken_relations
from reservation_worker.settings.secret_files import SecretFile, SecretUnreadable
from reservation_worker.settings.service_links import is_service_link

UNKNOWN = "extra_forbidden"
"""How pydantic calls a setting that does not exist."""


class SettingsInvalid(Exception):
    """The settings cannot be used."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load_settings(
    config_file: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    check: Callable[[Settings], Iterable[str]] = lambda _settings: (),
) -> Settings:
    """Read the settings: overrides, environment, secret files, configuration file, defaults.

    `check` names further problems, to be said together with all others.

    Raises:
        SettingsInvalid: something is unknown, of the wrong kind, or contradicts something else.
    """
    problems = [*_unknown_variables(), *_broken_json_variables().values()]
    secrets, secret_problems = _read_secret_files()
    problems.extend(secret_problems)
    try:
        written = {} if config_file is None else tomllib.loads(config_file.read_text("utf-8"))
        settings = _build(dict(overrides or {}), secrets, written)
    except ValidationError as error:
        problems.extend(_described(error))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{config_file}: is not TOML: {error}")
    except OSError as error:
        problems.append(f"{config_file}: cannot be read: {error.strerror}")
    else:
        problems.extend(broken_relations(settings))
        problems.extend(check(settings))
        if not problems:
            return settings
    raise SettingsInvalid(tuple(problems))


def _build(overrides: dict[str, Any], secrets: dict[str, Any], written: dict[str, Any]) -> Settings:
    class Sourced(Settings):
        """The settings, bound to the sources of this one reading."""

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (
                init_settings,
                Environment(settings_cls),
                InitSettingsSource(settings_cls, secrets),
                InitSettingsSource(settings_cls, written),
            )

    return Sourced(**overrides)


class Environment(EnvSettingsSource):
    """The environment without what only points at files of secrets."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        # What is wrong with the others is said elsewhere, together with all other problems.
        usable = {setting.variable for setting in all_settings()} - set(_broken_json_variables())
        variables = super()._load_env_vars()
        return {name: text for name, text in variables.items() if name.upper() in usable}


def _secrets() -> list[Setting]:
    return [setting for setting in all_settings() if setting.secret]


def _unknown_variables() -> list[str]:
    known = {setting.variable for setting in all_settings()}
    known |= {setting.variable + FILE_SUFFIX for setting in _secrets()}
    given = sorted(name for name in os.environ if name.upper().startswith(ENVIRONMENT_PREFIX))
    return [
        f"{name}: there is no such setting{_suggestion(name.upper(), known)}"
        for name in given
        if name.upper() not in known and not is_service_link(name, os.environ[name])
    ]


def _suggestion(name: str, known: set[str]) -> str:
    # The prefix that all have in common would make everything look alike.
    without_prefix = {one.removeprefix(ENVIRONMENT_PREFIX): one for one in sorted(known)}
    close = get_close_matches(name.removeprefix(ENVIRONMENT_PREFIX), without_prefix, n=1)
    return f"; did you mean {without_prefix[close[0]]}?" if close else "; `config docs` lists all"


def _broken_json_variables() -> dict[str, str]:
    """Return what is wrong with variables of settings that are lists or maps."""
    broken = {}
    for setting in all_settings():
        text = os.environ.get(setting.variable)
        if not setting.structured or text is None:
            continue
        try:
            json.loads(text)
        except ValueError:
            broken[setting.variable] = f"{setting.variable}: must be JSON, {setting.structured}"
    return broken


def _read_secret_files() -> tuple[dict[str, Any], list[str]]:
    """Return the secrets that files hold, as nested settings, and what is wrong with the files."""
    found: dict[str, Any] = {}
    problems = []
    for setting in _secrets():
        variable = setting.variable + FILE_SUFFIX
        named = os.environ.get(variable)
        if not named:
            continue
        try:
            secret = SecretFile(Path(named))
        except SecretUnreadable as error:
            problems.append(f"{variable}: {error}")
        else:
            section = found
            for name in setting.path[:-1]:
                section = section.setdefault(name, {})
            section[setting.path[-1]] = secret
    return found, problems


def _described(error: ValidationError) -> list[str]:
    """Name each wrong setting by its place and its variable; never show its value."""
    known = {setting.path: setting.variable for setting in all_settings()}
    lines = []
    for one in error.errors(include_input=False, include_url=False, include_context=False):
        path = tuple(str(part) for part in one["loc"])
        place = ".".join(path)
        if one["type"] == UNKNOWN:
            siblings = {other[-1] for other in known if other[:-1] == path[:-1]}
            close = get_close_matches(path[-1], sorted(siblings), n=1, cutoff=0.4)
            hint = f"; did you mean {'.'.join((*path[:-1], close[0]))}?" if close else ""
            lines.append(f"{place}: there is no such setting{hint}")
        else:
            variable = f" ({known[path]})" if path in known else ""
            lines.append(f"{place}{variable}: {one['msg'].removeprefix('Value error, ')}")
    return lines
