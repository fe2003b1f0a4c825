"""The plays file: what follows which event, how often a customer may hear from us, and when never."""

from datetime import date, timedelta
from typing import Any, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from rapport.business_time import Calendar
from rapport.contracts import EVENT_DATA, TOPIC_OF
from rapport.contracts.fields import Channel, SurveyKind
from rapport.contracts.topics import FOLLOWUP_EVENTS
from rapport.contracts.vocabulary import meant

from followup.domain.durations import CapField, DelayField, HoursField, NextField, RiskField, Span

Do = Literal["survey", "check_in", "message"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Value = str | int | float | bool | None

TEXT_CHANNELS: Final[tuple[Channel, ...]] = ("sms", "chat", "social")
"""Channels on which we write texts to a telephone number; the sender of each is called as it is."""

STARTING = frozenset(name for name in EVENT_DATA if TOPIC_OF[name] != FOLLOWUP_EVENTS)
"""The types of event that can start a play."""

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_PURPOSE: dict[str, str] = {"survey": "survey", "check_in": "check_in", "message": "marketing"}
_PATIENCE = {"survey": timedelta(days=7), "check_in": timedelta(days=14), "message": timedelta(days=7)}
_PRESUMED = frozenset({"check_in", "service"})


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Step(Strict):
    """
    One thing to do, `after` the trigger, moved on to the `next` such local time where `at` says one.

    `within` is how long a person has for a check-in. A step that the budget or
    quiet hours put off for longer than `patience` after it was due is dropped.
    """

    after: DelayField
    at: NextField | None = None
    do: Do
    survey: SurveyKind | None = None
    template: str | None = Field(None, pattern=r"^[a-z0-9_-]{1,60}$")
    by: Literal["owner", "customer.owner", "team"] = "owner"
    purpose: str = Field("", max_length=200)
    within: Span = timedelta()
    patience: Span | None = None
    sender: str = "default"
    via: Literal["email", "sms", "chat", "social"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _usual(cls, value: Any) -> Any:
        if isinstance(value, dict):
            do = value.get("do")
            value = {"purpose": _PURPOSE.get(do, ""), **value} if isinstance(do, str) else value
            if do == "survey":
                value = {"survey": "csat", "template": "thanks", **value}
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.do == "message" and not self.template:
            raise ValueError("a message needs a template")
        if self.do == "check_in" and self.via:
            raise ValueError("via: a person calls; only surveys and messages are sent")
        if self.do != "survey" and self.survey:
            raise ValueError("survey: only a step that does a survey has one")
        return self

    @property
    def patient_for(self) -> timedelta:
        return _PATIENCE[self.do] if self.patience is None else self.patience


class Silent(Strict):
    """
    A customer who says nothing: resolved and never confirmed, or nothing at all for long.

    With `risk` only one who has shown a sign of risk since, or not longer before than this.
    """

    resolved_unconfirmed: Span | None = None
    quiet_for: Span | None = None
    risk: RiskField = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.resolved_unconfirmed is None) == (self.quiet_for is None):
            raise ValueError("give one of resolved_unconfirmed and quiet_for")
        return self


class On(Strict):
    """What starts a play: an event of a type, or silence."""

    type: str | None = None
    silent: Silent | None = None
    match: dict[str, Value | list[Value]] = Field(default_factory=dict)

    @field_validator("match", mode="before")
    @classmethod
    def _dates_as_said(cls, match: Any) -> Any:
        """What YAML takes for a date is a text in every event."""
        if not isinstance(match, dict):
            return match
        return {
            field: [_as_said(one) for one in wanted] if isinstance(wanted, list) else _as_said(wanted)
            for field, wanted in match.items()
        }

    @field_validator("type")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None and name not in STARTING:
            raise ValueError(f"{name!r} is no type of event that can start a play{meant(name, STARTING)}")
        return name

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.type is None) == (self.silent is None):
            raise ValueError("give one of type and silent")
        return self


def _as_said(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


class Play(Strict):
    name: str = Field(min_length=1, max_length=100)
    on: On
    steps: tuple[Step, ...]
    cancel_on: tuple[str, ...] = ()
    priority: int = Field(0, ge=-1000, le=1000)

    @field_validator("steps")
    @classmethod
    def _some(cls, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        if not steps:
            raise ValueError("a play needs at least one step")
        return steps

    @field_validator("cancel_on")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in EVENT_DATA:
                raise ValueError(f"{name!r} is no type of event{meant(name, EVENT_DATA)}")
        return names


class Budget(Strict):
    """How often one customer may hear from us, over all plays and channels."""

    max: CapField | None = None
    gap: Span = timedelta()
    per: dict[SurveyKind, CapField] = Field(default_factory=dict)
    exempt: tuple[str, ...] = ()

    @property
    def memory(self) -> timedelta:
        """How long a slot matters."""
        caps = [*self.per.values(), *([self.max] if self.max else [])]
        return max([self.gap, *(cap.per for cap in caps)])


class Quiet(Strict):
    """When nobody is to be disturbed. What is put off is let go over the first `spread` after it."""

    hours: HoursField | None = None
    days: tuple[Day, ...] = ()
    holidays: bool = False
    spread: Span = timedelta(hours=4)

    @field_validator("days")
    @classmethod
    def _some_left(cls, days: tuple[Day, ...]) -> tuple[Day, ...]:
        if len(set(days)) == 7:  # noqa: PLR2004 - the days of a week
            raise ValueError("leave at least one day of the week")
        return days


class Consent(Strict):
    """What is taken as allowed before the customer says so, by purpose; a region may differ."""

    default: dict[str, bool] = Field(default_factory=lambda: {"survey": False, "marketing": False, "service": True})
    regions: dict[str, dict[str, bool]] = Field(default_factory=dict)

    def presumed(self, purpose: str, region: str | None) -> bool:
        """A call and an answer are allowed unless somebody says otherwise; anything else that is not named is not."""
        by_region = self.regions.get(region or "", {})
        return by_region.get(purpose, self.default.get(purpose, purpose in _PRESUMED))


class Sender(Strict):
    """
    Who writes: mails, or texts where there is no `from`.

    `url` may name environment variables as `${NAME}`; they are never stored nor shown expanded.
    """

    from_: str | None = Field(None, alias="from", min_length=3, max_length=320)
    reply_to: str | None = Field(None, max_length=320)
    url: str = Field(min_length=1)

    @field_validator("from_", "reply_to")
    @classmethod
    def _one_line(cls, text: str | None) -> str | None:
        if text is not None and ("@" not in text or any(ord(letter) < 32 for letter in text)):  # noqa: PLR2004 - controls
            raise ValueError("must be an e-mail address")
        return text


class Links(Strict):
    survey_ttl: Span = timedelta(days=7)


class Region(Strict):
    """Where the customers of a region live and when one works there, for those who don't say themselves."""

    timezone: str
    hours: dict[str, list[str]] = Field(default_factory=lambda: {"mon-fri": ["09:00-17:00"]})
    country: str | None = Field(None, pattern=r"^[A-Z]{2}$")
    subdivision: str | None = None

    @field_validator("timezone")
    @classmethod
    def _real(cls, name: str) -> str:
        return real_zone(name)

    @model_validator(mode="after")
    def _readable(self) -> Self:
        Calendar(self.timezone, self.week)
        if not any(self.week.values()):
            raise ValueError("hours: leave at least one hour of the week open")
        return self

    @property
    def week(self) -> dict[str, list[tuple[str, str]]]:
        """The hours of each weekday; `mon-fri` stands for five."""
        week: dict[str, list[tuple[str, str]]] = {day: [] for day in WEEKDAYS}
        for days, spans in self.hours.items():
            first, _, last = days.partition("-")
            if first not in WEEKDAYS or (last or first) not in WEEKDAYS:
                raise ValueError(f"hours: {days!r} are no weekdays: write them like mon-fri or sat")
            for day in WEEKDAYS[WEEKDAYS.index(first) : WEEKDAYS.index(last or first) + 1]:
                week[day] += [(span.partition("-")[0], span.partition("-")[2]) for span in spans]
        return week


class Plays(Strict):
    """The whole file."""

    plays: tuple[Play, ...] = ()
    budget: Budget = Field(default_factory=Budget)
    quiet: Quiet = Field(default_factory=Quiet)
    timezone: str = "UTC"
    regions: dict[str, Region] = Field(default_factory=dict)
    consent: Consent = Field(default_factory=Consent)
    senders: dict[str, Sender] = Field(default_factory=dict)
    links: Links = Field(default_factory=Links)

    @field_validator("timezone")
    @classmethod
    def _real(cls, name: str) -> str:
        return real_zone(name)

    def document(self) -> dict[str, Any]:
        """The file as it is understood, for people and `GET /v1/plays`."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def real_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone of the IANA database, such as Europe/Berlin") from None
    return name
