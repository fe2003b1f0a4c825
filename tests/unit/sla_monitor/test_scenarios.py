"""
Tickets out of the test-suites of GLPI, Frappe Helpdesk and ERPNext, told as events of ours.

Each scenario gives what its project expects of deadlines; where our rule is the
same, ours must fall upon the same second. Where it is another (docs/sla-differences.md),
the test says what ours gives instead.
"""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from rapport.contracts import Data, Event
from sla_monitor.domain.clocks import Clock
from sla_monitor.domain.history import clocks_of
from sla_monitor.domain.policy_book import PolicyBook, publish

from tests.support.sla import desk, happened

FILE = Path(__file__).resolve().parents[4] / "shared" / "data" / "business_time" / "scenarios.jsonl"
if not FILE.exists():
    pytest.skip("needs ../shared/data", allow_module_level=True)
STORIES = {story["id"]: story for line in FILE.read_text("utf-8").splitlines() for story in [json.loads(line)]}

SPAN = {"minute": "m", "hour": "h", "day": " business days"}
TO_WAIT = ("waiting", "Replied")

OURS_DIFFERS = {
    "glpi-scn-07": "no target by the end of the n-th business day",
    "glpi-scn-09": "no target by the end of the n-th business day",
    "glpi-scn-12": "a clock that starts when an agreement with another team is signed",
    "glpi-scn-13": "steps tell people, they do not change the ticket",
    "glpi-scn-14": "an event's time is not edited",
    "erpnext-scn-01": "plain differences of wall-clock time, which metrics reports",
    "erpnext-scn-02": "a wait outside open hours costs nothing",
}


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def policy_text(story: dict[str, Any]) -> str:
    """The scenario's agreement as a policy file of ours."""
    calendar, terms = story["calendar"], story["policy"]
    hours = {day: [f"{opens}-{closes}" for opens, closes in shifts] for day, shifts in calendar["hours"].items()}
    document = {
        "calendars": {"desk": {"timezone": calendar["tz"], "hours": hours, "holidays": calendar["holidays"]}},
        "policies": [
            {"name": name, "match": match, "calendar": "desk", "targets": targets, "warn": warn}
            for name, match, targets, warn in agreements(terms)
        ],
    }
    return yaml.safe_dump(document, sort_keys=False)


def agreements(terms: dict[str, Any]) -> list[tuple[str, dict[str, str], dict[str, Any], list[str]]]:
    if "agreement_2" in terms:
        pauses = {"pause_on": ["customer"]} if terms.get("time_to_resolve_paused_by") else {}

        def within(which: str) -> dict[str, Any]:
            return {"resolution": {"within": f"{terms[which]['target_min']}m", **pauses}}

        warn = [f"{-terms['agreement_1']['level_offset_min']}m before"]
        return [
            ("second", {"priority": "urgent"}, within("agreement_2"), warn),
            ("first", {}, within("agreement_1"), warn),
        ]
    if "time_to_own" in terms:
        own, solve = (f"{n}{SPAN[unit]}" for n, unit in (terms["time_to_own"], terms["time_to_resolve"]))
        offset = terms["escalation_level_offset"]
        warn = [f"{offset[1:].replace(' min', 'm').replace(' h', 'h')} before"] if offset.startswith("-") else []
        targets = {"first_response": {"within": own}, "resolution": {"within": solve, "pause_on": ["customer"]}}
        return [("agreement", {}, targets, [one for one in warn if "day" not in one])]
    first, solve = terms["first_response_min"], terms["resolution_min"]
    targets = {
        "first_response": {"within": f"{first}m"},
        "resolution": {"within": f"{solve}m", "pause_on": ["customer"]},
    }
    return [("agreement", {}, targets, [])]


def told(story: dict[str, Any], upto: int) -> list[Event[Data]]:  # noqa: C901 - one branch for each word of theirs
    """The scenario's first events as ours; Frappe's `Replied` is an answer, after which the customer is waited for."""
    made: list[Event[Data]] = []
    answered = False
    for number, event in enumerate(story["events"][: upto + 1]):
        at, kind = instant(event["at"]), event["type"]

        def add(name: str, at: datetime = at, number: int = number, **data: Any) -> None:
            made.append(happened(name, at, sequence=str(number * 10 + len(made)), **data))

        match kind:
            case "created":
                add("contact.received", channel="email")
            case "state" if event["to"] in TO_WAIT:
                if event["to"] == "Replied" and not answered:
                    add("contact.responded")
                    answered = True
                add("contact.waiting", on="customer")
            case "state":
                add("contact.resumed")
            case "agent_message":
                add("contact.responded")
            case "resolved":
                add("contact.resolved", outcome="solved")
            case "urgency":
                add("contact.reclassified", priority="urgent")
            case "saved" | "closed":
                pass
            case _:
                raise AssertionError(f"{kind} can't be told")
    return made


def clocks_after(story: dict[str, Any], upto: int) -> dict[str, Clock]:
    """The clocks once those events have happened, seen from the last of the scenario's instants that has passed."""
    seen = instant(story["events"][upto]["at"])
    version = publish(policy_text(story), number=1, effective_from=instant(story["events"][0]["at"]))
    played = desk()
    played.domain.book = PolicyBook([version])
    for event in told(story, upto):
        played.take(event)
    played.look(seen)
    return {one.clock.target: one.clock for one in clocks_of(played.contact, played.domain.book, seen)[1]}


def due(clock: Clock) -> datetime:
    assert clock.due_at is not None
    return clock.due_at


EXPECTED = [
    pytest.param(story, expected, id=f"{name}-{number}")
    for name, story in STORIES.items()
    if name not in OURS_DIFFERS and name != "frappe-scn-12"
    for number, expected in enumerate(story["expected"])
]


@pytest.mark.parametrize(("story", "expected"), EXPECTED)
def test_a_ticket_of_others_has_the_deadlines_that_they_expect(  # noqa: C901, PLR0912 - likewise
    story: dict[str, Any], expected: dict[str, Any]
):
    last = len(story["events"]) - 1
    upto = last if expected["after"] == "all" else expected["after"]
    clocks = clocks_after(story, upto)
    seen = instant(story["events"][upto]["at"])
    solve, first = clocks["resolution"], clocks.get("first_response")
    checked = 0
    for name, value in expected.items():
        match name:
            case "after":
                continue
            case "time_to_own_due" | "first_response_due":
                assert first
                assert due(first) == instant(value)
            case "time_to_resolve_due" | "resolution_due" | "due":
                assert due(solve) == instant(value)
            case "level_at_own" | "level_at_resolve" | "level_at":
                offset = story["policy"].get("escalation_level_offset", "-")
                if offset.startswith("+"):
                    continue  # steps after a breach are wall-clock time with us: docs/sla-differences.md
                clock = first if name == "level_at_own" else solve
                assert clock
                assert [*clock.warned, *clock.ahead] == [instant(value)]
            case "waiting_seconds_resolve" | "paused_seconds":
                counted = sum(solve.hours.between(start, end) for start, end in solve.pauses)
                assert counted == value
            case "waiting_seconds_own":
                assert first
                assert first.pauses == ()
                assert value == 0
            case "first_response_at":
                assert first
                assert first.met_at == instant(value)
            case "resolution_elapsed_seconds":
                assert solve.open_seconds(seen + timedelta(days=7)) == value
            case "first_response_late_by_seconds" | "resolution_late_by_seconds":
                clock = first if name.startswith("first") else solve
                assert clock
                late = solve.hours.between(due(clock), clock.met_at or seen) if clock.breached_at else None
                assert late == value
            case "first_response_breached":
                assert first
                assert (first.breached_at is not None) == value
            case "control_ticket_due":
                assert due(clocks_after(story, 0)["resolution"]) == instant(value)
            case "status":
                assert status(first, solve) == value
            case _:
                raise AssertionError(f"{name} is not looked at")
        checked += 1
    assert checked, "nothing was looked at"


def status(first: Clock | None, solve: Clock) -> str:
    """Frappe's word for where the ticket stands."""
    assert first
    if solve.ended:
        return "Failed" if "breached" in (first.verdict, solve.verdict) else "Fulfilled"
    if "breached" in (first.verdict, solve.verdict):
        return "Failed"
    if not first.ended:
        return "First Response Due"
    return "Paused" if solve.paused_since else "Resolution Due"


@pytest.mark.parametrize(("hold", "number"), [(3600, 1), (3601, 2)])
def test_a_hold_that_ends_at_closing_is_due_at_closing_and_a_second_more_the_next_morning(hold: int, number: int):
    """Frappe sets the total of a ticket's holds by hand; ours is told by waiting so long."""
    story = STORIES["frappe-scn-12"]
    opened = instant(story["events"][0]["at"])
    wait = [
        {"at": opened.isoformat(), "type": "state", "to": "Replied"},
        {"at": (opened + timedelta(seconds=hold)).isoformat(), "type": "state", "to": "Open"},
    ]
    clocks = clocks_after({**story, "events": [story["events"][0], *wait]}, 2)
    assert due(clocks["resolution"]) == instant(story["expected"][number]["resolution_due"])


# --- where ours differs ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["glpi-scn-07", "glpi-scn-09"])
def test_business_days_end_at_the_time_of_day_they_began_at_with_us(name: str):
    """GLPI moves it to closing; without pauses that is the same local date."""
    story = STORIES[name]
    ours, theirs = clocks_after(story, len(story["events"]) - 1), story["expected"][0]
    assert due(ours["first_response"]).date() == instant(theirs["time_to_own_due"]).date()
    assert due(ours["first_response"]).time() == instant(story["events"][0]["at"]).time()


def test_an_agreement_that_is_signed_later_counts_from_the_opening():
    """As GLPI's SLA; its OLA, which counts from the signing, has no counterpart."""
    story = STORIES["glpi-scn-12"]
    terms = {"agreement_1": {"target_min": 900, "level_offset_min": -60}}
    terms["agreement_2"] = {"target_min": story["policy"]["sla_resolve_min"], "level_offset_min": -60}
    events = [story["events"][0], {"at": story["events"][1]["at"], "type": "urgency", "to": 5}]
    clocks = clocks_after({**story, "policy": terms, "events": events}, 1)
    assert due(clocks["resolution"]) == instant(story["expected"][0]["sla_resolve_due"])


def test_the_same_event_with_another_time_moves_nothing():
    story = STORIES["glpi-scn-14"]
    opened, edited = story["events"][0]["at"], story["events"][1]["to"]
    terms = {"first_response_min": 60, "resolution_min": 240}
    played = desk()
    version = publish(policy_text({**story, "policy": terms}), number=1, effective_from=instant(opened))
    played.domain.book = PolicyBook([version])
    played.take(happened("contact.received", instant(opened), channel="email", id="e-1"))
    before = played.contact
    played.take(happened("contact.received", instant(edited), channel="email", id="e-1"), now=instant(opened))
    assert played.contact == before


def test_a_hold_outside_open_hours_moves_nothing_with_us():
    story = STORIES["erpnext-scn-02"]
    events = [event for event in story["events"] if event["type"] != "customer_message"]
    resumed = {"at": "2020-03-04T05:00:00Z", "type": "state", "to": "Open"}
    clocks = clocks_after({**story, "events": [*events[:2], resumed]}, 2)
    assert due(clocks["resolution"]) == instant("2020-03-04T16:00:00+00:00")


def test_every_scenario_is_looked_at_or_its_difference_written_down():
    page = (Path(__file__).resolve().parents[3] / "docs" / "sla-differences.md").read_text("utf-8")
    assert set(OURS_DIFFERS) <= set(STORIES)
    assert all(name in page for name in OURS_DIFFERS)
