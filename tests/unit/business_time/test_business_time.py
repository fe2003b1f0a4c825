from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from rapport.business_time import Calendar

from tests.unit.business_time.calendars import ALWAYS, WEEK, at, hours, office

# 2026-03-02 is a Monday
OFFICE = Calendar("UTC", office())


def test_seconds_and_microseconds_count():
    assert OFFICE.between(at("2026-03-02 16:59:59.999999"), at("2026-03-03 09:00:00.000001")) == 0.000002
    assert OFFICE.add(at("2026-03-02 16:59:59.5"), 0.500001) == at("2026-03-03 09:00:00.000001")


def test_answers_are_in_utc_whatever_the_question_is_in():
    due = OFFICE.add(datetime(2026, 3, 2, 12, tzinfo=timezone(timedelta(hours=2))), 60)
    assert (due, due.tzinfo) == (at("2026-03-02 10:01"), UTC)


def test_a_budget_that_runs_out_at_closing_is_due_at_closing():
    assert OFFICE.add(at("2026-03-02 16:00"), 3600) == at("2026-03-02 17:00")
    assert OFFICE.add(at("2026-03-02 09:00"), 5 * 8 * 3600) == at("2026-03-06 17:00")


def test_a_start_outside_hours_counts_from_the_next_opening():
    assert OFFICE.add(at("2026-02-28 12:00"), 3600) == at("2026-03-02 10:00")
    assert OFFICE.add(at("2026-03-02 17:00"), 3600) == at("2026-03-03 10:00")


def test_nothing_to_spend_gives_the_start_or_the_next_opening():
    assert OFFICE.add(at("2026-03-02 12:00"), 0) == at("2026-03-02 12:00")
    assert OFFICE.add(at("2026-03-06 18:00"), 0) == at("2026-03-09 09:00")


def test_subtracting_goes_back_to_the_opening_that_the_budget_began_with():
    assert OFFICE.subtract(at("2026-03-03 10:00"), 3600) == at("2026-03-03 09:00")
    assert OFFICE.subtract(at("2026-03-03 10:00"), 3601) == at("2026-03-02 16:59:59")
    assert OFFICE.subtract(at("2026-03-08 10:00"), 3600) == at("2026-03-06 16:00")
    assert OFFICE.subtract(at("2026-03-08 10:00"), 0) == at("2026-03-06 17:00")
    assert OFFICE.add(at("2026-03-03 10:00"), -3600) == at("2026-03-03 09:00")


def test_a_reversed_or_empty_range_is_nothing():
    assert OFFICE.between(at("2026-03-03 10:00"), at("2026-03-02 10:00")) == 0
    assert OFFICE.between(at("2026-03-03 10:00"), at("2026-03-03 10:00")) == 0
    assert OFFICE.segments(at("2026-03-03 10:00"), at("2026-03-02 10:00")) == []


def test_opening_is_open_and_closing_is_not():
    assert OFFICE.is_open(at("2026-03-02 09:00"))
    assert not OFFICE.is_open(at("2026-03-02 17:00"))
    assert OFFICE.last_close(at("2026-03-02 17:00")) == at("2026-03-02 17:00")
    assert OFFICE.next_open(at("2026-03-02 17:00")) == at("2026-03-03 09:00")


@pytest.mark.parametrize(
    ("zone", "day", "local_hours"),
    [
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Sydney", "2026-10-04", 23),
        ("Australia/Sydney", "2026-04-05", 25),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("America/Havana", "2026-11-01", 25),  # 01:00 becomes 00:00: the date's midnight comes twice
        ("America/Sao_Paulo", "2018-11-04", 23),  # 00:00 becomes 01:00: the date has no midnight
        ("America/Sao_Paulo", "2018-02-17", 25),  # 24:00 becomes 23:00
        ("Europe/Berlin", "2028-02-29", 24),
    ],
)
def test_a_date_open_round_the_clock_counts_the_hours_that_it_has(zone: str, day: str, local_hours: float):
    calendar = Calendar(zone, {}, overrides={date.fromisoformat(day): hours("00:00-24:00")})
    midnight = at(f"{day} 00:00", zone)
    around = midnight - timedelta(days=3), midnight + timedelta(days=3)
    assert calendar.between(*around) == local_hours * 3600
    assert calendar.add(around[0], local_hours * 3600) == midnight + timedelta(hours=local_hours)


def test_of_an_ambiguous_time_the_first_is_meant():
    calendar = Calendar("Europe/Berlin", office("02:30-04:00", days="sun"))
    assert calendar.next_open(at("2026-10-25 00:00")) == at("2026-10-25 00:30")
    assert calendar.between(at("2026-10-25 00:00"), at("2026-10-25 12:00")) == 2.5 * 3600


def test_a_time_that_does_not_exist_is_read_with_the_offset_before_the_gap():
    calendar = Calendar("Europe/Berlin", office("02:30-04:00", days="sun"))
    assert calendar.next_open(at("2026-03-29 00:00")) == at("2026-03-29 03:30", "Europe/Berlin")
    assert calendar.between(at("2026-03-29 00:00"), at("2026-03-30 00:00")) == 1800


def test_an_interval_that_a_gap_leaves_empty_vanishes_and_its_date_is_no_business_day():
    calendar = Calendar("Europe/Berlin", office("02:30-03:15", days="sun") | office(days="mon"))
    assert calendar.next_open(at("2026-03-28 12:00")) == at("2026-03-30 07:00")
    assert calendar.add_days(at("2026-03-23 08:00"), 1) == at("2026-03-30 08:00", "Europe/Berlin") + timedelta(hours=1)


def test_intervals_that_a_gap_pushes_together_count_once():
    calendar = Calendar("Europe/Berlin", office("01:00-02:30", "03:00-05:00", days="sun"))
    assert calendar.between(at("2026-03-29 00:00"), at("2026-03-29 12:00")) == 3 * 3600


def test_a_date_that_a_zone_skipped_counts_once():
    calendar = Calendar("Pacific/Apia", office(days=" ".join(WEEK)))
    start, end = at("2011-12-29 00:00", "Pacific/Apia"), at("2012-01-02 00:00", "Pacific/Apia")
    assert calendar.between(start, end) == (3 * 8) * 3600  # the 29th, the 31st and the 1st


def test_hours_may_cross_midnight_and_belong_to_the_date_on_which_they_open():
    night = Calendar("UTC", office("22:00-06:00"), holidays=[date(2026, 3, 4)])
    assert night.between(at("2026-03-02 00:00"), at("2026-03-03 12:00")) == 8 * 3600
    assert night.between(at("2026-03-07 00:00"), at("2026-03-09 12:00")) == 6 * 3600
    assert night.between(at("2026-03-04 00:00"), at("2026-03-05 12:00")) == 6 * 3600
    assert Calendar("UTC", office("22:00-00:00")) == Calendar("UTC", office("22:00-24:00"))


def test_a_night_that_runs_into_hours_of_the_next_date_counts_once():
    calendar = Calendar("UTC", office("22:00-06:00"), overrides={date(2026, 3, 3): hours("05:00-09:00")})
    assert calendar.between(at("2026-03-02 12:00"), at("2026-03-03 12:00")) == 11 * 3600


def test_overrides_replace_a_dates_hours_and_a_holiday_empties_even_those():
    calendar = Calendar(
        "UTC",
        office(),
        holidays=[date(2026, 3, 3)],
        overrides={
            date(2026, 3, 3): hours("09:00-12:00"),
            date(2026, 3, 4): hours("10:00-11:00"),
            date(2026, 3, 5): [],
            date(2026, 3, 7): hours("10:00-11:00"),
        },
    )
    assert calendar.between(at("2026-03-02 17:00"), at("2026-03-09 00:00")) == (1 + 8 + 1) * 3600


def test_segments_say_why_time_did_not_count():
    calendar = Calendar("America/New_York", office(), holidays=[date(2026, 5, 25)])
    told = [
        (segment.start, segment.end, segment.why, segment.counted_seconds)
        for segment in calendar.segments(at("2026-05-22 20:00"), at("2026-05-26 14:00"))
    ]
    assert told == [
        (at("2026-05-22 20:00"), at("2026-05-22 21:00"), "open", 3600),
        (at("2026-05-22 21:00"), at("2026-05-25 04:00"), "closed", 0),
        (at("2026-05-25 04:00"), at("2026-05-26 04:00"), "holiday", 0),
        (at("2026-05-26 04:00"), at("2026-05-26 13:00"), "closed", 0),
        (at("2026-05-26 13:00"), at("2026-05-26 14:00"), "open", 3600),
    ]


def test_holidays_in_a_row_are_one_segment_and_so_is_an_open_week():
    always = Calendar("Europe/Berlin", ALWAYS, holidays=[date(2026, 12, 25), date(2026, 12, 26)])
    told = always.segments(at("2026-12-20 00:00"), at("2026-12-28 00:00"))
    assert [(segment.why, segment.end - segment.start) for segment in told] == [
        ("open", timedelta(days=4, hours=23)),
        ("holiday", timedelta(days=2)),
        ("open", timedelta(days=1, hours=1)),
    ]


@pytest.mark.parametrize(
    ("start", "days", "due"),
    [
        ("2026-03-04 10:30", 0, "2026-03-04 10:30"),
        ("2026-03-04 10:30", 1, "2026-03-05 10:30"),
        ("2026-03-04 10:30", 3, "2026-03-09 10:30"),
        ("2026-03-07 12:00", 0, "2026-03-09 09:00"),
        ("2026-03-07 12:00", 3, "2026-03-12 09:00"),
        ("2026-03-04 18:00", 1, "2026-03-06 09:00"),
        ("2026-03-04 10:30", -3, "2026-02-27 10:30"),
        ("2026-03-07 12:00", -1, "2026-03-05 17:00"),
        ("2026-03-04 08:00", -1, "2026-03-02 17:00"),
    ],
)
def test_business_days_keep_the_time_of_day(start: str, days: int, due: str):
    assert OFFICE.add_days(at(start), days) == at(due)


def test_business_days_end_at_that_days_closing():
    calendar = Calendar("UTC", office(), overrides={date(2026, 3, 3): hours("09:00-12:00")})
    assert calendar.add_days(at("2026-03-02 16:00"), 1) == at("2026-03-03 12:00")
    assert calendar.add_days(at("2026-03-02 16:00"), 2) == at("2026-03-04 16:00")


def test_business_days_keep_the_local_time_across_a_change_of_clocks():
    calendar = Calendar("Europe/Berlin", office())
    assert calendar.add_days(at("2026-03-27 10:00", "Europe/Berlin"), 1) == at("2026-03-30 10:00", "Europe/Berlin")


def test_a_business_day_of_a_night_shift_is_the_date_on_which_it_opened():
    night = Calendar("UTC", office("22:00-06:00"))
    assert night.add_days(at("2026-03-07 02:00"), 1) == at("2026-03-10 02:00")
    assert night.add_days(at("2026-03-07 12:00"), -1) == at("2026-03-06 06:00")
    late = Calendar("UTC", office("08:00-24:00"))
    assert late.add_days(at("2026-03-07 12:00"), -1) == at("2026-03-06 00:00")


@pytest.mark.parametrize(
    ("arrival", "days_ahead", "cutoff", "due"),
    [
        ("2026-03-04 10:00", 0, None, "2026-03-04 17:00"),
        ("2026-03-04 10:00", 1, None, "2026-03-05 17:00"),
        ("2026-03-07 10:00", 1, None, "2026-03-09 17:00"),
        ("2026-03-07 10:00", 0, None, "2026-03-09 17:00"),
        ("2026-03-06 23:00", 1, None, "2026-03-09 17:00"),
        ("2026-03-04 17:00", 0, None, "2026-03-05 17:00"),
        ("2026-03-04 15:00", 0, time(15), "2026-03-04 17:00"),
        ("2026-03-04 15:00:00.000001", 0, time(15), "2026-03-05 17:00"),
        ("2026-03-04 15:01", 1, time(15), "2026-03-06 17:00"),
        ("2026-03-06 15:01", 1, time(15), "2026-03-09 17:00"),  # Saturday counts, like Saturday's mail
    ],
)
def test_the_end_of_a_business_day_counts_from_the_date_of_arrival(
    arrival: str, days_ahead: int, cutoff: time | None, due: str
):
    assert OFFICE.end_of_business_day(at(arrival), days_ahead, cutoff) == at(due)


def test_the_date_of_arrival_is_the_calendars_not_utcs():
    boston = Calendar("America/New_York", office())
    assert boston.end_of_business_day(at("2026-03-05 03:00"), 1, time(23)) == at("2026-03-05 17:00", "America/New_York")


def test_a_business_day_in_the_past_is_refused():
    with pytest.raises(ValueError, match="days_ahead"):
        OFFICE.end_of_business_day(at("2026-03-04 10:00"), -1)


def test_a_calendar_that_never_opens_overflows_but_measures_nothing():
    never = Calendar("UTC", {})
    start = at("2026-03-02 10:00")
    assert never.between(start, start + timedelta(days=4000)) == 0
    assert not never.is_open(start)
    for ask in (
        lambda: never.add(start, 1),
        lambda: never.add(start, 0),
        lambda: never.subtract(start, 1),
        lambda: never.subtract(start, 0),
        lambda: never.next_open(start),
        lambda: never.last_close(start),
        lambda: never.add_days(start, 1),
        lambda: never.add_days(start, -1),
        lambda: never.end_of_business_day(start, 0, None),
        lambda: never.end_of_business_day(start, 1, None),
    ):
        with pytest.raises(OverflowError):
            ask()


@pytest.mark.parametrize("asked_before", [False, True])
def test_five_years_of_closed_doors_are_the_end(asked_before: bool):  # noqa: FBT001
    seldom = Calendar(
        "UTC",
        {},
        overrides={day: hours("09:00-10:00") for day in (date(2020, 1, 1), date(2024, 6, 1), date(2034, 1, 1))},
    )
    if asked_before:
        assert seldom.between(at("2019-01-01 00:00"), at("2040-01-01 00:00")) == 3 * 3600
    assert seldom.add(at("2020-01-01 09:30"), 3600) == at("2024-06-01 09:30")
    assert seldom.add(at("2020-01-01 00:00"), 7200) == at("2024-06-01 10:00")
    assert seldom.next_open(at("2029-06-01 00:00")) == at("2034-01-01 09:00")
    assert seldom.subtract(at("2028-01-01 00:00"), 7200) == at("2020-01-01 09:00")
    with pytest.raises(OverflowError, match="5 years of 2024"):
        seldom.add(at("2024-06-01 09:30"), 1801)
    with pytest.raises(OverflowError):
        seldom.next_open(at("2025-01-01 00:00"))
    with pytest.raises(OverflowError, match="before 2034"):
        seldom.subtract(at("2034-01-01 09:30"), 1801)
    with pytest.raises(OverflowError):
        seldom.last_close(at("2033-01-01 00:00"))
    with pytest.raises(OverflowError):
        seldom.add_days(at("2024-06-01 09:30"), 1)


def test_a_long_budget_is_no_reason_to_give_up():
    assert OFFICE.add(at("2001-01-01 09:00"), 20 * 52 * 5 * 8 * 3600) == at("2020-12-04 17:00")


def test_the_epoch_is_an_instant_like_any_other():
    always = Calendar("UTC", ALWAYS)
    assert always.between(at("1970-01-01 00:00"), at("1970-01-01 01:00")) == 3600
    assert always.is_open(at("1970-01-01 00:00"))
    assert always.add(at("1969-12-31 23:59:59"), 2) == at("1970-01-01 00:00:01")


def test_business_time_has_an_end():
    with pytest.raises(OverflowError):
        OFFICE.is_open(datetime.max.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    "ask",
    [
        lambda naive: OFFICE.add(naive, 1),
        lambda naive: OFFICE.subtract(naive, 1),
        lambda naive: OFFICE.between(naive, at("2026-03-02 10:00")),
        lambda naive: OFFICE.between(at("2026-03-02 10:00"), naive),
        lambda naive: OFFICE.segments(naive, naive),
        lambda naive: OFFICE.add_days(naive, 1),
        OFFICE.next_open,
        OFFICE.is_open,
        lambda naive: OFFICE.end_of_business_day(naive, 1, None),
    ],
)
def test_a_naive_datetime_is_refused(ask):
    with pytest.raises(ValueError, match="time zone"):
        ask(datetime(2026, 3, 2, 10))  # noqa: DTZ001


def test_calendars_that_say_the_same_are_equal():
    one = Calendar("UTC", office("09:00-12:00", "13:00-17:00"), [date(2026, 1, 1), date(2026, 1, 6)])
    other = Calendar("UTC", office("13:00-17:00", "9:00-12:00") | {"sat": []}, {date(2026, 1, 6), date(2026, 1, 1)})
    assert one == other
    assert len({one, other, Calendar("Etc/UTC", office()), OFFICE}) == 3
    assert one != "UTC"
    assert repr(one) == "<Calendar UTC, 2 holidays, 0 overrides>"


@pytest.mark.parametrize(
    ("facts", "complaint"),
    [
        ({"timezone": "Mars/Olympus"}, "timezone: 'Mars/Olympus' is not a known time zone"),
        ({"timezone": "../etc/passwd"}, "timezone: "),
        ({"timezone": ""}, "timezone: "),
        ({"timezone": 5}, "timezone: 5 is not a known"),
        ({"hours": {"monday": []}}, "hours: 'monday' is not a weekday"),
        ({"hours": ["09:00"]}, "hours: .* does not map weekdays"),
        ({"hours": {"mon": "09:00-17:00"}}, "hours.mon: .* not a list"),
        ({"hours": {"mon": None}}, "hours.mon: None is not a list"),
        ({"hours": {"mon": ["09:00-17:00"]}}, "hours.mon: .* not a pair"),
        ({"hours": {"mon": [(540, 1020)]}}, "hours.mon: .* not a pair"),
        ({"hours": {"tue": [("09:00", "25:00")]}}, "hours.tue: '25:00' is past 24:00"),
        ({"hours": {"tue": [("09:00", "24:00:01")]}}, "hours.tue: '24:00:01' is past 24:00"),
        ({"hours": {"tue": [("09:60", "17:00")]}}, "hours.tue: '09:60' is not a time of day"),
        ({"hours": {"tue": [("nine", "17:00")]}}, "hours.tue: 'nine' is not a time of day"),
        ({"hours": {"wed": [("24:00", "06:00")]}}, "hours.wed: 24:00-06:00 opens at 24:00"),
        ({"hours": {"wed": [("09:00", "09:00")]}}, "hours.wed: 09:00-09:00 is empty"),
        ({"hours": {"thu": hours("12:00-17:00", "09:00-12:30")}}, "hours.thu: 12:00-17:00 overlaps"),
        ({"hours": {"thu": hours("20:00-04:00", "22:00-23:00")}}, "hours.thu: 22:00-23:00 overlaps"),
        ({"holidays": ["2026-01-01"]}, "holidays: '2026-01-01' is not a date"),
        ({"holidays": [datetime(2026, 1, 1, tzinfo=UTC)]}, "holidays: .* is not a date"),
        ({"holidays": None}, "holidays: None is not a list"),
        ({"overrides": []}, "overrides: .* does not map dates"),
        ({"overrides": {"2026-01-01": []}}, "overrides: '2026-01-01' is not a date"),
        ({"overrides": {date(2026, 1, 1): [("9", "17:00")]}}, "overrides.2026-01-01: '9' is not a time of day"),
    ],
)
def test_a_bad_calendar_is_refused_with_the_field_and_the_reason(facts, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        Calendar(**({"timezone": "UTC", "hours": office()} | facts))


def test_a_budget_of_more_time_than_there_is_ends_at_once_in_either_direction():
    for seconds in (10**12, 10**400):
        for way in (OFFICE.add, OFFICE.subtract):
            with pytest.raises(OverflowError, match="years 2 and 9998"):
                way(at("2026-11-30 10:00"), seconds)
        with pytest.raises(OverflowError, match="years 2 and 9998"):
            OFFICE.add(at("2026-11-30 10:00"), -seconds)
