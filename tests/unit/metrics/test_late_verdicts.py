"""Verdicts as sla-monitor tells them of events in any order: figures are those of the right order."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import sla
from tests.support.metrics import Memory, at, opened, received, verdict

UNDER = f"""{sla.OFFICE}policies:
  - name: calls
    match: {{channel: phone}}
    calendar: office
    targets: {{first_response: {{within: 1h}}, resolution: {{within: 4h}}}}
  - name: mail
    calendar: office
    targets: {{first_response: {{by: end of next business day}}, resolution: {{within: 8h}}, update: {{every: 2h}}}}
"""
STORY = (
    sla.received("08:50", channel="phone", id="e1"),
    sla.responded("09:40", id="e2"),
    sla.received("10:30", channel="email", id="e3"),
    sla.responded("11:00", id="e4"),
    sla.resolved("12:00", id="e5"),
    sla.happened("contact.reopened", "14:00", id="e6"),
    sla.resolved("16:00", id="e7"),
)
COUNTED = ("met", "breached", "running", "cancelled")


def figures(events: Any) -> dict[str, Any]:
    """What is counted of a contact whose events come in this order, all of them after the last has happened."""
    desk = sla.desk(UNDER)
    for event in events:
        desk.take(event, now="16:30")
    desk.look("Tue 16:30")
    memory = Memory().feed(*events, *desk.events)
    return {name: memory.report(name) for name in ("first_response", "resolution", "out_of_hours")} | {
        "sla": [
            {name: row[name] for name in ("period", "target", *COUNTED)}
            for row in memory.report("sla", by="target", granularity="day")
        ]
    }


SPAM = (*STORY[:4], sla.resolved("12:00", outcome="spam", id="e5"))


@settings(max_examples=100)
@given(st.permutations(STORY))
def test_figures_of_verdicts_do_not_depend_on_the_order_of_arrival(events):
    assert figures(events) == figures(STORY)


@settings(max_examples=50)
@given(st.permutations(SPAM))
def test_nor_do_those_of_what_was_cancelled(events):
    assert figures(events) == figures(SPAM)


def test_what_was_never_owed_is_no_cancelled_deadline():
    memory = Memory().feed(received(at("09:00")), opened(at("09:00"), {"first_response": at("10:00")}))
    memory.feed(verdict("cancelled", at("09:30"), at("10:00"), cause="contact.merged"))
    assert memory.report("sla")[0]["cancelled"] == 1
    memory.feed(verdict("cancelled", at("09:40"), at("10:00"), cause="withdrawn", sequence=3))
    assert memory.report("sla", by="target") == []


def test_what_was_cancelled_and_is_owed_again_runs():
    memory = Memory().feed(received(at("09:00")), opened(at("09:00"), {"first_response": at("10:00")}))
    memory.feed(verdict("cancelled", at("09:30"), at("10:00"), cause="contact.abandoned"))
    memory.feed(opened(at("11:00"), {"first_response": at("13:00")}, sequence=3))
    row = memory.report("sla", granularity="hour")[0]
    assert (row["running"], row["cancelled"]) == (1, 0)
    assert row["period"] == at("13:00").isoformat()
