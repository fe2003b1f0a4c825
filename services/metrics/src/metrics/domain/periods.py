"""Hours, days, weeks and months of a time zone."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

_YEARS: Final = range(1970, 2040)


@lru_cache(maxsize=1000)
def is_whole_hour_zone(name: str) -> bool:
    """Whether the zone has always been whole hours from UTC since 1970, so that its days are made of UTC's hours."""
    zone = ZoneInfo(name)
    offsets = (datetime(year, month, 1, tzinfo=zone).utcoffset() for year in _YEARS for month in range(1, 13))
    return all(offset is not None and offset % timedelta(hours=1) == timedelta(0) for offset in offsets)


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
