"""A policy made ready to be asked: which contacts it is for, what it promises them, in which hours."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, NamedTuple

from rapport.business_time import Calendar
from rapport.contracts.matching import plain

from sla_monitor.domain.durations import Length, Warn
from sla_monitor.domain.hours import WALL, Hours
from sla_monitor.domain.policy import Choice, PolicyModel, TargetModel
from sla_monitor.domain.states import Paging

Facts = dict[str, Any]
"""Fields of a contact and its customer; attributes as `attributes.x`."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What one target promises."""

    length: Length | None
    days_ahead: int
    cutoff: time | None
    elapsed: bool
    pause_on: tuple[str, ...]

    @classmethod
    def of(cls, target: TargetModel) -> "Spec":
        return cls(
            length=target.length,
            days_ahead=1 if target.by == "end of next business day" else 0,
            cutoff=target.cutoff,
            elapsed=target.elapsed,
            pause_on=tuple(target.pause_on),
        )

    def hours(self, calendar: Calendar) -> Hours:
        return WALL if self.elapsed else calendar

    def due(self, start: datetime, calendar: Calendar) -> datetime:
        """When what starts then is due, as long as nothing pauses it."""
        if self.length is None:
            return calendar.end_of_business_day(start, self.days_ahead, self.cutoff)
        if self.length.days:
            return calendar.add_days(start, self.length.days)
        return self.hours(calendar).add(start, self.length.seconds)


class Plan(NamedTuple):
    """Of a clock that nothing pauses: its due instant, and its warnings as used open seconds and as instants."""

    due: datetime
    used: tuple[float, ...]
    instants: tuple[datetime, ...]

    @classmethod
    def of(cls, start: datetime, due: datetime, hours: Hours, warns: tuple[Warn, ...]) -> "Plan":
        total = hours.between(start, due) if warns else 0
        used = tuple(sorted(used for warn in warns if 0 <= (used := warn.used(total)) < total))
        return cls(due, used, tuple(hours.add(start, seconds) for seconds in used))


class Rule:
    """One policy of one version."""

    __slots__ = (
        "_choice",
        "_match",
        "_plans",
        "escalation",
        "name",
        "page",
        "reopen",
        "reopen_floor",
        "reopen_within",
        "targets",
        "version",
        "warn",
    )

    def __init__(self, model: PolicyModel, version: int) -> None:
        self.name = model.name
        self.version = version
        self._match = tuple((field, frozenset(map(plain, wanted))) for field, wanted in model.match.items())
        self._choice: Choice = model.calendar
        self._plans: dict[tuple[str, str, datetime], Plan] = {}
        self.targets: dict[str, Spec] = {
            name: Spec.of(target)
            for name, target in ((name, getattr(model.targets, name)) for name in _TARGETS)
            if target
        }
        self.warn: tuple[Warn, ...] = tuple(model.warn)
        self.page: Paging = model.page
        self.reopen = model.reopen
        self.reopen_floor = model.reopen_floor
        self.reopen_within: timedelta = model.reopen_within
        self.escalation = model.escalation

    def matches(self, facts: Facts) -> bool:
        """Whether every field asked for has one of the values wanted."""
        for field, wanted in self._match:
            value = facts.get(field)
            if isinstance(value, list):
                if wanted.isdisjoint(map(plain, value)):
                    return False
            elif value is None or plain(value) not in wanted:
                return False
        return True

    def plan(self, target: str, start: datetime, name: str, calendar: Calendar) -> "Plan":
        """When a target that starts then is due and warned of, as long as nothing pauses it."""
        key = (target, name, start)
        found = self._plans.get(key)
        if found is None:
            spec = self.targets[target]
            found = Plan.of(start, spec.due(start, calendar), spec.hours(calendar), self.warn)
            if len(self._plans) > _PLANS:
                self._plans.clear()
            self._plans[key] = found
        return found

    def calendar_name(self, facts: Facts) -> str:
        name = self._choice.pick(facts)
        if name is None:
            raise LookupError(
                f"policy {self.name!r} has no calendar for {self._choice.by} {facts.get(self._choice.by or '')!r}"
            )
        return name


_PLANS = 4096
"""So many are remembered, because a contact is folded again with each of its events."""

_TARGETS = ("first_response", "next_response", "update", "resolution", "escalated")
