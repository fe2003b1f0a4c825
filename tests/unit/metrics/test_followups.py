"""Follow-ups in figures: owed, done, overdue, sent and put aside, and whose they were."""

from datetime import datetime
from typing import Any

import pytest
from metrics.domain.finish import FOLLOWUPS
from rapport.contracts import Data, Event

from tests.support.metrics import NOW, Memory, at, event, received

assert at("09:00") == NOW


def told(kind: str, when: datetime, sequence: int, name: str = "fu-1", **data: Any) -> Event[Data]:
    """What followup says of a call that ada owes about C-1."""
    facts: dict[str, Any] = {"play": "calls", "step": 0, "do": "check_in", "purpose": "service", "owner": "ada"}
    facts |= {"contact_id": "C-1", "followup_id": name, **data}
    facts = {field: value for field, value in facts.items() if value is not None}
    return event(f"followup.{kind}", when, source="/rapport/followup", sequence=sequence, **facts)


def scheduled(name: str = "fu-1", **data: Any) -> Event[Data]:
    return told("scheduled", at("07:00"), 1, name, **{"due_at": at("08:00"), **data})


def owed(due: datetime, name: str = "fu-1", **data: Any) -> Event[Data]:
    return told("owed", at("08:00"), 2, name, due_at=due, **data)


def done(when: datetime, due: datetime, name: str = "fu-1", **data: Any) -> Event[Data]:
    return told("done", when, 3, name, due_at=due, outcome="reached", by="eve", **data)


def figures(*events: Event[Data], **question: Any) -> dict[str, int]:
    """Of the one row that has any, without the contacts beside them."""
    rows = Memory().feed(received(at("06:00")), *events).report("followups", facts=None, **question)
    [row] = [row for row in rows if any(row[name] for name in FOLLOWUPS)]
    return {name: amount for name, amount in row.items() if amount and name != "contacts"}


def test_what_is_planned_is_counted_at_the_instant_it_is_planned_for():
    assert figures(scheduled(), granularity="hour") == {"period": "2026-03-02T08:00:00+00:00", "planned": 1}


def test_a_call_that_is_owed_is_overdue_once_its_time_has_passed():
    assert figures(scheduled(), owed(at("09:00"))) == {"owed": 1}
    assert figures(scheduled(), owed(at("08:59"))) == {"owed": 1, "overdue": 1}


@pytest.mark.parametrize(("made", "late"), [("08:30", {}), ("08:31", {"late": 1})])
def test_a_call_that_was_made_was_owed_and_is_late_where_it_was_made_too_late(made: str, late: dict[str, int]):
    assert figures(scheduled(), owed(at("08:30")), done(at(made), at("08:30"))) == {"owed": 1, "done": 1, **late}


def test_each_agent_has_the_calls_that_they_owe():
    memory = Memory().feed(owed(at("08:00")), owed(at("12:00"), "fu-2", owner="bob"), received(at("06:00")))
    rows = {
        row["agent"]: (row["owed"], row["overdue"]) for row in memory.report("followups", by="agent") if row["agent"]
    }
    assert rows == {"ada": (1, 1), "bob": (1, 0)}


def test_beside_what_agents_owe_stand_the_contacts_that_they_took_unless_it_is_by_reason():
    memory = Memory().feed(owed(at("08:00")), received(at("06:00"), agent_id="ada"))
    memory.feed(received(at("06:00"), "C-2", agent_id="eve"), received(at("06:30"), "C-3", agent_id="eve"))
    rows = {row["agent"]: (row["owed"], row["contacts"]) for row in memory.report("followups", by="agent")}
    assert rows == {"ada": (1, 1), "eve": (0, 2)}
    assert [row["contacts"] for row in memory.report("followups", by="reason")] == [None]
    assert [row["contacts"] for row in Memory().report("followups")] == [0]


def test_what_is_put_aside_says_why_and_nothing_else_does():
    memory = Memory().feed(
        told("suppressed", at("08:00"), 2, reason="opted out"),
        told("sent", at("08:00"), 3, "fu-2", channel="email"),
        told("failed", at("08:00"), 4, "fu-3", reason="550 no such box"),
        told("cancelled", at("08:00"), 5, "fu-4", reason="contact.reopened"),
    )
    rows = {
        row["reason"]: {k: n for k, n in row.items() if n and k != "reason"}
        for row in memory.report("followups", by="reason")
    }
    assert rows == {"opted out": {"suppressed": 1}, None: {"sent": 1, "failed": 1, "cancelled": 1}}


def test_what_was_put_off_counts_at_the_instant_it_now_waits_for_and_once():
    deferred = told("deferred", at("07:30"), 2, until=at("10:00"), reason="quiet hours")
    assert figures(deferred, scheduled(), granularity="hour") == {"period": "2026-03-02T10:00:00+00:00", "planned": 1}


def test_what_is_about_no_contact_is_counted_too():
    alone = owed(at("08:00"), contact_id=None)
    assert figures(alone, scheduled(contact_id=None), by="agent") == {"agent": "ada", "owed": 1, "overdue": 1}


def test_figures_go_by_the_dimensions_of_the_contact_that_it_is_about():
    [row] = Memory().feed(received(at("06:00"), channel="phone"), owed(at("08:00"))).report("followups", by="channel")
    assert (row["channel"], row["owed"]) == ("phone", 1)
