"""Unplanned closings: what they take of the usual hours does not count, and says why."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from rapport.business_time import Calendar

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
HOURS = {day: [("09:00", "17:00")] for day in ("mon", "tue", "wed", "thu", "fri")}


def at(hours: float) -> datetime:
    return MONDAY + timedelta(hours=hours)


def office(*closures: tuple[float, float]) -> Calendar:
    return Calendar("UTC", HOURS, closures=[(at(start), at(end)) for start, end in closures])


def test_time_in_a_closure_does_not_count():
    snow = office((12, 15))
    assert snow.between(at(9), at(17)) == 5 * 3600
    assert snow.add(at(9), 4 * 3600) == at(16)
    assert not snow.is_open(at(13))
    assert snow.next_open(at(13)) == at(15)


def test_a_day_that_is_closed_whole_is_no_business_day():
    snow = office((0, 24))
    assert snow.end_of_business_day(at(10)) == at(24 + 17)
    assert snow.add_days(at(10), 1) == at(48 + 9)


def test_what_a_closure_took_is_called_closure_and_the_night_is_not():
    found = [(s.start, s.end, s.why) for s in office((15, 34)).segments(at(14), at(36))]
    assert found == [
        (at(14), at(15), "open"),
        (at(15), at(17), "closure"),
        (at(17), at(33), "closed"),
        (at(33), at(34), "closure"),
        (at(34), at(36), "open"),
    ]


def test_calendars_differ_by_their_closures_and_not_by_how_these_are_cut():
    assert office((12, 15)) != office()
    assert office((12, 13), (13, 15)) == office((12, 15))


@given(closures=st.lists(st.tuples(st.integers(0, 100), st.integers(1, 30)), max_size=4), start=st.integers(0, 60))
def test_all_the_time_is_said_once_and_what_is_open_adds_up(closures: list[tuple[int, int]], start: int):
    calendar = office(*((begins, begins + length) for begins, length in closures))
    segments = calendar.segments(at(start), at(120))
    assert sum(s.counted_seconds for s in segments) == calendar.between(at(start), at(120))
    assert [s.end for s in segments[:-1]] == [s.start for s in segments[1:]]
    assert (segments[0].start, segments[-1].end) == (at(start), at(120))
