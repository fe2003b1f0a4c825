"""Plays that last longer than a closed contact is remembered: what they are about is known to their end."""

from typing import Any

from followup.domain.draft import Rules
from followup.domain.followups import call_done
from followup.domain.plays_file import parse_plays
from followup.domain.rule_book import RuleBook
from followup.domain.state import CheckIn, CustomerState
from rapport.decision import Ref

from tests.support.followup import PLAYS, Story, at, event, profile, received, reopened, resolved

LONG = PLAYS.replace("after: 14d, do: check_in, by: owner", "after: 7w, do: check_in, by: owner, patience: 30d")
HELPED = (profile(), received("0 08:00", agent_id="ada", team="south"), resolved("0 10:00"))
MEANWHILE = profile("35 10:00", name="Ada R.")
"""Something else of the customer, at which what is closed for long is forgotten."""


def told(*events: Any, plays: str = LONG, until: str = "80 00:00") -> Story:
    return Story(plays).play((*HELPED, MEANWHILE, *events), until)


def without_cancelling(plays: str) -> str:
    return plays.replace("cancel_on: [contact.reopened, contact.received]", "")


def test_a_call_weeks_after_a_resolution_is_owed_by_who_answered():
    assert [(call.owner, call.team) for call in told().of("followup.owed")] == [("ada", "south")]


def test_a_reopening_weeks_later_calls_off_what_is_still_to_come():
    found = told(reopened("38 10:00"), plays=without_cancelling(LONG))
    assert [one.reason for one in found.of("followup.cancelled")] == ["contact.reopened"]
    assert found.of("followup.owed") == []


def test_whoever_confirms_weeks_later_is_not_called_as_silent():
    plays = LONG.replace("{type: contact.resolved, match: {outcome: [solved, workaround, refunded]}}", "UNCONFIRMED")
    plays = plays.replace("UNCONFIRMED", "{silent: {resolved_unconfirmed: 45d}}").replace("after: 7w", "after: 0m")
    confirmed = event("contact.confirmed", at("38 10:00"), contact_id="C-1")
    assert len(told(plays=plays).of("followup.owed")) == 1
    assert told(confirmed, plays=plays).of("followup.owed") == []


def test_a_reopening_withdraws_a_survey_as_long_as_its_link_lasts():
    lasting = PLAYS.replace("survey_ttl: 7d", "survey_ttl: 60d").replace(
        "      - {after: 14d, do: check_in, by: owner}\n", ""
    )
    found = told(reopened("40 10:00"), plays=without_cancelling(lasting))
    assert [one.withdrawn for one in found.customer().followups.values() if one.do == "survey"] == [True]


def test_a_closed_contact_is_forgotten_once_the_call_about_it_is_made():
    found = told()
    assert set(found.take_in(profile("100 00:00")).customer().contacts) == {"C-1"}
    called(found)
    assert set(found.take_in(profile("101 00:00")).customer().contacts) == set()


def test_what_follows_a_resolution_is_not_begun_anew_while_its_contact_goes_on_being_spoken_of():
    handed_on = [event("contact.assigned", at(f"{day} 09:00"), contact_id="C-1", team="law") for day in (30, 55, 80)]
    plays = PLAYS.replace("max: 2 per 30d, gap: 3d, per: {csat: 1 per 30d, nps: 1 per 180d}, ", "max: 2 per 30d, ")
    plays = plays.replace("      - {after: 14d, do: check_in, by: owner}\n", "")
    found = told(*handed_on, plays=plays, until="90 00:00")
    assert [kind for kind, _ in found.lines] == ["followup.scheduled", "followup.sent", "survey.sent"]


def test_plays_that_came_into_force_after_a_resolution_do_not_follow_it():
    renamed = Rules(parse_plays(PLAYS.replace("after-resolution", "after-solution")))
    found = Story().play(HELPED, "2 00:00")
    found.domain.book = RuleBook((*found.domain.book.versions, (at("2 00:00"), renamed)))
    handed_on = event("contact.assigned", at("3 10:00"), contact_id="C-1", team="law")
    others = [received("4 08:00", "C-2"), resolved("4 10:00", "C-2")]
    found.play((handed_on, *others), "5 00:00")
    assert {(one.contact_id, one.play) for one in found.customer().followups.values()} == {
        ("C-1", "after-resolution"),
        ("C-2", "after-solution"),
    }


def called(found: Story) -> None:
    """The owner ticks the call off."""
    (owed,) = found.of("followup.owed")
    customer = found.customer()
    decision = call_done(customer, owed.followup_id, found.rules, found.now, outcome="happy", note=None, by="ada")
    found.apply(decision, found.loaded([Ref(CustomerState, customer.id), Ref(CheckIn, owed.followup_id)]))
