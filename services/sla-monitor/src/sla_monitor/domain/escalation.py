"""Which step of an escalation rings when, and whom it reaches."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from rapport.business_time import Calendar

from sla_monitor.domain.policy import PolicyFile, Step
from sla_monitor.domain.policy_book import PolicyVersion
from sla_monitor.domain.states import Alert, Paging

Reached = tuple[str, int]
"""A receiver's or person's name, and which of its addresses."""

PRODUCTS: Final = ("pagerduty", "alertmanager", "webhook")
"""Where an alert stands until it is told the end."""


@dataclass(frozen=True, slots=True)
class Escalation:
    """The steps of one alert, and what may ring when. Without steps it is only listed."""

    version: PolicyVersion
    steps: tuple[Step, ...]
    page: Paging
    calendar: Calendar | None

    @property
    def rings(self) -> bool:
        return self.page != "list" and bool(self.steps)

    def may_ring(self, at: datetime) -> datetime:
        """That instant, or the next opening, if there is one, where only business hours may ring."""
        return opening(self.calendar, at) if self.page == "business_hours" and self.calendar is not None else at

    def start(self, at: datetime) -> dict[str, object]:
        """What changes of an alert that is raised then: the first step is due when it may first ring."""
        if not self.rings:
            return {"base_at": None, "next_at": None, "level": 0}
        base = self.may_ring(at)
        return {"base_at": base, "next_at": self.may_ring(base + self.steps[0].after), "level": 0, "repeats": 0}

    def come_back(self, alert: Alert, at: datetime) -> dict[str, object]:
        """
        What changes of an alert whose snooze ends then: the step that it had reached rings again.

        Where none had rung, the first one rings, and no sooner than it would have.
        """
        if not self.rings:
            return {"next_at": None}
        level = min(max(alert.level - 1, 0), len(self.steps) - 1)
        ring = self.may_ring(at)
        if not alert.level and alert.base_at is not None:
            first = self.may_ring(alert.base_at + self.steps[0].after)
            if first > ring:
                return {"next_at": first}
        return {"base_at": ring - self.steps[level].after, "next_at": ring, "level": level}

    def waits_for_opening(self, alert: Alert, now: datetime) -> datetime | None:
        """Until when a step that comes hours late waits, because nobody is to be rung at this hour; else None."""
        if alert.next_at is None or now - alert.next_at <= LATE:
            return None
        opening = self.may_ring(now)
        return opening if opening > now else None

    def goes_on(self, alert: Alert, at: datetime) -> Alert:
        """
        An alert that came under these steps at that instant by what its contact has become: what is left of them rings.

        Under the steps that it was raised with it may have climbed to the end, or slower, or at hours in which these
        may not ring.
        """
        if not self.rings or alert.base_at is None:
            return alert
        following = self.may_ring(alert.next_at) if alert.next_at else None
        if alert.level < len(self.steps):
            left = self.may_ring(max(at, alert.base_at + self.steps[alert.level].after))
            following = min(following, left) if following else left
        return alert if following == alert.next_at else alert.but(next_at=following)

    def ring(
        self, alert: Alert, owner: str | None, team: str | None, horizon: datetime, now: datetime
    ) -> "Ring | None":
        """
        The steps due up to `horizon` as one ringing: those missed are folded into the latest.

        A step that reaches nobody is climbed past: the next one rings at its instant. What is missed by much reaches
        whoever is there `now`, not whoever was there when it should have rung.
        """
        if alert.next_at is None or alert.next_at > horizon or not self.steps or alert.base_at is None:
            return None
        names: list[str] = []
        level, repeats, at, there = alert.level, alert.repeats, alert.next_at, now
        following: datetime | None = alert.next_at
        while following is not None and following <= horizon:
            at = following
            step = self.steps[min(level, len(self.steps) - 1)]
            names += step.notify
            repeats += level >= len(self.steps)
            level = min(level + 1, len(self.steps))
            there = now if now - at > LATE else at
            if level < len(self.steps) and not self.reached(tuple(step.notify), owner, team, there):
                continue
            following = self._after(alert.base_at, level, at, horizon)
        return Ring(self.reached(tuple(names), owner, team, there), level, repeats, at, following)

    def _after(self, base: datetime, level: int, at: datetime, horizon: datetime) -> datetime | None:
        if level < len(self.steps):
            return max(at, self.may_ring(base + self.steps[level].after))
        repeat = self.steps[-1].repeat
        if repeat is None:
            return None
        missed = max(0, (horizon - at) // repeat - 1)
        return self.may_ring(at + repeat * (missed + 1))

    def reached(self, names: tuple[str, ...], owner: str | None, team: str | None, at: datetime) -> list[Reached]:
        """Whom the names mean at that instant; nobody twice."""
        found: list[Reached] = []
        for name in names:
            one = self._resolve(name, owner, team, at)
            if one is not None and one not in found:
                found.append(one)
        return found

    def next_names(self, alert: Alert, owner: str | None, team: str | None) -> list[str]:
        """Whom the next step will reach, as far as one can say now."""
        if alert.next_at is None or not self.steps:
            return []
        step = self.steps[min(alert.level, len(self.steps) - 1)]
        return [name for name, _ in self.reached(tuple(step.notify), owner, team, alert.next_at)]

    def _resolve(self, name: str, owner: str | None, team: str | None, at: datetime) -> Reached | None:
        file = self.version.file
        if name == "owner" or name in file.people:
            person = owner if name == "owner" else name
            known = file.people.get(person or "")
            return (person, 0) if person and known and known.url else None
        if name == "team":
            if team not in file.teams:
                return None
            name = file.teams[team].receiver
        known_receiver = file.receivers.get(name)
        for at_entry, address in enumerate(known_receiver.entries if known_receiver else ()):
            hours = self.version.calendars.get(address.calendar or "")
            if address.calendar is None or (hours is not None and hours.is_open(at)):
                return (name, at_entry)
        return None


@dataclass(frozen=True, slots=True)
class Ring:
    """One ringing: whom to tell, the level then reached, and when the next step is due."""

    reached: list[Reached]
    level: int
    repeats: int
    at: datetime
    next_at: datetime | None


def opening(calendar: Calendar, at: datetime) -> datetime:
    """That instant, or the next opening; that instant, too, where a calendar opens no more."""
    with suppress(OverflowError):
        return calendar.next_open(at)
    return at


def hears_of_taking(file: PolicyFile, name: str) -> bool:
    """Whether a receiver may be a product that is told who has taken an alert; where a secret hides it, yes."""
    return _may_be(("pagerduty",), file, name)


def keeps_alerts(file: PolicyFile, name: str) -> bool:
    """Whether a receiver may be a product in which an alert stands until it is told the end; likewise."""
    return _may_be(PRODUCTS, file, name)


def _may_be(kinds: Iterable[str], file: PolicyFile, name: str) -> bool:
    person, receiver = file.people.get(name), file.receivers.get(name)
    urls = [address.url for address in receiver.entries] if receiver else [person.url or ""] if person else []
    return any(url.startswith(("${", *(f"{kind}:" for kind in kinds))) for url in urls)


LATE = timedelta(seconds=60)
"""A step that rings later than this after its instant is marked late."""
