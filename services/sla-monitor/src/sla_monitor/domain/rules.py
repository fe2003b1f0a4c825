"""A policy made ready to be asked: which contacts it is for, what it promises them, in which hours."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from rapport.business_time import Calendar

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


class Rule:
    """One policy of one version."""

    __slots__ = (
        "_choice",
        "_match",
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
        self._match = tuple((field, frozenset(map(_plain, wanted))) for field, wanted in model.match.items())
        self._choice: Choice = model.calendar
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
                if wanted.isdisjoint(map(_plain, value)):
                    return False
            elif _plain(value) not in wanted:
                return False
        return True

    def calendar_name(self, facts: Facts) -> str:
        name = self._choice.pick(facts)
        if name is None:
            raise LookupError(
                f"policy {self.name!r} has no calendar for {self._choice.by} {facts.get(self._choice.by or '')!r}"
            )
        return name


_TARGETS = ("first_response", "next_response", "update", "resolution", "escalated")


def _plain(value: object) -> str:
    """How a value of YAML and one of JSON compare: true is true, 3 is 3.0."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
