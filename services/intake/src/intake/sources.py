"""What each source last sent and how its clock goes: seen by all replicas, so that a silent one is noticed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn

from rapport.contracts import format_instant
from rapport.runtime.clock import Clock
from rapport.runtime.mongo import Database, UpdateOne
from rapport.runtime.patience import Patience

from intake import telemetry
from intake.domain import Accepted
from intake.records import SERVICE, Verdict

COLLECTION: Final = "sources"

_EVERY: Final = 5.0
_MOST: Final = 1000
"""Sources that are kept track of; what there is beyond is counted nowhere here."""

_DAYS: Final = 7
_SHORTEST: Final = timedelta(minutes=10)
_LEARNING: Final = timedelta(days=1)


@dataclass(slots=True)
class Window:
    """What came of one source since it was last written down; `skew` is the least seconds from event to arrival."""

    first: datetime
    last: datetime
    skew: float | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """
    One source. `gaps` are its longest pauses in seconds, by day.

    `skew` is the least number of seconds that lay between an event and its
    arrival of late: below 0, its clock is ahead of ours by at least so much.
    """

    name: str
    first: datetime
    last: datetime
    gaps: Mapping[str, float]
    skew: float | None = None

    def patience(self, now: datetime) -> timedelta:
        """How long it may say nothing: twice its longest pause of the last week, never under ten minutes."""
        days = {(now - timedelta(days=back)).date().isoformat() for back in range(_DAYS + 1)}
        longest = max((gap for day, gap in self.gaps.items() if day in days), default=0.0)
        return max(_SHORTEST, timedelta(seconds=2 * longest))

    def silent(self, now: datetime) -> bool:
        """Whether it has said nothing for much longer than it ever does; told only of who is known for a day."""
        return now - self.first >= _LEARNING and now - self.last > self.patience(now)

    def shown(self, now: datetime) -> dict[str, Any]:
        return {
            "source": self.name,
            "first_event_at": format_instant(self.first),
            "last_event_at": format_instant(self.last),
            "silent_after_seconds": self.patience(now).total_seconds(),
            "silent": self.silent(now),
            "skew_seconds": self.skew,
        }


class Sources:
    """Notes what comes in memory, writes it down every five seconds, and sets the figures by what all replicas saw."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._rows = database[COLLECTION]
        self._clock = clock
        self._windows: dict[str, Window] = {}
        self._patiently = Patience(SERVICE, clock)

    def note(self, verdicts: Iterable[Verdict], now: datetime) -> None:
        """These have come just now."""
        newest: dict[str, datetime | None] = {}
        for verdict in verdicts:
            if isinstance(verdict, Accepted):
                source, moment = verdict.source, verdict.moment
                before = newest.setdefault(source, moment)
                if moment is not None and (before is None or moment > before):
                    newest[source] = moment
        for source, moment in newest.items():
            self._note(source, moment, now)

    def _note(self, source: str, moment: datetime | None, now: datetime) -> None:
        window = self._windows.get(source)
        if window is None:
            if len(self._windows) >= _MOST:
                return
            window = self._windows[source] = Window(now, now)
        window.last = now
        if moment is not None:
            late = (now - moment).total_seconds()
            window.skew = late if window.skew is None else min(late, window.skew)

    async def all(self) -> list[Source]:
        """By name, with what has not been written down yet on other replicas missing."""
        rows = self._rows.find().sort([("_id", 1)]).limit(_MOST)
        return [_source(row) async for row in rows]

    async def follow(self) -> NoReturn:
        """Write down and look, for ever."""
        while True:
            await self._patiently("sources", self.settle)
            await self._clock.sleep(_EVERY)

    async def settle(self) -> None:
        """Write down what has come, and set the figures."""
        windows = dict(self._windows)
        if windows:
            await self._write(windows)
            for name, window in windows.items():
                if self._windows.get(name) is window:
                    del self._windows[name]
        now = self._clock.now()
        for source in await self.all():
            telemetry.SOURCE_LAST.labels(source.name).set(source.last.timestamp())
            telemetry.SOURCE_SILENT.labels(source.name).set(source.silent(now))
            if source.skew is not None:
                telemetry.SOURCE_SKEW.labels(source.name).set(source.skew)

    async def _write(self, windows: Mapping[str, Window]) -> None:
        found = self._rows.find({"_id": {"$in": sorted(windows)}}, {"last": 1})
        before = {row["_id"]: row["last"].astimezone(UTC) async for row in found}
        writes = [_written(name, window, before.get(name)) for name, window in windows.items()]
        await self._rows.bulk_write(writes, ordered=False)


def _written(name: str, window: Window, before: datetime | None) -> UpdateOne:
    greatest: dict[str, Any] = {"last": window.last}
    if before is not None and window.first > before:
        greatest[f"gaps.{window.first.date().isoformat()}"] = (window.first - before).total_seconds()
    change: dict[str, Any] = {"$max": greatest, "$setOnInsert": {"first": window.first}}
    if window.skew is not None:
        change["$set"] = {"skew": window.skew}
    return UpdateOne({"_id": name}, change, upsert=True)


def _source(row: Mapping[str, Any]) -> Source:
    first, last = (row[name].astimezone(UTC) for name in ("first", "last"))
    return Source(row["_id"], first, last, row.get("gaps", {}), row.get("skew"))
