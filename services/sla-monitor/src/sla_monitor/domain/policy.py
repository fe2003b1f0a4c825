"""
What a policy file says, as models: calendars, policies, escalations, receivers, people, teams.

A file is read whole or refused whole; unknown keys and names that nothing
carries are errors. `${VAR}` stays as written: secrets are never stored expanded.
"""

import re
from collections.abc import Container, Iterable, Iterator
from datetime import date, time, timedelta
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from rapport.business_time.opening_hours import WEEKDAYS
from rapport.contracts.contact_events import ContactReceived, CustomerUpdated
from rapport.contracts.fields import Outcome, WaitingOn

from sla_monitor.domain.durations import Length, Warn, read_length, read_share, read_wall, read_warn
from sla_monitor.domain.states import Paging

CONTACT_FIELDS = frozenset(ContactReceived.model_fields) - {"contact_id", "customer_id", "attributes", "promised_by"}
CUSTOMER_FIELDS = frozenset(CustomerUpdated.model_fields) - {"customer_id"}
GROUPING_FIELDS = frozenset({"team", "policy", "owner", "target", "channel", "kind", "priority", "customer_id"})
TARGETS = ("first_response", "next_response", "update", "resolution", "escalated")

_ATTRIBUTE = re.compile(r"attributes(\.[^.]+)+")

Scalar = str | bool | int | float


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _as_list(value: object) -> object:
    return list(value) if isinstance(value, list | tuple) else [value]


def _time_of_day(value: object) -> time:
    if isinstance(value, time):
        return value
    try:
        return time.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is not a time of day such as 15:00") from None


def _interval(value: object) -> tuple[str, str]:
    if isinstance(value, tuple | list) and len(value) == 2:  # noqa: PLR2004 - a pair
        return (str(value[0]), str(value[1]))
    opens, dash, closes = str(value).partition("-")
    if not dash:
        raise ValueError(f"{value!r} is not an interval such as 09:00-17:00")
    return (opens.strip(), closes.strip())


def _weekdays(text: str) -> list[str]:
    days: list[str] = []
    for part in text.replace(" ", "").lower().split(","):
        first, _, last = part.partition("-")
        if first not in WEEKDAYS or (last or first) not in WEEKDAYS:
            raise ValueError(f"{text!r} is not a weekday or a range of them, such as mon or mon-fri")
        start, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
        days += [WEEKDAYS[at % 7] for at in range(start, end + 1 if end >= start else end + 8)]
    return days


def _week(value: object) -> object:
    """Hours by single weekdays; a weekday named twice is a contradiction."""
    if not isinstance(value, dict):
        raise ValueError("must map weekdays to lists of intervals")  # noqa: TRY004 - pydantic wants ValueError
    week: dict[str, Any] = {}
    for key, hours in value.items():
        for day in _weekdays(str(key)):
            if day in week:
                raise ValueError(f"{day} is given twice")
            week[day] = hours
    return week


Interval = Annotated[tuple[str, str], BeforeValidator(_interval)]
Intervals = Annotated[list[Interval], BeforeValidator(_as_list)]
Wall = Annotated[timedelta, BeforeValidator(lambda value: value if isinstance(value, timedelta) else read_wall(value))]
Span = Annotated[Length, BeforeValidator(lambda value: value if isinstance(value, Length) else read_length(value))]
Share = Annotated[float, BeforeValidator(lambda value: value if isinstance(value, float) else read_share(value))]
Warning_ = Annotated[Warn, BeforeValidator(lambda value: value if isinstance(value, Warn) else read_warn(value))]


class Holidays(_Strict):
    """Public holidays of a country, with dates added and dropped."""

    country: str | None = None
    subdivision: str | None = None
    add: list[date] = Field(default_factory=list)
    drop: list[date] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _dates_alone(cls, value: object) -> object:
        return {"add": value} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _no_subdivision_of_nowhere(self) -> "Holidays":
        if self.subdivision and not self.country:
            raise ValueError("a subdivision needs its country")
        return self


class CalendarModel(_Strict):
    timezone: str
    hours: Annotated[dict[str, Intervals], BeforeValidator(_week)]
    holidays: Holidays = Holidays()
    overrides: dict[date, Annotated[list[Interval], BeforeValidator(_as_list)]] = Field(default_factory=dict)


class Choice(_Strict):
    """A name, or one of several by a field of the contact."""

    by: str | None = None
    map: dict[str, str] = Field(default_factory=dict)
    default: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _a_name_alone(cls, value: object) -> object:
        return {"default": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _something_to_choose(self) -> "Choice":
        if self.by is None and (self.map or self.default is None):
            raise ValueError("must be a name, or have by, map and default")
        return self

    def names(self) -> set[str]:
        return {*self.map.values(), *({self.default} if self.default else ())}

    def pick(self, facts: dict[str, Any]) -> str | None:
        return self.map.get(str(facts.get(self.by)), self.default) if self.by else self.default


class TargetModel(_Strict):
    """How long something may take: within a length, or by the end of a business day."""

    within: Span | None = None
    by: Literal["end of same business day", "end of next business day"] | None = None
    every: Span | None = None
    cutoff: Annotated[time, BeforeValidator(_time_of_day)] | None = None
    elapsed: bool = False
    pause_on: Annotated[list[WaitingOn], BeforeValidator(_as_list)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _says_one_thing(self) -> "TargetModel":
        if sum(said is not None for said in (self.within, self.by, self.every)) != 1:
            raise ValueError("must say one of within and by (update: every)")
        if self.cutoff is not None and self.by is None:
            raise ValueError("cutoff goes with by: end of … business day")
        length = self.within or self.every
        if self.elapsed and (length is None or length.days):
            raise ValueError("elapsed goes with a length such as 4h")
        return self

    @property
    def length(self) -> Length | None:
        return self.within or self.every


def _may(target: TargetModel, *, every: bool = False, pause: bool = False) -> TargetModel:
    if (target.every is not None) != every:
        raise ValueError("update says every; the other targets say within or by")
    if target.pause_on and not pause:
        raise ValueError("only resolution and update may pause")
    return target


_Answer = Annotated[TargetModel, AfterValidator(_may)]
_Update = Annotated[TargetModel, AfterValidator(partial(_may, every=True, pause=True))]
_Resolution = Annotated[TargetModel, AfterValidator(partial(_may, pause=True))]


class Targets(_Strict):
    first_response: _Answer | None = None
    next_response: _Answer | None = None
    update: _Update | None = None
    resolution: _Resolution | None = None
    escalated: _Answer | None = None


def is_matchable(field: str) -> bool:
    """Whether `match` and `by` may ask for that field."""
    return field in CONTACT_FIELDS | CUSTOMER_FIELDS or _ATTRIBUTE.fullmatch(field) is not None


def _check_field(field: str) -> None:
    if not is_matchable(field):
        raise ValueError(f"{field!r} is no field of a contact or a customer (attributes.… are free)")


class PolicyModel(_Strict):
    """One policy: whom it is for, and what is promised to them."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    match: dict[str, Annotated[list[Scalar], BeforeValidator(_as_list)]] = Field(default_factory=dict)
    calendar: Choice
    targets: Targets = Targets()
    warn: Annotated[list[Warning_], BeforeValidator(_as_list)] = Field(default_factory=list)
    page: Paging = "business_hours"
    reopen: Literal["continue", "restart"] = "continue"
    reopen_floor: Share = 0.1
    reopen_within: Wall = timedelta(days=7)
    escalation: Choice | None = None

    @model_validator(mode="after")
    def _asks_for_fields_that_exist(self) -> "PolicyModel":
        for field in self.match:
            _check_field(field)
        for choice in (self.calendar, self.escalation):
            if choice and choice.by:
                _check_field(choice.by)
        return self


class Step(_Strict):
    """One step of an escalation: `after` so long, these are told; the last may repeat."""

    after: Wall
    notify: Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)]
    repeat: Wall | None = None

    @model_validator(mode="after")
    def _repeats_at_a_pace(self) -> "Step":
        if self.repeat is not None and self.repeat < timedelta(seconds=1):
            raise ValueError("repeat must be a second at least")
        return self


def _deliverable(url: str) -> str:
    scheme = url.partition(":")[0]
    if scheme in {"alertmanager", "pagerduty"}:
        raise ValueError(f"nothing is delivered to {scheme}: yet; its webhook: address may serve")
    return url


Url = Annotated[str, AfterValidator(_deliverable)]


class Address(_Strict):
    """Where a message goes: any Apprise URL, or webhook:. Without `calendar` always open."""

    url: Url
    calendar: str | None = None
    fields: list[str] | None = None


class Receiver(_Strict):
    """One address, or several of which the first that is open is taken."""

    entries: Annotated[list[Address], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        if isinstance(value, list):
            return {"entries": value}
        return value if isinstance(value, dict) and "entries" in value else {"entries": [value]}


class Person(_Strict):
    name: str | None = None
    url: Url | None = None
    fields: list[str] | None = None


class Team(_Strict):
    receiver: str
    name: str | None = None


class Grouping(_Strict):
    by: list[str] = Field(default_factory=lambda: ["team", "policy"])
    wait: Wall = timedelta(seconds=10)
    interval: Wall = timedelta(minutes=5)
    repeat: Wall | None = None

    @model_validator(mode="after")
    def _by_what_alerts_have(self) -> "Grouping":
        for field in self.by:
            if field not in GROUPING_FIELDS:
                raise ValueError(f"{field!r} is none of {', '.join(sorted(GROUPING_FIELDS))}")
        return self


class RepeatContacts(_Strict):
    count: Annotated[int, Field(ge=1)]
    within: Wall
    same: str | None = None


class Breaches(_Strict):
    count: Annotated[int, Field(ge=1)]
    within: Wall


class Handovers(_Strict):
    count: Annotated[int, Field(ge=1)]


class LowScore(_Strict):
    csat: int | None = None
    nps: int | None = None
    ces: int | None = None


class Risk(_Strict):
    """What of one customer makes a conflict likely."""

    repeat_contacts: RepeatContacts | None = None
    breaches: Breaches | None = None
    handovers: Handovers | None = None
    low_score: LowScore | None = None
    negative_outcome: list[Outcome] = Field(default_factory=list)


class PolicyFile(_Strict):
    """A whole policy file. What its parts say about each other is checked by `contradictions`."""

    calendars: dict[str, CalendarModel] = Field(default_factory=dict)
    policies: list[PolicyModel] = Field(default_factory=list)
    escalations: dict[str, list[Step]] = Field(default_factory=dict)
    receivers: dict[str, Receiver] = Field(default_factory=dict)
    people: dict[str, Person] = Field(default_factory=dict)
    teams: dict[str, Team] = Field(default_factory=dict)
    grouping: Grouping = Grouping()
    risk: Risk = Risk()


Path = tuple[str | int, ...]
Contradiction = tuple[Path, str]


def contradictions(file: PolicyFile) -> list[Contradiction]:
    """Where the parts of a file contradict each other, and how."""
    return [*_of_policies(file), *_of_escalations(file), *_of_receivers(file)]


def _of_policies(file: PolicyFile) -> Iterator[Contradiction]:
    names: set[str] = set()
    for at, policy in enumerate(file.policies):
        here: Path = ("policies", at)
        if policy.name in names:
            yield (*here, "name"), f"there are two policies called {policy.name!r}"
        names.add(policy.name)
        if policy.calendar.default is None:
            yield (*here, "calendar"), "a choice by a field needs a default"
        yield from _unknown((*here, "calendar"), "calendar", policy.calendar.names(), file.calendars)
        steps = policy.escalation.names() if policy.escalation else set[str]()
        yield from _unknown((*here, "escalation"), "escalation", steps, file.escalations)


def _of_escalations(file: PolicyFile) -> Iterator[Contradiction]:
    ringable = {"owner", "team", *file.receivers, *file.people}
    for name, steps in file.escalations.items():
        for at, step in enumerate(steps):
            here: Path = ("escalations", name, at)
            yield from _unknown((*here, "notify"), "receiver or person", step.notify, ringable)
            if at and step.after < steps[at - 1].after:
                yield (*here, "after"), "comes before the step above it"
            if step.repeat is not None and at < len(steps) - 1:
                yield (*here, "repeat"), "only the last step may repeat"


def _of_receivers(file: PolicyFile) -> Iterator[Contradiction]:
    for name, receiver in file.receivers.items():
        for at, address in enumerate(receiver.entries):
            named = [address.calendar] if address.calendar else []
            yield from _unknown(("receivers", name, at, "calendar"), "calendar", named, file.calendars)
    for name, team in file.teams.items():
        yield from _unknown(("teams", name, "receiver"), "receiver", [team.receiver], file.receivers)


def _unknown(path: Path, what: str, names: Iterable[str], known: Container[str]) -> Iterator[Contradiction]:
    for name in sorted(set(names)):
        if name not in known:
            yield path, f"there is no {what} called {name!r}"
