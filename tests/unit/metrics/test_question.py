"""What can be asked of a report, and how a slip is answered."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics.domain.question import BadQuestion, parse, parse_range, term


def ask(**parameters: str):
    return parse({name.rstrip("_"): [value] for name, value in {"measure": "contacts", **parameters}.items()})


def wrong(**parameters: str) -> set[str]:
    with pytest.raises(BadQuestion) as caught:
        ask(**parameters)
    return {pointer for pointer, _ in caught.value.errors}


def test_a_date_is_its_midnight_in_the_zone_asked_for():
    question = ask(from_="2026-03-29", to="2026-03-30", tz="Europe/Berlin")
    assert question.since == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert question.until == datetime(2026, 3, 29, 22, tzinfo=UTC)


def test_a_plus_that_became_a_blank_in_the_query_string_is_a_plus():
    assert ask(from_="2026-03-02T09:00:00 01:00").since == datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_an_instant_may_be_written_in_small_letters_as_rfc_3339_says():
    assert ask(from_="2026-03-02t09:00:00z").since == datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"measure": "happiness"}, "/measure"),
        ({"from_": "yesterday"}, "/from"),
        ({"from_": "2026-03-02T09:00:00"}, "/from"),
        ({"from_": "0001-01-01T00:00:00+14:00"}, "/from"),
        ({"from_": "0001-01-01", "tz": "Asia/Tokyo"}, "/from"),
        ({"from_": "2026-03-02", "to": "2026-03-02"}, "/to"),
        ({"by": "channel,colour"}, "/by"),
        ({"by": "target"}, "/by"),
        ({"granularity": "decade"}, "/granularity"),
        ({"tz": "Mars/Base"}, "/tz"),
        ({"tz": "../etc/passwd"}, "/tz"),
        ({"week_start": "noday"}, "/week_start"),
        ({"filter": "colour:red"}, "/filter"),
        ({"filter": "email"}, "/filter"),
        ({"filter": "team:a,team:b"}, "/filter"),
        ({"format": "xml"}, "/format"),
        ({"as_off": "2026-03-02"}, "/as_off"),
        ({"as_of": "yesterday"}, "/as_of"),
        ({"as_of": "2026-02-30"}, "/as_of"),
        ({"as_of": "2026-03-02T09:00:00Z"}, "/as_of"),
        ({"as_of": "1969-12-31"}, "/as_of"),
        ({"as_of": "9999-12-31"}, "/as_of"),
    ],
)
def test_a_slip_is_named(parameters, pointer):
    assert wrong(**parameters) == {pointer}


def test_as_of_a_day_is_its_end_in_the_zone_asked_for():
    question = ask(as_of="2026-03-28", tz="Europe/Berlin")
    assert question.as_of == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert question.looked_at(datetime(2026, 3, 28, 22, tzinfo=UTC)) == datetime(2026, 3, 28, 22, tzinfo=UTC)
    assert question.looked_at(datetime(2026, 4, 1, tzinfo=UTC)) == question.as_of


def test_as_of_two_days_at_once_is_refused():
    with pytest.raises(BadQuestion, match="as_of: is given more than once"):
        parse({"measure": ["contacts"], "as_of": ["2026-03-02", "2026-03-03"]})


def test_a_measure_is_needed():
    with pytest.raises(BadQuestion, match="measure: is missing"):
        parse({})


def test_a_filter_takes_alternatives_quotes_and_none():
    where = ask(filter='channel:email|phone,topic:"a, b"|"c|d",team:|x,product:').where
    assert where == {"channel": ("email", "phone"), "topic": ("a, b", "c|d"), "team": (None, "x"), "product": (None,)}


labels = st.text(st.characters(codec="utf-8") | st.sampled_from(',|":'), min_size=1, max_size=20)


@given(one=labels, other=labels)
def test_a_term_is_read_as_it_was_written(one, other):
    assert ask(filter=f"{term('team', one)},{term('topic', other)}").where == {"team": (one,), "topic": (other,)}


def test_hourly_rows_serve_what_they_are_exact_for():
    assert ask(by="channel").combination()
    assert ask(by="channel", from_="2026-03-02", tz="Asia/Kathmandu").combination() is None
    assert ask(granularity="day", tz="Australia/Adelaide").combination() is None
    assert ask(granularity="day", tz="America/New_York").combination()
    assert ask(by="topic").combination() is None
    assert ask(measure="sla", by="target").combination()


def test_a_balance_takes_a_range_and_nothing_else():
    assert parse_range({"from": ["2026-03-02"]}) == (datetime(2026, 3, 2, tzinfo=UTC), None)
    with pytest.raises(BadQuestion):
        parse_range({"measure": ["contacts"]})
