"""Every setting by its place and its name in the environment."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from reservation_worker.settings.model import ENVIRONMENT_PREFIX, NESTING, Settings

FILE_SUFFIX = "_FILE"
"""A secret's variable with this suffix names a file that holds it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting."""

    path: tuple[str, ...]
    """Section and name, as in the configuration file."""
    field: FieldInfo

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return variable_of(self.path)

    @property
    def secret(self) -> bool:
        """Whether it must not be shown, and may come from a file."""
        return SecretStr in _alternatives(self.field.annotation)

    @property
    def structured(self) -> str:
        """An example of the JSON that its variable takes; empty: it takes plain text."""
        for kind in _alternatives(self.field.annotation):
            if get_origin(kind) is dict:
                return 'such as {"name": "value"}'
            if get_origin(kind) is tuple:
                return "such as [1, 2, 3]"
        return ""

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that it may have; empty: not a closed set."""
        return tuple(
            choice
            for kind in _alternatives(self.field.annotation)
            if get_origin(kind) is Literal
            for choice in get_args(kind)
        )

    @property
    def bounds(self) -> tuple[object, ...]:
        """What its value is held to."""
        return (*self.field.metadata, *_constraints(self.field.annotation))

    @property
    def default(self) -> Any:  # noqa: ANN401 - as different as the settings are
        """What counts where nothing is set."""
        return self.field.get_default(call_default_factory=True, validated_data={})


def variable_of(path: tuple[str, ...]) -> str:
    """Return the environment's name for a place in the settings."""
    return ENVIRONMENT_PREFIX + NESTING.join(path).upper()


def all_settings(
    model: type[BaseModel] = Settings, above: tuple[str, ...] = ()
) -> Iterator[Setting]:
    """Name every setting, in the order of the sections."""
    for name, field in model.model_fields.items():
        path = (*above, name)
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from all_settings(annotation, path)
        else:
            yield Setting(path, field)


def _alternatives(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401 - annotations are anything
    origin = get_origin(annotation)
    if origin is Annotated:
        return _alternatives(get_args(annotation)[0])
    if origin in {Union, UnionType}:
        return tuple(one for part in get_args(annotation) for one in _alternatives(part))
    return (annotation,)


def _constraints(annotation: Any) -> tuple[object, ...]:  # noqa: ANN401 - annotations are anything
    """Return the bounds inside an annotation that allows several kinds."""
    if get_origin(annotation) is Annotated:
        fields = (one for one in get_args(annotation)[1:] if isinstance(one, FieldInfo))
        return tuple(bound for field in fields for bound in field.metadata)
    if get_origin(annotation) in {Union, UnionType}:
        return tuple(bound for part in get_args(annotation) for bound in _constraints(part))
    return ()
