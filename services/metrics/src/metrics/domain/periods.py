"""Hours, days, weeks and months of a time zone."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS: Final = 70 * 366
_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)


@lru_cache(maxsize=1000)
def offsets(name: str) -> tuple[tuple[datetime, timedelta], ...]:
    """How far a zone is from UTC, from each instant on, from 1970 to 2040."""
    zone = ZoneInfo(name)
    found = [(_FIRST, _offset(_FIRST, zone))]
    for number in range(1, _DAYS):
        end = _FIRST + number * _DAY
        offset = _offset(end, zone)
        if offset != found[-1][1]:
            found.append((_change(end - _DAY, end, zone), offset))
    return tuple(found)


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta(0)


def _change(start: datetime, end: datetime, zone: ZoneInfo) -> datetime:
    """The first instant with the offset of `end`, to the second."""
    new = _offset(end, zone)
    while end - start > _SECOND:
        middle = (start + (end - start) / 2).replace(microsecond=0)
        if _offset(middle, zone) == new:
            end = middle
        else:
            start = middle
    return end


def offsets_within(name: str, since: datetime | None, until: datetime | None) -> list[tuple[datetime, timedelta]]:
    """The offsets in force in a range, the first from before it on."""
    held = [one for one in offsets(name) if until is None or one[0] < until]
    before = [number for number, one in enumerate(held) if since is not None and one[0] <= since]
    return held[before[-1] if before else 0 :] or [offsets(name)[0]]


@lru_cache(maxsize=1000)
def is_whole_hour_zone(name: str) -> bool:
    """Whether the zone has always been whole hours from UTC since 1970, so that its days are made of UTC's hours."""
    return all(offset % timedelta(hours=1) == timedelta(0) for _, offset in offsets(name))


def local_midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a local date begins, in UTC; where midnight is skipped, what its old offset gives."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    return instant.astimezone(zone).date()


def period_of_day(day: date, granularity: str, week_start: int) -> date:
    """The first day of the day's week (which begins on `week_start`, Monday 0) or month, or the day itself."""
    if granularity == "week":
        return day - timedelta(days=(day.weekday() - week_start) % 7)
    if granularity == "month":
        return day.replace(day=1)
    return day


WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
CLOCK: Final = ("weekday", "hour")
"""What the clock on the wall says of an instant; hours are "00" to "23"."""


def on_the_clock(name: str, at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return WEEKDAYS[local.weekday()] if name == "weekday" else f"{local:%H}"


def period_of_hour(instant: datetime, zone: ZoneInfo) -> datetime:
    """The local hour that an instant lies in."""
    return instant.astimezone(zone).replace(minute=0, second=0, microsecond=0)


def period_end(period: date, granularity: str) -> date:
    """The first day after a day, week or month that begins on `period`."""
    if granularity == "week":
        return period + timedelta(days=7)
    if granularity == "month":
        return (period.replace(day=28) + timedelta(days=4)).replace(day=1)
    return period + timedelta(days=1)


def periods_between(
    since: datetime, until: datetime, granularity: str | None, zone: ZoneInfo, week_start: int
) -> Iterator[tuple[datetime, datetime]]:
    """The days, weeks or months of a range, or the range itself; the first and last as far as they lie in it."""
    if granularity is None or since >= until:
        yield from [(since, until)] if since < until else ()
        return
    first = period_of_day(local_day(since, zone), granularity, week_start)
    while (begins := max(since, local_midnight(first, zone))) < until:
        first = period_end(first, granularity)
        yield begins, min(until, local_midnight(first, zone))
