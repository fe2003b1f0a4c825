"""
Opening hours compiled into sorted UTC intervals with running totals, so that every question is a bisection or two.

Instants are integer microseconds since 1970, so sums are exact. Years are compiled when a question first reaches them;
which ones are compiled never changes an answer.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY_US = 86_400_000_000
HORIZON_US = 1827 * DAY_US
"""Five years, with both leap days that they may hold: closed for longer than that is closed for good."""

Interval: TypeAlias = tuple[int, int]

_EDGE_US = 4 * DAY_US
"""How near the edge of the compiled years an interval of an uncompiled date could reach: a zone's offset, a date line
crossed, and a shift that ends on the next date."""
_FIRST_YEAR, _LAST_YEAR = 2, 9998
_TOO_FAR = f"business time ends with the years {_FIRST_YEAR} and {_LAST_YEAR}"


def to_us(instant: datetime) -> int:
    """Microseconds since 1970. ValueError for a naive datetime, whose instant nobody knows."""
    try:
        return (instant - EPOCH) // MICROSECOND
    except TypeError:
        raise ValueError(f"{instant!r} has no time zone; business time needs aware datetimes") from None


def to_instant(us: int) -> datetime:
    seconds, rest = divmod(us, 1_000_000)
    return EPOCH + timedelta(0, seconds, rest)


_FIRST, _LAST = to_us(datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC)), to_us(datetime(_LAST_YEAR + 1, 1, 1, tzinfo=UTC))
"""No way is longer than up to these: open time is never more than time."""


class Timeline:
    """
    The open intervals of a calendar, as far as anybody has asked.

    `hours_of` gives the open intervals that belong to a local date. Intervals that touch or overlap (a shift past
    midnight, two shifts pushed together by a change of clocks) are one: no instant counts twice.
    """

    __slots__ = (
        "_ends",
        "_first_year",
        "_gaps",
        "_hours_of",
        "_known_from",
        "_known_to",
        "_last_year",
        "_least",
        "_most",
        "_starts",
        "_totals",
    )

    def __init__(self, hours_of: Callable[[date], list[Interval]]) -> None:
        self._hours_of = hours_of
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._totals: list[int] = []  # open time in all intervals before this one
        self._gaps: list[int] = []  # intervals that follow a gap beyond the horizon
        self._first_year = self._last_year = 0
        self._known_from, self._known_to = 1, 0  # every interval that touches this range is compiled
        self._least = self._most = 0  # the running total at either end of it

    def between(self, start: int, end: int) -> int:
        """Open time from start to end; 0 if they are reversed."""
        if end <= start:
            return 0
        before = self._position(start)  # first, because compiling the past renews the totals
        return self._position(end) - before

    def add(self, start: int, budget: int) -> int:
        """
        The instant at which `budget` of open time since `start` has passed: at closing, if it runs out there.

        Nothing to spend outside hours gives the next opening. OverflowError beyond the horizon.
        """
        target = self._position(start) + budget
        if budget > _LAST - start:
            raise OverflowError(_TOO_FAR)
        while target > self._most:
            self._look_ahead(start)
        if budget == 0:
            return self.next_open(start)
        last = bisect_left(self._totals, target) - 1
        if self._gaps or self._starts[last] - start > HORIZON_US:
            self._check_horizon(start, last)
        return self._starts[last] + target - self._totals[last]

    def subtract(self, due: int, budget: int) -> int:
        """
        The instant since which `budget` of open time had passed at `due`: at opening, if it began there.

        Nothing to take back outside hours gives the last closing. OverflowError beyond the horizon.
        """
        if budget > due - _FIRST:
            raise OverflowError(_TOO_FAR)
        while (position := self._position(due)) - budget < self._least:
            self._look_back(due)
        if budget == 0:
            return self.last_close(due)
        target = position - budget
        first = bisect_right(self._totals, target) - 1
        if self._gaps or due - self._ends[first] > HORIZON_US:
            self._check_past_horizon(due, first)
        return self._starts[first] + target - self._totals[first]

    def is_open(self, us: int) -> bool:
        """Whether that instant counts: from opening on, up to and without closing."""
        self._cover(us)
        at = bisect_right(self._starts, us) - 1
        return at >= 0 and us < self._ends[at]

    def next_open(self, us: int) -> int:
        """That instant if it is open, else the next opening. OverflowError beyond the horizon."""
        self._cover(us)
        at = bisect_right(self._ends, us)
        while at == len(self._starts) or self._starts[at] > self._known_to:
            self._look_ahead(us)
            at = bisect_right(self._ends, us)
        self._check_horizon(us, at)
        return max(us, self._starts[at])

    def last_close(self, us: int) -> int:
        """That instant if it is open or just closing, else the last closing. OverflowError beyond the horizon."""
        self._cover(us)
        while (at := bisect_right(self._starts, us) - 1) < 0 or self._ends[at] < self._known_from:
            self._look_back(us)
        self._check_past_horizon(us, at)
        return min(us, self._ends[at])

    def within(self, start: int, end: int) -> Iterator[Interval]:
        """The open intervals from start to end, cut at both."""
        self._cover(start)
        self._cover(end)
        for at in range(bisect_right(self._ends, start), bisect_left(self._starts, end)):
            yield max(start, self._starts[at]), min(end, self._ends[at])

    def _position(self, us: int) -> int:
        """The running total of open time at that instant."""
        if not self._known_from <= us <= self._known_to:
            self._cover(us)
        at = bisect_right(self._starts, us) - 1
        if at < 0:
            return 0
        return self._totals[at] + min(us, self._ends[at]) - self._starts[at]

    def _check_horizon(self, start: int, last: int) -> None:
        """Refuse a way from `start` to interval `last` that crosses a gap beyond the horizon."""
        first = bisect_right(self._ends, start)
        if self._starts[first] - start > HORIZON_US or any(first < gap <= last for gap in self._gaps):
            raise OverflowError(f"the calendar does not open again within 5 years of {to_instant(start)}")

    def _check_past_horizon(self, due: int, first: int) -> None:
        last = bisect_right(self._starts, due) - 1
        if due - self._ends[last] > HORIZON_US or any(first < gap <= last for gap in self._gaps):
            raise OverflowError(f"the calendar was not open in the 5 years before {to_instant(due)}")

    def _look_ahead(self, start: int) -> None:
        """Compile one more year; OverflowError if nothing compiled so far opens within the horizon."""
        newest = bisect_right(self._starts, self._known_to) - 1
        closed_since = max(start, self._ends[newest]) if newest >= 0 else start
        if self._known_to - closed_since > HORIZON_US:
            raise OverflowError(f"the calendar does not open again within 5 years of {to_instant(closed_since)}")
        self._compile(self._first_year, self._last_year + 1)

    def _look_back(self, due: int) -> None:
        oldest = bisect_left(self._ends, self._known_from)
        closed_until = min(due, self._starts[oldest]) if oldest < len(self._starts) else due
        if closed_until - self._known_from > HORIZON_US:
            raise OverflowError(f"the calendar was not open in the 5 years before {to_instant(closed_until)}")
        more = max(1, (self._last_year - self._first_year) // 4)  # all totals are renewed, so not year by year for ever
        self._compile(min(self._first_year - 1, max(_FIRST_YEAR, self._first_year - more)), self._last_year)

    def _cover(self, us: int) -> None:
        """Have every interval that touches that instant compiled."""
        if self._known_from <= us <= self._known_to:
            return
        first, last = to_instant(us - _EDGE_US).year, to_instant(us + _EDGE_US).year
        if self._known_from > self._known_to:
            self._first_year, self._last_year = first, first - 1
        self._compile(min(first, self._first_year), max(last, self._last_year))

    def _compile(self, first: int, last: int) -> None:
        """Compile what is missing of the years `first` to `last`, which include those compiled before."""
        if first < _FIRST_YEAR or last > _LAST_YEAR:
            raise OverflowError(_TOO_FAR)
        if first < self._first_year:  # totals run from the first interval on, so the past renews them all
            known = list(zip(self._starts, self._ends, strict=True))
            self._starts, self._ends, self._totals, self._gaps = [], [], [], []
            self._append(self._intervals(first, self._first_year - 1) + known)
        self._append(self._intervals(self._last_year + 1, last))
        self._first_year, self._last_year = first, last
        self._known_from = to_us(datetime(first, 1, 1, tzinfo=UTC)) + _EDGE_US
        self._known_to = to_us(datetime(last + 1, 1, 1, tzinfo=UTC)) - _EDGE_US
        self._least, self._most = self._position(self._known_from), self._position(self._known_to)

    def _intervals(self, first: int, last: int) -> list[Interval]:
        days = range(date(first, 1, 1).toordinal(), date(last + 1, 1, 1).toordinal())
        return [interval for day in days for interval in self._hours_of(date.fromordinal(day))]

    def _append(self, intervals: list[Interval]) -> None:
        """Join intervals of later dates on, merging those that touch or overlap."""
        starts, ends, totals = self._starts, self._ends, self._totals
        seam = len(starts)
        if intervals:
            earliest = min(intervals)[0]
            while seam and ends[seam - 1] >= earliest:
                seam -= 1
        pending = sorted([*zip(starts[seam:], ends[seam:], strict=True), *intervals])
        del starts[seam:], ends[seam:], totals[seam:]
        self._gaps = [gap for gap in self._gaps if gap < seam]
        for start, end in pending:
            if ends and start <= ends[-1]:
                ends[-1] = max(end, ends[-1])
                continue
            if ends and start - ends[-1] > HORIZON_US:
                self._gaps.append(len(starts))
            totals.append(totals[-1] + ends[-1] - starts[-1] if starts else 0)
            starts.append(start)
            ends.append(end)
