"""When customers come: by local hour and weekday, and whether we were open then."""

from datetime import UTC, datetime

import pytest
from metrics.domain.question import BadQuestion, parse

from tests.support.metrics import Memory, at, event, opened, received


def test_arrivals_are_by_weekday_and_hour_of_the_wall_clock():
    memory = Memory().feed(
        received(at("09:30"), "C-1"), received(at("09:59", day=7), "C-2"), received(at("23:30", day=6), "C-3")
    )
    assert memory.report("arrivals", tz="Europe/Berlin") == [
        {"weekday": "monday", "hour": "00", "arrivals": 1},
        {"weekday": "monday", "hour": "10", "arrivals": 2},
    ]


def test_days_of_the_week_come_in_their_own_order():
    memory = Memory().feed(*(received(at("09:00", day), f"C-{day}") for day in (4, 2, 0)))
    assert [row["weekday"] for row in memory.report("arrivals", by="weekday")] == ["monday", "wednesday", "friday"]


def test_of_the_hour_that_comes_twice_both_are_that_hour():
    first, second = (datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1))
    memory = Memory().feed(received(first, "C-1"), received(second, "C-2"))
    assert memory.report("arrivals", by="hour", tz="Europe/Berlin") == [{"hour": "02", "arrivals": 2}]


@pytest.mark.parametrize(("tz", "hours"), [("UTC", (9, 10)), ("Asia/Kathmandu", (3.25, 4.25))])
def test_the_stretches_of_an_hour_of_the_week_are_those_of_the_zone(tz, hours):
    asked = {
        "measure": "arrivals",
        "from": "2026-03-02",
        "to": "2026-03-12",
        "tz": tz,
        "filter": "weekday:monday,hour:09",
    }
    found = parse({name: [text] for name, text in asked.items()}).hours()
    assert [[(one - at("00:00")).total_seconds() / 3600 for one in stretch] for stretch in found] == [
        [hours[0], hours[1]],
        [7 * 24 + hours[0], 7 * 24 + hours[1]],
    ]


def test_whether_it_came_out_of_hours_is_what_sla_monitor_says():
    memory = Memory().feed(
        *(received(at("09:00"), name) for name in ("C-1", "C-2", "C-3")),
        received(at("09:00"), "C-4", direction="outbound"),
        opened(at("09:00"), {"first_response": at("10:00")}, "C-1", in_hours=True),
        opened(at("09:00"), {"first_response": at("10:00")}, "C-2", in_hours=False),
    )
    row = memory.report("out_of_hours")[0]
    assert {name: row[name] for name in ("share", "out_of_hours", "count", "unknown")} == {
        "share": 0.5,
        "out_of_hours": 1,
        "count": 2,
        "unknown": 1,
    }


def test_whether_it_came_out_of_hours_is_told_anew_when_an_earlier_message_comes_late():
    late = received(at("03:00"), "C-1")
    moved = event(
        "sla.rescheduled", at("03:00"), contact_id="C-1", cause="contact.received", in_hours=False, sequence=2
    )
    told = opened(at("09:00"), {"first_response": at("10:00")}, "C-1", in_hours=True)
    memory = Memory().feed(received(at("09:00"), "C-1"), told, late, moved)
    assert memory.report("out_of_hours", by="hour")[0]["hour"] == "03"
    assert memory.report("out_of_hours")[0]["out_of_hours"] == 1


@pytest.mark.parametrize("term", ["hour:9", "weekday:Mon", "weekday:"])
def test_no_such_hour_or_day_is_refused(term):
    with pytest.raises(BadQuestion) as refused:
        parse({"measure": ["arrivals"], "filter": [term]})
    assert [pointer for pointer, _ in refused.value.errors] == ["/filter"]
