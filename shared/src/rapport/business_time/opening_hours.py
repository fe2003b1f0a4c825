"""What a calendar says in words, read and checked: zone, weekly hours, holidays, hours of single dates."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import NoReturn, TypeAlias
from zoneinfo import ZoneInfo

HoursByWeekday: TypeAlias = Mapping[str, Sequence[tuple[str, str]]]
HoursByDate: TypeAlias = Mapping[date, Sequence[tuple[str, str]]]

Shifts: TypeAlias = tuple[tuple[int, int], ...]
"""The hours of one date, sorted, in seconds of wall time after its midnight. An end past 86,400 is on the next date."""

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_SECONDS = 86_400

_TIME = re.compile(r"(\d{1,2}):([0-5]\d)(?::([0-5]\d))?", re.ASCII)


def read_zone(name: str) -> ZoneInfo:
    """The zone of that name; ValueError where neither the system nor tzdata knows it."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise ValueError(f"timezone: {name!r} is not a known time zone") from error


def read_week(hours: HoursByWeekday) -> tuple[Shifts, ...]:
    """The shifts of Monday to Sunday; a day that is not mentioned is closed."""
    if not isinstance(hours, Mapping):
        _refuse("hours", f"{hours!r} does not map weekdays to intervals")
    for key in hours:
        if key not in WEEKDAYS:
            _refuse("hours", f"{key!r} is not a weekday, which are {', '.join(WEEKDAYS)}")
    return tuple(_read_shifts(f"hours.{day}", hours.get(day, ())) for day in WEEKDAYS)


def read_overrides(overrides: HoursByDate) -> dict[date, Shifts]:
    """The shifts of the dates that have hours of their own; an empty list closes the date."""
    if not isinstance(overrides, Mapping):
        _refuse("overrides", f"{overrides!r} does not map dates to intervals")
    return {_read_date("overrides", day): _read_shifts(f"overrides.{day}", shifts) for day, shifts in overrides.items()}


def read_holidays(holidays: Collection[date]) -> frozenset[date]:
    if not isinstance(holidays, Iterable):
        _refuse("holidays", f"{holidays!r} is not a list of dates")
    return frozenset(_read_date("holidays", day) for day in holidays)


def _read_date(field: str, day: date) -> date:
    """The date, which must be a plain one: a datetime would compare unequal to its date, unnoticed."""
    if isinstance(day, datetime) or not isinstance(day, date):
        _refuse(field, f"{day!r} is not a date")
    return day


def _read_shifts(field: str, intervals: Iterable[Sequence[str]]) -> Shifts:
    if isinstance(intervals, str) or not isinstance(intervals, Iterable):
        _refuse(field, f"{intervals!r} is not a list of intervals")
    shifts = sorted(_read_interval(field, interval) for interval in intervals)
    for (_, earlier_end), (start, end) in pairwise(shifts):
        if start < earlier_end:
            _refuse(field, f"{_clock(start)}-{_clock(end)} overlaps the interval before it")
    return tuple(shifts)


def _read_interval(field: str, interval: Sequence[str]) -> tuple[int, int]:
    match interval:
        case [str(opens), str(closes)]:
            start, end = _read_time(field, opens), _read_time(field, closes)
        case _:
            _refuse(field, f"{interval!r} is not a pair of an opening and a closing time")
    if start == DAY_SECONDS:
        _refuse(field, f"{opens}-{closes} opens at 24:00, which is the next date's 00:00")
    if start == end:
        _refuse(field, f"{opens}-{closes} is empty; round the clock is 00:00-24:00")
    return (start, end) if start < end else (start, end + DAY_SECONDS)


def _read_time(field: str, text: str) -> int:
    """Seconds after midnight of "9:00", "09:00", "09:00:30" or "24:00"."""
    found = _TIME.fullmatch(text)
    if found is None:
        _refuse(field, f"{text!r} is not a time of day such as 09:00")
    hour, minute, second = (int(part or 0) for part in found.groups())
    seconds = hour * 3600 + minute * 60 + second
    if seconds > DAY_SECONDS:
        _refuse(field, f"{text!r} is past 24:00")
    return seconds


def _clock(seconds: int) -> str:
    return f"{seconds % DAY_SECONDS // 3600:02}:{seconds % 3600 // 60:02}"


def _refuse(field: str, reason: str) -> NoReturn:
    raise ValueError(f"{field}: {reason}")
