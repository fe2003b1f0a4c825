"""What a clock counts in: the open hours of a calendar, or all time by the clock on the wall."""

from datetime import datetime, timedelta
from typing import Protocol

from rapport.business_time import Segment


class Hours(Protocol):
    """The part of a calendar that clocks need."""

    def add(self, start: datetime, seconds: float) -> datetime: ...
    def between(self, start: datetime, end: datetime) -> float: ...
    def segments(self, start: datetime, end: datetime) -> list[Segment]: ...


class WallClock:
    """All time counts: for promises, and targets that say `elapsed`."""

    def add(self, start: datetime, seconds: float) -> datetime:
        return start + timedelta(seconds=seconds)

    def between(self, start: datetime, end: datetime) -> float:
        return max(0.0, (end - start).total_seconds())

    def segments(self, start: datetime, end: datetime) -> list[Segment]:
        return [Segment(start, end, "open")] if start < end else []


WALL = WallClock()
