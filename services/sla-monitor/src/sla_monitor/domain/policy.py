"""
What a policy file says, as models: calendars, policies, escalations, receivers, people, teams.

A file is read whole or refused whole; unknown keys are errors (see `policy_checks`
for what the parts say about each other). `${VAR}` stays as written: secrets are
never stored expanded. The descriptions are what editors show (see `policy_schema`).
"""

from datetime import date, timedelta
from functools import partial
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from rapport.contracts.fields import Outcome, WaitingOn
from rapport.contracts.matching import plain
from rapport.contracts.vocabulary import meant

from sla_monitor.domain.durations import Length
from sla_monitor.domain.policy_fields import (
    CONTACT_FIELDS,
    CUSTOMER_FIELDS,
    FIELD_SCHEMA,
    GROUPING_FIELDS,
    MATCH_SCHEMA,
    is_matchable,
    wrong_field,
)
from sla_monitor.domain.policy_values import (
    Names,
    Overrides,
    Scalar,
    Share,
    Span,
    TimeOfDay,
    Wall,
    Warns,
    Week,
    as_list,
    listed,
)
from sla_monitor.domain.states import Paging


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _or_short(schema: JsonSchemaValue, handler: GetJsonSchemaHandler, *short: JsonSchemaValue) -> JsonSchemaValue:
    """The schema of a model that may also be written in short."""
    resolved = handler.resolve_ref_schema(schema)
    whole = dict(resolved)
    about = whole.pop("description", "")
    resolved.clear()
    resolved.update({"description": about, "anyOf": [*short, whole]})
    return schema


class Holidays(_Strict):
    """Public holidays of a country, with dates added and dropped; or dates alone."""

    country: str | None = Field(None, description="ISO 3166-1 code of the country whose public holidays are kept")
    subdivision: str | None = Field(None, description="ISO 3166-2 code of its state or province, without the country")
    add: list[date] = Field(default_factory=list, description="further dates that are closed")
    drop: list[date] = Field(default_factory=list, description="public holidays that are worked")

    @model_validator(mode="before")
    @classmethod
    def _dates_alone(cls, value: object) -> object:
        return {"add": value} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _no_subdivision_of_nowhere(self) -> "Holidays":
        if self.subdivision and not self.country:
            raise ValueError("a subdivision needs its country")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return _or_short(handler(core), handler, {"type": "array", "items": {"type": "string", "format": "date"}})


class CalendarModel(_Strict):
    """When a place is open."""

    timezone: str = Field(description="IANA name of the zone, such as Europe/Berlin")
    hours: Week
    holidays: Holidays = Field(Holidays(), description="dates that are closed, even against an override")
    overrides: Overrides = Field(default_factory=dict)


class Choice(_Strict):
    """A name, or one of several by a field of the contact."""

    by: Annotated[str, WithJsonSchema(FIELD_SCHEMA, mode="validation")] | None = Field(
        None, description="the field of contact or customer that decides"
    )
    map: dict[str, str] = Field(default_factory=dict, description="from the field's value to the name")
    default: str | None = Field(None, description="the name for every other value")

    @model_validator(mode="before")
    @classmethod
    def _a_name_alone(cls, value: object) -> object:
        return {"default": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _something_to_choose(self) -> "Choice":
        if self.by is None and (self.map or self.default is None):
            raise ValueError("must be a name, or have by, map and default")
        if self.by is not None and (wrong := wrong_field(self.by)):
            raise ValueError(wrong)
        return self

    def names(self) -> set[str]:
        return {*self.map.values(), *({self.default} if self.default else ())}

    def pick(self, facts: dict[str, Any]) -> str | None:
        value = facts.get(self.by) if self.by else None
        return self.default if value is None else self.map.get(plain(value), self.default)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return _or_short(handler(core), handler, {"type": "string"})


class TargetModel(_Strict):
    """How long something may take: within a length, or by the end of a business day."""

    within: Span | None = Field(None, description="so much open time, or so many business days")
    by: Literal["end of same business day", "end of next business day"] | None = Field(
        None, description="by closing, counted from the local date of arrival"
    )
    every: Span | None = Field(None, description="of update alone: how often the customer hears from us")
    cutoff: TimeOfDay | None = Field(None, description="with by: what arrives later counts as of the next day")
    elapsed: bool = Field(default=False, description="true: wall-clock time instead of open time")
    pause_on: Annotated[list[WaitingOn], BeforeValidator(as_list), listed(*get_args(WaitingOn))] = Field(
        default_factory=list, description="of resolution and update: the clock stands while waiting for them"
    )

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
    """What is promised, by target."""

    first_response: _Answer | None = Field(None, description="from the first message to the first human answer")
    next_response: _Answer | None = Field(
        None, description="from the first message after our last answer to the next one"
    )
    update: _Update | None = Field(None, description="from every answer or report to the next, while open")
    resolution: _Resolution | None = Field(None, description="from opening to the resolution")
    escalated: _Answer | None = Field(None, description="from being handed up to the next answer, report or resolution")


class PolicyModel(_Strict):
    """One policy: whom it is for, and what is promised to them. The first that matches applies."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    match: Annotated[
        dict[str, Annotated[list[Scalar], BeforeValidator(as_list)]], WithJsonSchema(MATCH_SCHEMA, mode="validation")
    ] = Field(default_factory=dict)
    calendar: Choice = Field(description="the calendar in which open time counts")
    targets: Targets = Field(Targets(), description="what is promised")
    warn: Warns = Field(
        default_factory=list, description="when the owner is warned: share of the open time used, or so long before"
    )
    page: Paging = Field("business_hours", description="what may ring: at any hour, in business hours, or never")
    reopen: Literal["continue", "restart"] = Field(
        "continue", description="what a reopening gives: what was left of resolution, or all of it"
    )
    reopen_floor: Share = Field(0.1, description="the least that a reopening gives")
    reopen_within: Wall = Field(timedelta(days=7), description="a message later than this restarts in any case")
    escalation: Choice | None = Field(None, description="who is told of a breach, and when")


class Step(_Strict):
    """One step of an escalation: `after` so long, these are told; the last may repeat."""

    after: Wall = Field(description="wall-clock time since the alert could first ring")
    notify: Names = Field(description="owner, team, receivers or people", min_length=1)
    repeat: Wall | None = Field(None, description="of the last step: how often it rings again")

    @model_validator(mode="after")
    def _repeats_at_a_pace(self) -> "Step":
        if self.repeat is not None and self.repeat < timedelta(seconds=1):
            raise ValueError("repeat must be a second at least")
        return self


class Address(_Strict):
    """Where a message goes: webhook:, alertmanager:, pagerduty: or any Apprise URL. Without `calendar` always open."""

    url: str = Field(description="${VAR} is taken from the environment when a message is sent")
    calendar: str | None = Field(None, description="it is taken while this calendar is open")
    fields: list[str] | None = Field(None, description="all that it may learn of a contact; else everything")


class Receiver(_Strict):
    """One address, or several of which the first that is open is taken."""

    entries: Annotated[list[Address], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        if isinstance(value, list):
            return {"entries": value}
        return value if isinstance(value, dict) and "entries" in value else {"entries": [value]}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        resolved = handler.resolve_ref_schema(schema)
        several = resolved["properties"]["entries"]
        about = resolved.get("description", "")
        resolved.clear()
        resolved.update({"description": about, "anyOf": [several["items"], {**several, "title": "Several"}]})
        return schema


class Person(_Strict):
    """What `owner` means: somebody who works on contacts."""

    name: str | None = None
    url: str | None = Field(None, description="where messages to them go; without it nobody is reached")
    fields: list[str] | None = Field(None, description="all that they may learn of a contact; else everything")


class Team(_Strict):
    """What `team` means."""

    receiver: str = Field(description="the receiver that its messages go to")
    name: str | None = None


class Grouping(_Strict):
    """Which alerts make one message, as Alertmanager groups them."""

    by: Annotated[list[str], WithJsonSchema({"type": "array", "items": {"enum": sorted(GROUPING_FIELDS)}})] = Field(
        default_factory=lambda: ["team", "policy"]
    )
    wait: Wall = Field(timedelta(seconds=10), description="how long a new group waits for more")
    interval: Wall = Field(timedelta(minutes=5), description="how long new members of a group wait that was just sent")
    repeat: Wall | None = Field(None, description="how often a group that still stands is sent again")

    @model_validator(mode="after")
    def _by_what_alerts_have(self) -> "Grouping":
        for field in self.by:
            if field not in GROUPING_FIELDS:
                hint = meant(field, GROUPING_FIELDS)
                raise ValueError(f"{field!r} is none of {', '.join(sorted(GROUPING_FIELDS))}{hint}")
        return self


class RepeatContacts(_Strict):
    """So many contacts of one customer within that time."""

    count: Annotated[int, Field(ge=1)]
    within: Wall
    same: Annotated[str, WithJsonSchema(FIELD_SCHEMA, mode="validation")] | None = Field(
        None, description="only those count that have this field in common"
    )

    @model_validator(mode="after")
    def _of_a_field_that_exists(self) -> "RepeatContacts":
        if self.same is not None and (wrong := wrong_field(self.same)):
            raise ValueError(wrong)
        return self


class Breaches(_Strict):
    """So many breaches of one customer within that time."""

    count: Annotated[int, Field(ge=1)]
    within: Wall


class Handovers(_Strict):
    """One contact passed on so often."""

    count: Annotated[int, Field(ge=1)]


class LowScore(_Strict):
    """A score as low as that, or lower."""

    csat: int | None = None
    nps: int | None = None
    ces: int | None = None


class Risk(_Strict):
    """What of one customer makes a conflict likely."""

    repeat_contacts: RepeatContacts | None = None
    breaches: Breaches | None = None
    handovers: Handovers | None = None
    low_score: LowScore | None = None
    negative_outcome: Annotated[list[Outcome], BeforeValidator(as_list), listed(*get_args(Outcome))] = Field(
        default_factory=list, description="outcomes that the customer won't like"
    )
    notify: Names = Field(
        default_factory=list,
        description="who hears of it: owner (else the customer's own agent), team, receivers, people",
    )


class PolicyFile(_Strict):
    """A whole policy file: the one place for targets, calendars and escalation."""

    calendars: dict[str, CalendarModel] = Field(default_factory=dict, description="opening hours, by name")
    policies: list[PolicyModel] = Field(default_factory=list, description="the first that matches applies")
    escalations: dict[str, list[Step]] = Field(default_factory=dict, description="who is told when, by name")
    receivers: dict[str, Receiver] = Field(default_factory=dict, description="where messages go, by name")
    people: dict[str, Person] = Field(default_factory=dict, description="who `owner` may be, by agent_id")
    teams: dict[str, Team] = Field(default_factory=dict, description="what `team` means, by team")
    auditor: Names = Field(
        default_factory=list,
        description="receivers or people told when alerting itself is in trouble; else the tops of the escalations",
    )
    grouping: Grouping = Field(Grouping(), description="which alerts make one message")
    risk: Risk = Field(Risk(), description="what raises a customer's risk")


__all__ = ["CONTACT_FIELDS", "CUSTOMER_FIELDS", "PolicyFile", "is_matchable"]
