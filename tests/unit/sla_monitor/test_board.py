"""What the board says of a contact: in which order, in which words, and adding up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapport.contracts.sla_events import AlertEscalated
from sla_monitor.domain.board import alert_line, exactly, instants_in, week
from sla_monitor.domain.silences import Silence
from sla_monitor.domain.states import AlertState, AlertStatus
from sla_monitor.domain.text import length

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def row(name: str, *, due: int, breached: bool) -> str:
    """The place of an alert's row. `due` is an hour of that day."""
    due_at = NOW.replace(hour=due)
    alert = AlertState(
        id=name,
        partition=0,
        contact_id=name,
        customer_id="K",
        target="first_response",
        cycle=1,
        state="breached" if breached else "warned",
        started_at=NOW,
        due_at=due_at,
        breached_at=due_at if breached else None,
    )
    return alert_line(alert, None, NOW).sort


def test_who_waits_beyond_a_deadline_comes_first_and_then_who_is_due_first():
    wanted = [
        row("a", due=9, breached=True),
        row("b", due=9, breached=True),
        row("a", due=11, breached=True),
        row("c", due=8, breached=False),
        row("a", due=13, breached=False),
    ]
    assert sorted(wanted, reverse=True) == wanted[::-1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00:00"), (59, "0:00:59"), (7509, "2:05:09"), (100 * 3600, "100:00:00"), (1.5, "0:00:01.5")],
)
def test_counted_time_is_shown_to_the_second(seconds: float, text: str):
    assert exactly(seconds) == text


@given(st.integers(0, 10**12))
def test_no_millisecond_is_lost_in_showing_it(millis: int):
    hours, minutes, seconds = exactly(millis / 1000).split(":")
    assert int(hours) * 3_600_000 + int(minutes) * 60_000 + round(float(seconds) * 1000) == millis


def test_instants_in_a_history_read_as_the_calendar_does():
    assert instants_in("due 2026-03-02T11:00:00.250Z, kept", "Europe/Berlin", NOW) == "due 12:00 CET, kept"


def test_hours_are_left_out_of_what_has_lasted_a_hundred_days():
    assert length(timedelta(days=99, hours=5)) == "99 d 5 h"
    assert length(timedelta(days=4_512, hours=5)) == "4512 d"


def test_the_alert_on_a_contact_with_the_longest_id_that_is_allowed_can_be_told():
    contact = "C" * 200
    facts = {"contact_id": contact, "customer_id": "K", "target": "first_response", "cycle": 12_345, "due_at": NOW}
    told = AlertEscalated.model_validate({**facts, "alert_id": f"{contact}/first_response/12345", "level": 1})
    assert told.alert_id.startswith(told.contact_id)


def muting(**match: tuple[str, ...]) -> Silence:
    return Silence("s", match, NOW, NOW.replace(hour=15), "known", "ada")


def noted(*silences: Silence, state: AlertStatus = "breached") -> str:
    """What the row of an alert of the team mail says beside its state."""
    facts: dict[str, Any] = {"contact_id": "C", "customer_id": "K", "target": "first_response", "cycle": 1, "by": "bob"}
    alert = AlertState(
        id="C/first_response/1", partition=0, state=state, started_at=NOW, due_at=NOW, team="mail", **facts
    )
    return alert_line(alert, None, NOW, silences).note


def test_a_row_says_until_when_it_is_silenced_by_the_last_of_its_silences():
    later = replace(muting(contact_id=("C",)), ends_at=NOW.replace(hour=18))
    assert noted() == ""
    assert noted(muting(team=("billing",))) == ""
    assert noted(muting(team=("mail",)), later) == "silenced until 18:00 UTC"
    assert noted(later, state="acknowledged") == "by bob"


def test_a_silence_concerns_the_teams_it_names_or_all():
    assert muting(team=("mail", "shop")).concerns(["mail"])
    assert muting(team=("mail",)).concerns([])
    assert muting(policy=("quick",)).concerns(["mail"])
    assert not muting(team=("mail",)).concerns(["billing"])


def test_days_with_the_same_hours_are_told_together():
    split = [("09:00", "12:30"), ("13:00", "17:00")]
    hours = {"mon": split, "tue": split, "wed": [("09:00", "12:00")], "thu": split, "sat": [], "sun": []}
    assert week(hours) == (
        "mon to tue 09:00–12:30, 13:00–17:00; wed 09:00–12:00; thu 09:00–12:30, 13:00–17:00; sat to sun closed"
    )
