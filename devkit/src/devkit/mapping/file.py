"""A mapping file, read and checked before anything is sent."""

import re
import string
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from rapport.contracts import CONTACT_EVENT_DATA

from devkit.errors import CommandFailed

_SHIPPED = resources.files("devkit") / "mappings"


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ValueError(f"{name!r} is no time zone") from None
    return name


def _known_type(name: str) -> str:
    if name not in CONTACT_EVENT_DATA:
        raise ValueError(f"{name!r} is no type of event that intake takes")
    return name


def columns_of(template: str) -> list[str]:
    """The columns that a template such as `anonymous:{case}` names."""
    return [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]


def _sound_template(template: str) -> str:
    if any(not re.fullmatch(r"\w[\w .-]*", name) for name in columns_of(template)):
        raise ValueError("between { and } stands the name of a column, and nothing else")
    return template


Template = Annotated[str, AfterValidator(_sound_template)]
"""Text with the values of columns in it. Absent as a whole where one of them is blank."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class FromColumn(_Part):
    """One value out of a column: looked up in `map`, read as what `as` says."""

    column: str = Field(alias="from")
    map: dict[str, Any] | None = None
    default: Any = None
    kind: Literal["text", "number", "integer", "boolean", "instant"] = Field("text", alias="as")


Value = Template | bool | int | float | FromColumn


class EventRule(_Part):
    """One event that a row may become. All conditions of `when` must hold."""

    type: Annotated[str, AfterValidator(_known_type)]
    id: Template
    time: str
    when: dict[str, str | list[str]] = Field(default_factory=dict)
    data: dict[str, Value]

    @property
    def columns(self) -> set[str]:
        found = {self.time, *self.when, *columns_of(self.id)}
        for value in self.data.values():
            if isinstance(value, FromColumn):
                found.add(value.column)
            elif isinstance(value, str):
                found.update(columns_of(value))
        return found


class Mapping(_Part):
    """How the rows of a file become events."""

    about: str
    source: str = Field(min_length=1)
    delimiter: str = Field(",", min_length=1, max_length=1)
    encoding: str = "utf-8"
    timezone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    time_format: str | None = None
    events: list[EventRule] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_differ(self) -> "Mapping":
        ids = [rule.id for rule in self.events]
        if len(set(ids)) < len(ids):
            raise ValueError("two events of one row can't have the same id")
        return self

    @property
    def columns(self) -> set[str]:
        """Every column that it reads."""
        return set().union(*(rule.columns for rule in self.events))


def find_mapping(name: str) -> Mapping:
    """The mapping in the file `name`, or the shipped one of that name; CommandFailed says what is wrong with it."""
    shipped = sorted(entry.name.removesuffix(".yaml") for entry in _SHIPPED.iterdir() if entry.name.endswith(".yaml"))
    if name in shipped:
        text = (_SHIPPED / f"{name}.yaml").read_text("utf-8")
    elif Path(name).is_file():
        text = Path(name).read_text("utf-8")
    else:
        raise CommandFailed(f"there is no mapping {name!r}: give a file, or one of {', '.join(shipped)}")
    return parse(text, name)


def parse(text: str, name: str) -> Mapping:
    try:
        return Mapping.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise CommandFailed(f"mapping {name}: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise CommandFailed(f"mapping {name}: {place or 'the file'}: {first['msg']}") from None
