"""A calendar of open hours, and what can be asked of it."""

from bisect import bisect_left
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, TypeAlias

from rapport.business_time.opening_hours import (
    HoursByDate,
    HoursByWeekday,
    Shifts,
    read_holidays,
    read_overrides,
    read_week,
    read_zone,
)
from rapport.business_time.timeline import Interval, Timeline, to_instant, to_us

Why: TypeAlias = Literal["open", "closed", "holiday", "closure"]

_ONE_DAY = timedelta(days=1)
_HORIZON_DAYS = 1827
_DAYS_REMEMBERED = 1024
_NO_OVERRIDES: HoursByDate = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time, in UTC, and why it counted or did not."""

    start: datetime
    end: datetime
    why: Why

    @property
    def counted_seconds(self) -> float:
        return (self.end - self.start).total_seconds() if self.why == "open" else 0.0


class Calendar:
    """
    When somebody is there: weekly hours in a time zone, less holidays, with other hours on some dates.

    An interval that crosses midnight ("22:00-06:00") belongs to the date on which it opens, so a holiday or an
    override of the next date leaves its end alone. Of an ambiguous local time the first is meant, and one that does
    not exist is read with the offset before the gap (RFC 5545 §3.3.5). Hours that overlap in spite of that, such as a
    night shift and the next date's override, count once. `closures` are stretches between two instants in which nobody
    was there although the hours say otherwise. ValueError says what is wrong with a calendar; every method
    refuses naive datetimes with one too.

    Calendars are equal when they say the same, whatever the order in which they say it.
    """

    __slots__ = (
        "_business_day",
        "_closing",
        "_closures",
        "_holidays",
        "_key",
        "_open_intervals",
        "_overrides",
        "_sorted_holidays",
        "_timeline",
        "_week",
        "_zone",
        "timezone",
    )

    def __init__(
        self,
        timezone: str,
        hours: HoursByWeekday,
        holidays: Collection[date] = (),
        overrides: HoursByDate = _NO_OVERRIDES,
        closures: Collection[tuple[datetime, datetime]] = (),
    ) -> None:
        self.timezone = timezone
        self._zone = read_zone(timezone)
        self._week = read_week(hours)
        self._holidays = read_holidays(holidays)
        self._overrides = read_overrides(overrides)
        self._sorted_holidays = sorted(self._holidays)
        self._closures = _joined(sorted((to_us(start), to_us(end)) for start, end in closures if start < end))
        self._key = (timezone, self._week, self._holidays, frozenset(self._overrides.items()), self._closures)
        self._open_intervals = lru_cache(maxsize=_DAYS_REMEMBERED)(self._find_open_intervals)
        self._closing = lru_cache(maxsize=_DAYS_REMEMBERED)(self._find_closing)
        self._business_day = lru_cache(maxsize=_DAYS_REMEMBERED)(self._find_business_day)
        self._timeline = Timeline(self._find_open_intervals)

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, Calendar) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"<Calendar {self.timezone}, {len(self._holidays)} holidays, {len(self._overrides)} overrides>"

    def add(self, start: datetime, seconds: float) -> datetime:
        """
        The instant at which that many open seconds have passed since `start`.

        A budget that runs out at closing is due at closing; none at all gives `start`, or the next opening if that is
        outside hours. Fewer than none are subtracted. OverflowError when the calendar does not open again within five
        years.
        """
        budget = _to_budget(seconds)
        if budget < 0:
            return to_instant(self._timeline.subtract(to_us(start), -budget))
        return to_instant(self._timeline.add(to_us(start), budget))

    def subtract(self, due: datetime, seconds: float) -> datetime:
        """
        The open instant from which `add` arrives at `due`: at opening if the budget fills the hours up to it.

        A due instant outside hours counts back from the last closing. OverflowError when the calendar was not open in
        the five years before.
        """
        return self.add(due, -seconds) if seconds else to_instant(self._timeline.last_close(to_us(due)))

    def between(self, start: datetime, end: datetime) -> float:
        """Open seconds from start to end, exact to the microsecond; 0 for a reversed range."""
        return self._timeline.between(to_us(start), to_us(end)) / 1_000_000

    def is_open(self, instant: datetime) -> bool:
        """Whether that instant counts. Opening does, closing no longer does."""
        return self._timeline.is_open(to_us(instant))

    def next_open(self, instant: datetime) -> datetime:
        """That instant if it is open, else the next opening; OverflowError if there is none within five years."""
        return to_instant(self._timeline.next_open(to_us(instant)))

    def last_close(self, instant: datetime) -> datetime:
        """That instant if it is open or just closing, else the last closing; OverflowError if five years have none."""
        return to_instant(self._timeline.last_close(to_us(instant)))

    def segments(self, start: datetime, end: datetime) -> list[Segment]:
        """
        All the time from start to end in order, open and not, and why; what is open adds up to `between`.

        Hours that touch are one segment, also across midnight. "holiday" is the closed part of a holiday's date,
        "closure" what would have been open but for a closure.
        """
        cursor, last = to_us(start), to_us(end)
        if last <= cursor:
            return []
        pieces: list[Segment] = []
        for opens, closes in self._timeline.within(cursor, last):
            pieces += self._closed_segments(cursor, opens)
            pieces.append(Segment(to_instant(opens), to_instant(closes), "open"))
            cursor = closes
        return pieces + self._closed_segments(cursor, last)

    def add_days(self, start: datetime, days: int) -> datetime:
        """
        The same local time of day, `days` business days on (or back), but not past that day's closing.

        A start outside hours first moves to the next opening, or back to the last closing for negative days. In a
        shift past midnight the day is the one on which it opened. OverflowError as for `add`.
        """
        timeline = self._timeline
        us = to_us(start)
        back = days < 0 and not timeline.is_open(us)
        us = timeline.last_close(us) if back else timeline.next_open(us)
        origin = to_instant(us)
        if days == 0:
            return origin
        local = origin.astimezone(self._zone).replace(tzinfo=None)
        day = self._day_of(us, local.date(), closing=back)
        wall_time = local - datetime.combine(day, time())
        target = self._business_day(day, days)
        return to_instant(min(self._wall_us(target, wall_time), self._closing(target)))

    def end_of_business_day(self, start: datetime, days_ahead: int = 0, cutoff: time | None = None) -> datetime:
        """
        The closing of the business day on which something that arrived at `start` is due.

        Days are counted from the local date of arrival, or the date after it for arrivals later than `cutoff`. With 0
        days ahead that is the date itself if it is a business day that has not closed yet, else the next one; with 1
        the first business day after it: Saturday's mail is due at Monday's closing either way. OverflowError as for
        `add`.
        """
        if days_ahead < 0:
            raise ValueError(f"days_ahead: {days_ahead} is in the past")
        us = to_us(start)
        arrival = to_instant(us).astimezone(self._zone)
        day = arrival.date()
        if cutoff is not None and arrival.time() > cutoff:
            day += _ONE_DAY
        if days_ahead > 0:
            return to_instant(self._closing(self._business_day(day, days_ahead)))
        if self._open_intervals(day) and self._closing(day) > us:
            return to_instant(self._closing(day))
        return to_instant(self._closing(self._business_day(day, 1)))

    def _shifts(self, day: date) -> Shifts:
        if day in self._holidays:
            return ()
        shifts = self._overrides.get(day)
        return self._week[day.weekday()] if shifts is None else shifts

    def _find_open_intervals(self, day: date) -> list[Interval]:
        """What is open of that date's hours, less the closures."""
        intervals = self._usual_intervals(day)
        for begins, ends in self._closures:
            pieces = [piece for a, b in intervals for piece in ((a, min(b, begins)), (max(a, ends), b))]
            intervals = [(a, b) for a, b in pieces if a < b]
        return intervals

    def _usual_intervals(self, day: date) -> list[Interval]:
        """That date's hours; an interval of which a change of clocks leaves nothing has vanished."""
        shifts = [
            (self._wall_us(day, timedelta(seconds=opens)), self._wall_us(day, timedelta(seconds=closes)))
            for opens, closes in self._shifts(day)
        ]
        return [(opens, closes) for opens, closes in shifts if opens < closes]

    def _wall_us(self, day: date, wall_time: timedelta) -> int:
        """The instant at which clocks on the wall show that much past the midnight of `day`: the first such instant."""
        return to_us((datetime.combine(day, time()) + wall_time).replace(tzinfo=self._zone))

    def _find_closing(self, day: date) -> int:
        return max(closes for _, closes in self._open_intervals(day))

    def _day_of(self, us: int, today: date, *, closing: bool) -> date:
        """The date to which the hours around an open (or just closing) instant belong; its own before others."""
        for day in (today, today - _ONE_DAY, today - 2 * _ONE_DAY):
            for opens, closes in self._open_intervals(day):
                if opens < us <= closes if closing else opens <= us < closes:
                    return day
        return today

    def _find_business_day(self, day: date, count: int) -> date:
        """The date of the count-th business day after `day` (before it, if negative): a date with any hours."""
        step = _ONE_DAY if count > 0 else -_ONE_DAY
        for _ in range(abs(count)):
            for _ in range(_HORIZON_DAYS):
                day += step
                if self._open_intervals(day):
                    break
            else:
                raise OverflowError(f"the calendar has no business day within 5 years of {day - _HORIZON_DAYS * step}")
        return day

    def _closed_segments(self, start: int, end: int) -> list[Segment]:
        """A stretch without open time, cut where holidays begin and end; holidays in a row are one."""
        stretches: list[tuple[int, int, Why]] = []
        cursor = start
        first = to_instant(start).astimezone(self._zone).date()
        for day in self._sorted_holidays[bisect_left(self._sorted_holidays, first) :]:
            begins, ends = max(cursor, self._wall_us(day, timedelta())), min(end, self._wall_us(day, _ONE_DAY))
            if begins >= end:
                break
            if begins >= ends:
                continue
            if begins == cursor and stretches:
                begins = stretches.pop()[0]
            elif begins > cursor:
                stretches.append((cursor, begins, "closed"))
            stretches.append((begins, ends, "holiday"))
            cursor = ends
        if cursor < end:
            stretches.append((cursor, end, "closed"))
        stretches = [piece for stretch in stretches for piece in self._cut(*stretch)] if self._closures else stretches
        return [Segment(to_instant(begins), to_instant(ends), why) for begins, ends, why in stretches]

    def _cut(self, start: int, end: int, why: Why) -> Iterator[tuple[int, int, Why]]:
        """A stretch without open time, with what closures took of the usual hours by itself."""
        cursor = start
        for begins, ends in self._lost(start, end):
            if cursor < begins:
                yield cursor, begins, why
            yield begins, ends, "closure"
            cursor = ends
        if cursor < end:
            yield cursor, end, why

    def _lost(self, start: int, end: int) -> tuple[Interval, ...]:
        """What closures took of the usual hours between two instants, in order."""
        day = to_instant(start).astimezone(self._zone).date() - 2 * _ONE_DAY
        last = to_instant(end).astimezone(self._zone).date()
        found = []
        while day <= last:
            for opens, closes in self._usual_intervals(day):
                for begins, ends in self._closures:
                    a, b = max(opens, begins, start), min(closes, ends, end)
                    if a < b:
                        found.append((a, b))
            day += _ONE_DAY
        return _joined(sorted(found))


def _joined(intervals: list[Interval]) -> tuple[Interval, ...]:
    """Intervals in order, those that touch or overlap as one."""
    found: list[Interval] = []
    for begins, ends in intervals:
        if found and begins <= found[-1][1]:
            found[-1] = (found[-1][0], max(ends, found[-1][1]))
        else:
            found.append((begins, ends))
    return tuple(found)


def _to_budget(seconds: float) -> int:
    """Whole microseconds. ValueError for what is no number of seconds at all."""
    return round(seconds * 1_000_000)
