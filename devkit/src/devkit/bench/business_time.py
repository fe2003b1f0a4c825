"""
Business time over ten years of a 9-to-17 calendar, against a loop over the days.

The loop is what one writes first: correct (the tests hold the calendar against it), and as slow as the range is long.
"""

import random
import time
import tracemalloc
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from rapport.business_time import Calendar

from devkit.bench.report import Row, render

ZONE = "America/New_York"
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOURS = {day: [("09:00", "17:00")] for day in WEEKDAYS[:5]}
HOLIDAYS = tuple(date(year, month, day) for year in range(2020, 2031) for month, day in ((1, 1), (7, 4), (12, 25)))
FIRST = datetime(2020, 1, 1, tzinfo=UTC)
TEN_YEARS_S = 10 * 365 * 86_400
CALLS = 100_000
BASELINE_CALLS = 200
ROUNDS = 3

_ONE_DAY = timedelta(days=1)


class DayLoop:
    """The same calendar, asked by walking over its dates one by one."""

    def __init__(
        self,
        timezone: str,
        hours: Mapping[str, Sequence[tuple[str, str]]],
        holidays: Collection[date] = (),
        overrides: Mapping[date, Sequence[tuple[str, str]]] | None = None,
    ) -> None:
        self.zone = ZoneInfo(timezone)
        self.hours = hours
        self.holidays = holidays
        self.overrides = overrides or {}

    def between(self, start: datetime, end: datetime) -> float:
        last = end.astimezone(self.zone).date() + 2 * _ONE_DAY
        passed = timedelta()
        for day in self._days(start):
            if day > last:
                return passed.total_seconds()
            for opens, closes in self._open(day):
                begins = max(start, opens)
                if begins < min(end, closes):
                    passed += min(end, closes) - begins
                    start = closes
        raise AssertionError

    def add(self, start: datetime, seconds: float) -> datetime:
        left = timedelta(seconds=seconds)
        for day in self._days(start):
            for opens, closes in self._open(day):
                begins = max(start, opens)
                if begins < closes:
                    if begins + left <= closes:
                        return begins + left
                    left -= closes - begins
                    start = closes
        raise AssertionError

    def _days(self, start: datetime) -> Iterator[date]:
        day = start.astimezone(self.zone).date() - 2 * _ONE_DAY
        while True:
            yield day
            day += _ONE_DAY

    def _open(self, day: date) -> list[tuple[datetime, datetime]]:
        if day in self.holidays:
            return []
        shifts = self.overrides.get(day, self.hours.get(WEEKDAYS[day.weekday()], ()))
        intervals = [
            (self._at(day, opens), self._at(day if closes > opens else day + _ONE_DAY, closes))
            for opens, closes in shifts
        ]
        return sorted((opens, closes) for opens, closes in intervals if opens < closes)

    def _at(self, day: date, clock: str) -> datetime:
        hour, minute = map(int, clock.split(":"))
        midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - wall time, placed in its zone below
        return (midnight + timedelta(hours=hour, minutes=minute)).replace(tzinfo=self.zone).astimezone(UTC)


def run() -> list[Row]:
    draw = random.Random(2020)
    instants = [FIRST + timedelta(seconds=draw.random() * TEN_YEARS_S) for _ in range(CALLS)]
    ranges = [(min(a, b), max(a, b)) for a, b in zip(instants, reversed(instants), strict=True)]
    budgets = [(instant, draw.random() * 5 * 8 * 3600) for instant in instants]

    tracemalloc.start()
    calendar = Calendar(ZONE, HOURS, HOLIDAYS)
    calendar.between(FIRST, FIRST + timedelta(seconds=TEN_YEARS_S))
    memory_mb = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()

    loop = DayLoop(ZONE, HOURS, HOLIDAYS)
    return [
        Row(
            "between, anywhere in ten years",
            _rate(calendar.between, ranges),
            "calls",
            "day-by-day loop",
            _rate(loop.between, ranges[:BASELINE_CALLS]),
            memory_mb,
        ),
        Row(
            "add, up to five working days",
            _rate(calendar.add, budgets),
            "calls",
            "day-by-day loop",
            _rate(loop.add, budgets[:BASELINE_CALLS]),
            memory_mb,
        ),
    ]


def _rate(call: Callable[..., object], arguments: Sequence[tuple[object, ...]]) -> float:
    """Calls per second in the best of a few rounds: on a shared machine the others measure the neighbours."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for pair in arguments:
            call(*pair)
        best = min(best, time.perf_counter() - started)
    return len(arguments) / best


def main() -> None:
    render(run())


if __name__ == "__main__":
    main()
