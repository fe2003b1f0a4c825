"""Days, weeks and months of the world's zones."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics.domain.periods import (
    is_whole_hour_zone,
    local_day,
    local_midnight,
    offsets_within,
    period_end,
    period_of_day,
)

zones = st.sampled_from(
    ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Almaty"]
)
instants = st.datetimes(datetime(1971, 1, 1), datetime(2039, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


@given(name=zones, ends=st.lists(instants, min_size=3, max_size=3).map(sorted))
def test_the_offsets_of_a_range_give_every_local_day_in_it(name, ends):
    since, at, until = ends
    until += timedelta(days=1)
    offset = [change for start, change in offsets_within(name, since, until) if start <= at or start <= since][-1]
    assert (at + offset).date() == local_day(at, ZoneInfo(name))
    offset = [change for start, change in offsets_within(name, None, None) if start <= at][-1]
    assert (at + offset).date() == local_day(at, ZoneInfo(name))


@given(day=st.dates(date(1971, 1, 1), date(2039, 1, 1)), start=st.integers(0, 6))
def test_periods_follow_each_other_without_gap(day, start):
    for granularity in ("day", "week", "month"):
        period = period_of_day(day, granularity, start)
        end = period_end(period, granularity)
        assert period <= day < end
        assert period_of_day(end, granularity, start) == end
        assert period_of_day(end - timedelta(days=1), granularity, start) == period
    assert period_of_day(day, "week", start).weekday() == start


def test_a_day_begins_at_its_local_midnight():
    zone = ZoneInfo("Europe/Berlin")
    assert local_midnight(date(2026, 7, 1), zone) == datetime(2026, 6, 30, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("UTC", True),
        ("Europe/Berlin", True),
        ("America/New_York", True),
        ("Asia/Kathmandu", False),
        ("Asia/Kolkata", False),
        ("Australia/Lord_Howe", False),
    ],
)
def test_only_zones_of_whole_hours_are_made_of_utcs_hours(name, whole):
    assert is_whole_hour_zone(name) is whole
