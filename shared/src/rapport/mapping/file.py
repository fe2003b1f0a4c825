"""A mapping file, read and checked before anything is mapped by it."""

import re
import string
from collections.abc import Iterator
from collections.abc import Mapping as Dictionary
from typing import Annotated, Any, Final, Literal, Self, TypeVar
from zoneinfo import ZoneInfo

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from rapport.contracts import CONTACT_EVENT_DATA
from rapport.mapping.record import paths_in
from rapport.rule_file import said

_PATH: Final = re.compile(r"[\w@][\w .|*@-]*")


class WrongMapping(Exception):
    """The mapping can't be meant as it is written; the message says where and why, in one line."""


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


def _sound_template(template: str) -> str:
    parts = [part[1:] for part in string.Formatter().parse(template) if part[1] is not None]
    if any(spec or conversion or not _PATH.fullmatch(path or "") for path, spec, conversion in parts):
        raise ValueError("between { and } stands the name of a column or a path, and nothing else")
    return template


Template = Annotated[str, AfterValidator(_sound_template)]
"""Text with values of the record in it. Absent as a whole where one of them is blank."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class FromPath(_Part):
    """One value of the record: looked up in `map`, read as what `as` says, `cut` to so many characters."""

    path: str = Field(alias="from")
    map: dict[str, Any] | None = None
    default: Any = None
    kind: Literal["text", "plain", "number", "integer", "boolean", "instant", "any"] = Field("text", alias="as")
    cut: int | None = Field(None, gt=0)


def _shape(value: Any) -> str:
    if isinstance(value, list):
        return "first"
    if isinstance(value, FromPath) or (isinstance(value, dict) and "from" in value):
        return "path"
    if isinstance(value, dict):
        return "object"
    return "literal"


_Literal = Annotated[Template | bool | int | float, Tag("literal")]
_Path = Annotated[FromPath, Tag("path")]
_First = Annotated[list[Template | FromPath], Tag("first")]
_Object = Annotated[dict[str, Template | FromPath | bool | int | float], Tag("object")]

Value = Annotated[_Literal | _Path | _First | _Object, Discriminator(_shape)]
"""What a field of `data` becomes: a text or number, one value, the first of several that is there, or an object."""


class Like(_Part):
    """A cell that fits a pattern as for file names: `*` stands for anything."""

    like: str = Field(min_length=1)


class Matches(_Part):
    """A cell in which a regular expression is found."""

    pattern: re.Pattern[str] = Field(alias="matches")


class Not(_Part):
    """A cell of which the condition does not hold."""

    condition: "str | list[str] | Like | Matches" = Field(alias="not")


Condition = str | list[str] | Like | Matches | Not
"""What must stand in a cell: a text, one of several, `present`, `blank`, a pattern, or not that."""

Templates = Template | list[Template]


class EventRule(_Part):
    """One event that a record may become. All conditions must hold."""

    type: Annotated[str, AfterValidator(_known_type)]
    id: Templates | None = None
    time: str | None = None
    sequence: str | None = None
    when: dict[str, Condition] = Field(default_factory=dict)
    data: dict[str, Value] = Field(default_factory=dict)
    first: bool | None = None
    changed: list[str] = Field(default_factory=list)
    was: dict[str, Condition] = Field(default_factory=dict)

    @property
    def looks_back(self) -> bool:
        """Whether it needs to know the record before."""
        return self.first is not None or bool(self.changed) or bool(self.was)

    @property
    def paths(self) -> set[str]:
        """Every path that it reads."""
        found = {*self.when, *self.was, *self.changed, *templates_paths(self.id)}
        if self.time is not None:
            found.update(paths_in(self.time) if "{" in self.time else (self.time,))
        if self.sequence is not None:
            found.add(self.sequence)
        for value in self.data.values():
            found.update(_value_paths(value))
        return found


def templates(value: Templates | None) -> tuple[str, ...]:
    """The templates to be tried one after the other."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def templates_paths(value: Templates | None) -> set[str]:
    return {path for template in templates(value) for path in paths_in(template)}


def _value_paths(value: Any) -> Iterator[str]:
    if isinstance(value, FromPath):
        yield value.path
    elif isinstance(value, str):
        yield from paths_in(value)
    elif isinstance(value, list):
        for one in value:
            yield from _value_paths(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _value_paths(one)


class Mapping(_Part):
    """
    How the records of one system become events.

    `data`, `id` and `time` are what all rules have in common and need not repeat;
    `with` are constants, which are used like a column; texts in `blank` mean that
    nothing stands there.
    """

    about: str
    source: str = Field(min_length=1)
    timezone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    time_format: str | list[str] | None = None
    constants: dict[str, str] = Field(default_factory=dict, alias="with")
    blank: list[str] = Field(default_factory=list)
    ignore_case: bool = False
    id: Templates | None = None
    time: str | None = None
    data: dict[str, Value] = Field(default_factory=dict)
    events: list[EventRule] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _spread(cls, written: Any) -> Any:
        """What all rules have in common, given to each."""
        if not isinstance(written, dict) or not isinstance(written.get("events"), list):
            return written
        common = written.get("data") or {}
        if not isinstance(common, dict):
            return written
        rules = [
            {**rule, "data": {**common, **(rule.get("data") or {})}}
            if isinstance(rule, dict) and isinstance(rule.get("data") or {}, dict)
            else rule
            for rule in written["events"]
        ]
        return {**written, "events": rules}

    @property
    def paths(self) -> set[str]:
        """Every path that it reads, constants aside."""
        common = templates_paths(self.id)
        if self.time is not None:
            common.update(paths_in(self.time) if "{" in self.time else (self.time,))
        return common.union(*(rule.paths for rule in self.events)) - set(self.constants)

    def with_constants(self, given: Dictionary[str, str]) -> Self:
        """The same with other constants; WrongMapping where it has none of that name."""
        unknown = set(given) - set(self.constants)
        if unknown:
            has = ", ".join(sorted(self.constants)) or "none"
            raise WrongMapping(f"the mapping has no constant {', '.join(sorted(unknown))} (it has {has})")
        return self.model_copy(update={"constants": {**self.constants, **given}})


class Story(_Part):
    """Rows that tell of the same thing, one after the other: `by` names it, `order` says what comes first."""

    by: str
    order: list[str] = Field(default_factory=list)
    carry: list[str] = Field(default_factory=list)


class TableMapping(Mapping):
    """
    How the rows of a CSV file become events.

    A row with a blank in one of the `needs` is refused, and one with anything in a
    column of `known` but what stands there.
    """

    delimiter: str = Field(",", min_length=1, max_length=1)
    encoding: str = "utf-8"
    story: Story | None = None
    needs: list[str] = Field(default_factory=list)
    known: dict[str, list[str]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _complete(self) -> "TableMapping":
        seen: set[tuple[str, ...]] = set()
        for rule in self.events:
            name = templates(rule.id if rule.id is not None else self.id)
            if not name:
                raise ValueError(f"{rule.type} needs an id")
            if name in seen:
                raise ValueError("two events of one row can't have the same id")
            seen.add(name)
            if rule.time is None and self.time is None:
                raise ValueError(f"{rule.type} needs a time")
            if rule.looks_back and self.story is None:
                raise ValueError(f"{rule.type} looks at the row before: say under `story` which rows belong together")
        return self

    @property
    def columns(self) -> set[str]:
        """Every column that it reads."""
        story = {self.story.by, *self.story.order, *self.story.carry} if self.story else set()
        return (self.paths | story | set(self.known) | set(self.needs)) - set(self.constants)


class Timestamp(_Part):
    """The header that says when a request was signed."""

    header: str
    kind: Literal["rfc3339", "unix"] = Field(alias="as")


class Signature(_Part):
    """How a product signs its requests; `signed` is what the HMAC is made of."""

    header: str
    digest: Literal["sha1", "sha256", "sha512"]
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    signed: Literal["{body}", "{timestamp}{body}", "{timestamp}.{body}"] = "{body}"
    timestamp: Timestamp | None = None

    @model_validator(mode="after")
    def _has_timestamp(self) -> "Signature":
        if "{timestamp}" in self.signed and self.timestamp is None:
            raise ValueError("the timestamp is signed: name its header")
        return self


class HookMapping(Mapping):
    """
    How a webhook's payload becomes events.

    Without an `id` an event is known by the hash of source and body. `keep` names
    the attribute under which each event carries the whole payload along. `others` is
    what becomes of an object that no rule is for.
    """

    signature: Signature | None = None
    keep: str | None = None
    others: Literal["ignored", "refused"] = "ignored"

    @model_validator(mode="after")
    def _no_story(self) -> "HookMapping":
        for rule in self.events:
            if rule.looks_back:
                raise ValueError(f"{rule.type}: a payload has no row before it")
            if rule.time is None and self.time is None:
                raise ValueError(f"{rule.type} needs a time")
        return self


M = TypeVar("M", bound=Mapping)


def parse_table(text: str, name: str) -> TableMapping:
    """The mapping of a table; WrongMapping says what is wrong with it."""
    return _parse(TableMapping, text, name)


def parse_hook(text: str, name: str) -> HookMapping:
    """The mapping of a webhook; WrongMapping says what is wrong with it."""
    return _parse(HookMapping, text, name)


def _parse(kind: type[M], text: str, name: str) -> M:
    try:
        return kind.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise WrongMapping(f"mapping {name}: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise WrongMapping(f"mapping {name}: is nested too deep") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(step for step in map(str, first["loc"]) if "[" not in step)  # such are our models' own
        raise WrongMapping(f"mapping {name}: {place or 'the file'}: {said(first)}") from None
