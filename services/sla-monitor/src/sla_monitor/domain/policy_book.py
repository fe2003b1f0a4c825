"""
Versions of the policy, and which of them is in force when.

A version is what is stored: its number, since when it counts, the text of the
file, and the holidays and zone data as they were expanded once, so that neither
another replica nor a newer package ever gives another verdict.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from zoneinfo import available_timezones

import holidays
from pydantic import BaseModel, ConfigDict, Field
from rapport.business_time import Calendar
from rapport.contracts.matching import plain
from rapport.contracts.vocabulary import meant
from rapport.rule_file import Fault, Path

from sla_monitor.domain.policy import CalendarModel, PolicyFile, Step
from sla_monitor.domain.policy_file import PolicyRefused, cautions_of, faults_at, read_policy, says_nothing
from sla_monitor.domain.rules import Facts, Rule

HOLIDAY_YEARS = 15
"""Public holidays are expanded so many years back and ahead of the year a version takes effect."""


class Closure(BaseModel):
    """An unplanned closing of one calendar, such as a snow day: between these instants its clocks stand."""

    model_config = ConfigDict(frozen=True)

    id: str
    calendar: str
    starts_at: datetime
    ends_at: datetime
    reason: str
    by: str


class PolicyVersion(BaseModel):
    """One version of the policy, as stored."""

    model_config = ConfigDict(frozen=True)

    number: int = Field(ge=0)
    effective_from: datetime
    source: str
    """The file's YAML; `${VAR}` unexpanded."""
    holidays: dict[str, tuple[date, ...]] = Field(default_factory=dict)
    """Per calendar, expanded."""
    tzdata: str = ""
    published_by: str | None = None
    closures: tuple[Closure, ...] = ()
    """Of all calendars, whenever they were made known: they hold for every version."""

    @cached_property
    def file(self) -> PolicyFile:
        return read_policy(self.source)

    @cached_property
    def cautions(self) -> tuple[Fault, ...]:
        """What in the file is probably not meant; it applies all the same."""
        return tuple(cautions_of(self.source, self.file))

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(Rule(model, self.number) for model in self.file.policies)

    @cached_property
    def calendars(self) -> dict[str, Calendar]:
        return {
            name: _compile(model, self.holidays.get(name, ()), [c for c in self.closures if c.calendar == name])
            for name, model in self.file.calendars.items()
        }

    @cached_property
    def asked(self) -> frozenset[str]:
        """The fields that decide which policy, calendar and escalation a contact gets, and which agree in a risk."""
        fields = {field for policy in self.file.policies for field in policy.match}
        choices = [choice for policy in self.file.policies for choice in (policy.calendar, policy.escalation) if choice]
        fields |= {choice.by for choice in choices if choice.by}
        calls = self.file.risk.repeat_contacts
        return frozenset(fields | {calls.same} if calls and calls.same else fields)

    @cached_property
    def named(self) -> frozenset[str]:
        """The customers who get a policy, calendar or escalation of their own, by their ids."""
        found = {plain(wanted) for policy in self.file.policies for wanted in policy.match.get("customer_id", ())}
        choices = [choice for policy in self.file.policies for choice in (policy.calendar, policy.escalation) if choice]
        return frozenset(found.union(*(choice.map for choice in choices if choice.by == "customer_id")))

    @property
    def zone(self) -> str:
        """Where people work by it, as far as it says: the time zone of its first calendar."""
        return next((calendar.timezone for calendar in self.calendars.values()), "UTC")

    def zone_of(self, calendar: str | None) -> str:
        """The time zone of that calendar; UTC where there is none such."""
        known = self.calendars.get(calendar or "")
        return known.timezone if known else "UTC"

    def match(self, facts: Facts) -> Rule | None:
        """The first policy that is meant for such a contact."""
        for rule in self.rules:
            if rule.matches(facts):
                return rule
        return None

    def rule(self, name: str | None) -> Rule | None:
        return next((rule for rule in self.rules if rule.name == name), None)

    def steps(self, rule: Rule | None, facts: Facts) -> tuple[Step, ...]:
        """The escalation of such a contact; empty where none is named."""
        name = rule.escalation.pick(facts) if rule and rule.escalation else None
        return tuple(self.file.escalations[name]) if name else ()

    def __hash__(self) -> int:
        return hash((self.number, self.effective_from))


def publish(source: str, *, number: int, effective_from: datetime, by: str | None = None) -> PolicyVersion:
    """The file as a new version, everything expanded; `PolicyRefused` if it can't be carried out."""
    file = read_policy(source)
    if says_nothing(source):
        raise faults_at(source, [((), "says nothing; a policy that promises nothing says `policies: []`")])
    expanded: dict[str, tuple[date, ...]] = {}
    wrong: list[tuple[Path, str]] = []
    for name, model in file.calendars.items():
        try:
            expanded[name] = _expand(model, effective_from.year)
        except (NotImplementedError, AttributeError, KeyError) as error:
            wrong.append((("calendars", name, "holidays"), f"no such public holidays: {error}"))
            continue
        try:
            _compile(model, expanded[name]).next_open(effective_from)
        except (ValueError, OverflowError) as error:
            wrong.append(_wrong_hours(name, model, str(error)))
    if wrong:
        raise faults_at(source, wrong)
    made = PolicyVersion(
        number=number,
        effective_from=effective_from,
        source=source,
        holidays=expanded,
        tzdata=_tzdata(),
        published_by=by,
    )
    if wrong := list(_never_due(made)):
        raise faults_at(source, wrong)
    return made


def _never_due(version: PolicyVersion) -> Iterator[tuple[Path, str]]:
    """Calendars by which a target can't be computed for what comes now, or in a year."""
    starts = (version.effective_from, version.effective_from + timedelta(days=365))
    for rule, model in zip(version.rules, version.file.policies, strict=True):
        for name in sorted(model.calendar.names()):
            for target, spec in rule.targets.items():
                try:
                    for start in starts:
                        spec.due(start, version.calendars[name])
                except OverflowError:
                    yield ("calendars", name), f"it does not go on opening, as {target} of {rule.name!r} needs"


def _wrong_hours(name: str, model: CalendarModel, error: str) -> tuple[Path, str]:
    """Where a calendar is wrong, and why."""
    field, _, reason = error.partition(": ")
    step = field.partition(".")[0]
    if step not in ("timezone", "hours", "overrides", "holidays"):
        return ("calendars", name), error
    hint = meant(model.timezone, available_timezones()) if step == "timezone" else ""
    return ("calendars", name, step), f"{reason}{hint}"


class PolicyBook:
    """All versions, by when they take effect; the first reaches back for ever."""

    def __init__(self, versions: Iterable[PolicyVersion] = ()) -> None:
        self.versions = tuple(sorted(versions, key=lambda version: version.number)) or (NO_POLICY,)
        self._by_number = {version.number: version for version in self.versions}
        self._from = [version.effective_from for version in self.versions]
        if self._from != sorted(self._from) or len(self._by_number) != len(self.versions):
            raise ValueError("a later version of the policy can't take effect before an earlier one")

    def in_force(self, at: datetime) -> PolicyVersion:
        """The version that counts for what happened then."""
        return self.versions[max(0, bisect_right(self._from, at) - 1)]

    def version(self, number: int | None) -> PolicyVersion:
        """That version; the newest for None, or for one that is not known here."""
        return self._by_number.get(number or 0, self.versions[-1])

    @cached_property
    def asked(self) -> frozenset[str]:
        """The fields that any version asks for, and who is watched at all."""
        return frozenset({"audience", "earned_tier"}.union(*(version.asked for version in self.versions)))

    @cached_property
    def named(self) -> frozenset[str]:
        """The customers whom any version names by their ids."""
        return frozenset[str]().union(*(version.named for version in self.versions))

    @property
    def latest(self) -> PolicyVersion:
        return self.versions[-1]

    def with_closures(self, closures: Sequence[Closure]) -> "PolicyBook":
        """The same versions with these closures and no others."""
        fields = PolicyVersion.model_fields.keys() - {"closures"}
        return PolicyBook(
            PolicyVersion(**{name: getattr(version, name) for name in fields}, closures=tuple(closures))
            for version in self.versions
            if version is not NO_POLICY
        )

    def with_version(self, version: PolicyVersion) -> "PolicyBook":
        return PolicyBook([*(known for known in self.versions if known is not NO_POLICY), version])


NO_POLICY = PolicyVersion(number=0, effective_from=datetime(1970, 1, 1, tzinfo=UTC), source="")
"""In force before anybody has published a policy: promises alone are watched."""


def _expand(model: CalendarModel, year: int) -> tuple[date, ...]:
    days = set(model.holidays.add)
    if model.holidays.country:
        years = range(year - HOLIDAY_YEARS, year + HOLIDAY_YEARS + 1)
        days |= set(holidays.country_holidays(model.holidays.country, subdiv=model.holidays.subdivision, years=years))
    return tuple(sorted(days - set(model.holidays.drop)))


def _compile(model: CalendarModel, days: Iterable[date], closures: Iterable[Closure] = ()) -> Calendar:
    stretches = [(closure.starts_at, closure.ends_at) for closure in closures]
    return Calendar(model.timezone, model.hours, tuple(days), model.overrides, stretches)


def _tzdata() -> str:
    try:
        return version("tzdata")
    except PackageNotFoundError:
        return "system"


__all__ = ["NO_POLICY", "Closure", "PolicyBook", "PolicyRefused", "PolicyVersion", "publish"]
