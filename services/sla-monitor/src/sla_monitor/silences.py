"""Silences in MongoDB, and what is held back from receivers: what is silenced, and what missing events may change."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from rapport.business_time import Calendar
from rapport.runtime.clock import Clock
from rapport.runtime.mongo import Database

from sla_monitor.domain.grouping import outside_hours, waits_since
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.silences import Silence, judge, muted_until
from sla_monitor.policies import Policies
from sla_monitor.sources import Sources
from sla_monitor.store import Reading

_KEPT: Final = timedelta(days=90)
_LATELY: Final = timedelta(days=1)
LAGS: Final = "its events lag"
IS_SILENT: Final = "its source is silent"
OUTSIDE_HOURS: Final = "it may ring in business hours only"
_HELD_KINDS: Final = ("warning", "breach")


class Silences:
    """Kept where all replicas see them; an ended one is shown for 90 days more."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._rows = database["silences"]
        self._clock = clock

    async def prepare(self) -> None:
        await self._rows.create_index("ends_at", expireAfterSeconds=int(_KEPT.total_seconds()))

    async def add(
        self, match: Mapping[str, tuple[str, ...]], starts_at: datetime, ends_at: datetime, comment: str, by: str
    ) -> Silence:
        """`Endless` for what is no silence."""
        judge(match, starts_at, ends_at, self._clock.now())
        made = Silence(secrets.token_hex(8), dict(match), starts_at, ends_at, comment, by)
        await self._rows.insert_one(
            {
                "_id": made.id,
                "match": {name: list(values) for name, values in match.items()},
                "starts_at": starts_at,
                "ends_at": ends_at,
                "comment": comment,
                "by": by,
            }
        )
        return made

    async def get(self, name: str) -> Silence | None:
        row = await self._rows.find_one({"_id": name})
        return _silence(row) if row else None

    async def end(self, name: str, by: str) -> Silence | None:
        """Ended now, if it had not; None where there is none such."""
        now = self._clock.now()
        await self._rows.update_one({"_id": name, "ends_at": {"$gt": now}}, {"$set": {"ends_at": now, "ended_by": by}})
        return await self.get(name)

    async def all(self) -> list[Silence]:
        """The newest end first."""
        return [_silence(row) async for row in self._rows.find({}).sort([("ends_at", -1), ("_id", 1)]).limit(1000)]

    async def active(self) -> list[Silence]:
        return await self.since(self._clock.now())

    async def since(self, instant: datetime) -> list[Silence]:
        """Those that have begun, and that had not ended at that instant."""
        where = {"starts_at": {"$lte": self._clock.now()}, "ends_at": {"$gt": instant}}
        return [_silence(row) async for row in self._rows.find(where)]


def _silence(row: Mapping[str, Any]) -> Silence:
    match = {name: tuple(values) for name, values in row["match"].items()}
    return Silence(row["_id"], match, row["starts_at"], row["ends_at"], row["comment"], row["by"], row.get("ended_by"))


class Holding:
    """
    Why messages wait although their time has come.

    Of a partition whose events come late, or a source that says nothing any more,
    an answer may be on its way. The breaches are held back until the partition has
    caught up, or the source speaks; for a source not for ever, it may be gone. One
    page says so instead. What that, a silence or a failing receiver has kept past
    the hours in which it may ring waits for the next opening.
    """

    def __init__(
        self,
        silences: Silences,
        reading: Reading,
        sources: Sources,
        policies: Policies,
        clock: Clock,
        *,
        lag_limit: timedelta,
        silent_hold: timedelta,
    ) -> None:
        self._silences = silences
        self._reading = reading
        self._clock = clock
        self._sources = sources
        self._policies = policies
        self._lag_limit = lag_limit
        self._silent_hold = silent_hold
        self._lately: list[Silence] = []
        self.lagging: dict[int, datetime] = {}
        """Partitions that lag, each with the instant up to which it has been read."""

    @property
    def silent(self) -> Mapping[str, datetime]:
        """Sources that say nothing, each with the instant of its last event."""
        return self._sources.silent

    async def refresh(self) -> None:
        self._lately = await self._silences.since(self._clock.now() - _LATELY)
        border = self._clock.now() - self._lag_limit
        self.lagging = {p: read for p, read in (await self._reading.stamps()).items() if read < border}

    def why(self, one: NotificationState, facts: Mapping[str, Any]) -> str:
        """Why it is held back; empty when nothing holds it. That all is well again is always told."""
        if one.kind not in _HELD_KINDS:
            return ""
        if one.kind == "breach" and one.partition in self.lagging:
            return LAGS
        if one.kind == "breach" and one.source in self.silent and self._clock.now() < one.due + self._silent_hold:
            return IS_SILENT
        if silence := self.silencing(facts):
            return f"silenced by {silence.by} until {silence.ends_at:%Y-%m-%d %H:%M} UTC"
        grouping = self._policies.book.latest.file.grouping
        return OUTSIDE_HOURS if outside_hours(one, self.hours(one), grouping, self._clock.now()) else ""

    def waits_since(self, one: NotificationState, facts: Mapping[str, Any]) -> datetime:
        """Since when nothing of a day has held it back."""
        ended = muted_until(self._lately, facts)
        return max(ended, waits_since(one, self.hours(one), self._clock.now()))

    def hours(self, one: NotificationState) -> Calendar | None:
        """The calendar in whose hours alone it may ring; None for what may at any."""
        return self._policies.book.version(one.policy_version).calendars.get(one.calendar) if one.calendar else None

    def silencing(self, facts: Mapping[str, Any]) -> Silence | None:
        """The silence that mutes what has these facts, if one does."""
        if not self._lately:
            return None
        now = self._clock.now()
        return next((one for one in self._lately if one.ends_at > now and one.mutes(facts)), None)

    def silenced_until(self, facts: Mapping[str, Any]) -> datetime:
        """When the last silence that muted what has these facts has ended, of those of a day."""
        return muted_until(self._lately, facts)
