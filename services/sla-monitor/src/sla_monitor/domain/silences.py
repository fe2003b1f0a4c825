"""Silences: for a time, alerts that match are told to nobody. No clock stops, and what still holds is told after."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sla_monitor.domain.log import EPOCH
from sla_monitor.domain.states import AlertState

FIELDS: Final = ("team", "policy", "owner", "target", "customer_id", "contact_id", "group")
LONGEST: Final = timedelta(days=90)


class Endless(ValueError):
    """A silence that is no silence: without an end that is near enough, or without anything to match."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Mutes the alerts that match all of `match`, each by one of its values, from start to end."""

    id: str
    match: Mapping[str, tuple[str, ...]]
    starts_at: datetime
    ends_at: datetime
    comment: str
    by: str
    ended_by: str | None = None

    def state(self, now: datetime) -> str:
        """`pending`, `active` or `ended`."""
        if now >= self.ends_at:
            return "ended"
        return "active" if now >= self.starts_at else "pending"

    def concerns(self, teams: Collection[str]) -> bool:
        """Whether it may mute what one of these teams has to do; no teams means everybody's."""
        named = self.match.get("team")
        return not teams or named is None or not set(teams).isdisjoint(named)

    def mutes(self, facts: Mapping[str, Any]) -> bool:
        """Whether an alert with these facts matches."""
        return all(str(facts.get(name)) in values for name, values in self.match.items())


def facts_of(alert: AlertState) -> dict[str, Any]:
    """What silences ask about."""
    return {name: getattr(alert, name) for name in FIELDS}


def muted_until(silences: Iterable[Silence], facts: Mapping[str, Any]) -> datetime:
    """Until when these silences mute (or have muted) an alert with these facts; long ago where none does."""
    return max((silence.ends_at for silence in silences if silence.mutes(facts)), default=EPOCH)


def judge(match: Mapping[str, tuple[str, ...]], starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    """`Endless` says what keeps it from being a silence."""
    if not match or not all(match.values()):
        raise Endless("a silence needs something to match: " + ", ".join(FIELDS))
    if unknown := sorted(set(match) - set(FIELDS)):
        raise Endless(f"{unknown[0]!r} is none of {', '.join(FIELDS)}")
    if ends_at <= max(starts_at, now):
        raise Endless("a silence must end after it starts, and not in the past")
    if ends_at - max(starts_at, now) > LONGEST:
        raise Endless(f"a silence ends after {LONGEST.days} days at the latest")
