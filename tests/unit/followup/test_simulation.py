"""Trying plays out tells what the service would tell, and nothing is sent."""

from typing import Any

from followup.domain.draft import Rules
from followup.domain.plays_file import parse_plays
from followup.domain.simulation import simulate
from rapport.contracts import Data, Event

from tests.support.followup import PLAYS, Story, event, profile, received, reopened, resolved, said

RULES = Rules(parse_plays(PLAYS), frozenset({"default"}))
STORY = (profile(), received("0 08:00"), resolved("0 10:00"))


def lines(*events: Event[Data]) -> list[tuple[str, str]]:
    return [(one.type, said(one.time)) for one in simulate(events, RULES)]


def test_it_tells_what_the_service_would_tell():
    assert lines(*STORY) == sorted(Story().play(STORY, "399 00:00").lines, key=lambda line: lines(*STORY).index(line))
    assert ("followup.sent", "1 10:00") in lines(*STORY)
    assert ("followup.owed", "14 10:00") in lines(*STORY)


def test_the_order_in_which_events_are_given_does_not_matter():
    assert lines(*reversed(STORY)) == lines(*STORY)


def test_what_would_not_be_sent_says_why():
    told = simulate((*STORY, reopened("0 12:00")), RULES)
    assert {getattr(one.data, "reason", None) for one in told if one.type == "followup.cancelled"} == {
        "contact.reopened"
    }
    assert not any(one.type == "followup.sent" for one in told)


def test_each_customer_has_a_story_of_their_own():
    other = [
        event("customer.updated", one.time, customer="K-2", email="bo@example.org")
        if one.type == "customer.updated"
        else event(one.type, one.time, customer="K-2", contact_id="C-2", **_more(one))
        for one in STORY
    ]
    sent = [
        getattr(one.data, "customer_id", "") for one in simulate([*STORY, *other], RULES) if one.type == "followup.sent"
    ]
    assert sorted(sent) == ["K-1", "K-2"]


def _more(one: Event[Data]) -> dict[str, Any]:
    return {"channel": "email"} if one.type == "contact.received" else {"outcome": "solved"}


def test_no_events_no_story():
    assert simulate([], RULES) == []
