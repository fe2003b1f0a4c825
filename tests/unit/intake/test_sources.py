"""When a source counts as silent, and how its clock goes."""

from datetime import datetime, timedelta

from intake.sources import Source

from tests.support.intake import NOW

WEEK = timedelta(days=7)


def source(*, last: datetime, gaps: dict[str, float] | None = None, first: datetime = NOW - WEEK) -> Source:
    return Source("/crm", first, last, gaps or {})


def test_a_source_is_silent_when_it_says_nothing_for_twice_its_longest_pause():
    hourly = {NOW.date().isoformat(): 3600.0}
    assert not source(last=NOW - timedelta(hours=2), gaps=hourly).silent(NOW)
    assert source(last=NOW - timedelta(hours=2, seconds=1), gaps=hourly).silent(NOW)


def test_a_night_of_last_week_is_a_pause_like_any_other_and_one_of_last_month_is_forgotten():
    night = 12 * 3600.0
    for back, silent in ((6, False), (30, True)):
        gaps = {(NOW - timedelta(days=back)).date().isoformat(): night}
        assert source(last=NOW - timedelta(hours=20), gaps=gaps).silent(NOW) == silent


def test_ten_minutes_are_no_silence_and_nobody_is_silent_on_the_first_day():
    assert not source(last=NOW - timedelta(minutes=10)).silent(NOW)
    assert source(last=NOW - timedelta(minutes=11)).silent(NOW)
    assert not source(last=NOW - timedelta(hours=5), first=NOW - timedelta(hours=23)).silent(NOW)
