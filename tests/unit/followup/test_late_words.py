"""What is learned late about a contact: its follow-ups stand as if all had come in order."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from followup.domain.state import WAITING
from hypothesis import given, settings
from hypothesis import strategies as st
from rapport.contracts import Data, Event

from tests.support.followup import MONDAY, Story, at, event, profile, received, resolved, said

HELPED = (profile(), received("0 08:00"), resolved("0 10:00"))


def merged(when: str) -> Event[Data]:
    return event("contact.merged", at(when), contact_id="C-1", into="C-9")


def late(*events: Event[Data]) -> Story:
    """A settled matter of which more is learned at noon, before anything has gone out."""
    told = Story().take_in(*HELPED)
    told.now = at("0 12:00")
    return told.take_in(*events)


def waiting(told: Story) -> list[tuple[str, str]]:
    return [(one.play, one.do) for one in told.customer().followups.values() if one.status in WAITING]


def test_what_was_merged_before_it_was_resolved_is_followed_by_nothing():
    told = late(merged("0 09:00"))
    assert waiting(told) == []
    assert [one.reason for one in told.of("followup.cancelled")] == ["contact.merged", "contact.merged"]
    assert told.until("20 00:00").sends == []


def test_a_resolution_that_turns_out_to_be_of_spam_is_followed_by_nothing():
    told = late(resolved("0 11:00", outcome="spam"))
    assert waiting(told) == []
    assert [one.reason for one in told.of("followup.cancelled")] == ["no_longer_matches", "no_longer_matches"]


def test_what_turns_out_to_be_no_spam_is_asked_about_from_its_first_resolution_on():
    told = Story().take_in(profile(), received("0 08:00"), resolved("0 09:00", outcome="spam"), resolved("0 10:00"))
    assert {one.triggered_at for one in told.customer().followups.values()} == {at("0 09:00")}
    assert waiting(told) == [("after-resolution", "survey"), ("after-resolution", "check_in")]


def test_a_survey_about_what_turns_out_to_be_spam_is_taken_back():
    told = Story().play(HELPED, "2 00:00").take_in(resolved("0 11:00", outcome="spam"))
    (survey,) = [one for one in told.customer().followups.values() if one.do == "survey"]
    assert (survey.status, survey.withdrawn) == ("sent", True)


def test_what_a_play_asks_of_a_contact_counts_until_its_follow_up_is_let_go():
    plays = PLAYS.replace("steps: [{after: 10d, do: check_in}]", "steps: [{after: 1d, do: check_in}]")
    begun = (profile(), received("0 08:00", topic="bill"), resolved("0 10:00"))
    moved = event("contact.reclassified", at("0 11:00"), contact_id="C-1", topic="bike")
    before = Story(plays).take_in(*begun, moved).until("9 00:00")
    after = Story(plays).take_in(*begun).until("2 00:00").take_in(moved).until("9 00:00")
    assert [[one.play for one in told.of("followup.owed")] for told in (before, after)] == [[], ["billed"]]
    cancelled = [{one.play for one in told.of("followup.cancelled")} for told in (before, after)]
    assert ["billed" in plays_of for plays_of in cancelled] == [True, False]


def test_an_earlier_word_of_the_same_resolution_moves_what_follows_it_and_doubles_nothing():
    told = late(resolved("0 09:00", id="from-another-system"))
    assert waiting(told) == [("after-resolution", "survey"), ("after-resolution", "check_in")]
    assert {one.due_at for one in told.customer().followups.values() if one.status in WAITING} == {
        at("1 09:00"),
        at("14 09:00"),
    }
    assert len(told.until("20 00:00").sends) == 1


def test_once_asked_an_earlier_word_of_the_same_resolution_asks_no_second_time():
    told = Story().play(HELPED, "2 00:00").take_in(resolved("0 09:00", id="from-another-system"))
    assert len(told.until("40 00:00").of("survey.sent")) == 1
    assert len(told.of("followup.owed")) == 1


def test_what_was_called_off_in_error_comes_back_and_is_told_of_once_more():
    bare = PLAYS.split("    cancel_on", maxsplit=1)[0]
    told = Story(bare).take_in(*HELPED, received("0 11:00"))
    assert waiting(told) == []
    told.take_in(resolved("0 10:30", outcome="spam"), resolved("0 12:00"))  # nothing opens spam again
    assert len(waiting(told)) == 2
    names = [one.id for one in told.told if one.type == "followup.scheduled"]
    assert len(names) == len(set(names)) == 4


SORRY = """
plays:
  - name: sorry
    on: {type: sla.breached}
    steps: [{after: 2h, do: check_in, by: team}]
    cancel_on: [sla.met, survey.answered]
senders: {default: {from: "care@example.org", url: "smtp://localhost"}}
"""


def deadline(kind: str, when: str, contact: str) -> Event[Data]:
    more: dict[str, Any] = {"met_at": at(when), "without_response": False} if kind == "sla.met" else {}
    times: dict[str, Any] = {"started_at": at("0 08:00"), "due_at": at(when), "target": "resolution", "cycle": 1}
    return event(kind, at(when), contact_id=contact, source="/rapport/sla-monitor", **times, **more)


def answered(when: str, contact: str | None) -> Event[Data]:
    return event("survey.answered", at(when), contact_id=contact, survey_id="S-1", survey="csat", score=5)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("happens", [partial(deadline, "sla.met"), answered], ids=["sla.met", "survey.answered"])
def test_a_play_is_called_off_by_what_happens_on_its_own_contact_whichever_is_heard_first(
    order: int, happens: Callable[[str, str], Event[Data]]
):
    breached = deadline("sla.breached", "0 09:00", "C-1")
    assert waiting(Story(SORRY).take_in(*[breached, happens("0 10:00", "C-2")][::order])) == [("sorry", "check_in")]
    assert waiting(Story(SORRY).take_in(*[breached, happens("0 10:00", "C-1")][::order])) == []


@pytest.mark.parametrize("order", [1, -1])
def test_what_names_no_contact_calls_off_whatever_the_contact(order: int):
    breached = deadline("sla.breached", "0 09:00", "C-1")
    assert waiting(Story(SORRY).take_in(*[breached, answered("0 10:00", None)][::order])) == []


GREETED = """
plays:
  - name: greeted
    on: {type: purchase.delivered}
    steps: [{after: 2h, do: check_in, by: team}]
    cancel_on: [contact.received]
senders: {default: {from: "care@example.org", url: "smtp://localhost"}}
"""


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("direction", "left"), [("outbound", [("greeted", "check_in")]), ("inbound", [])])
def test_our_own_message_calls_nothing_off_whichever_is_heard_first(
    order: int, direction: str, left: list[tuple[str, str]]
):
    delivered = event("purchase.delivered", at("0 09:00"), purchase_id="P-1")
    wrote = received("0 10:00", direction=direction)
    assert waiting(Story(GREETED).take_in(*[delivered, wrote][::order])) == left


PLAYS = """
plays:
  - name: asked
    on: {type: contact.resolved, match: {outcome: [solved]}}
    steps: [{after: 10d, do: survey}, {after: 12d, do: check_in}]
    cancel_on: [contact.reclassified]
  - {name: billed, on: {type: contact.resolved, match: {topic: bill}}, steps: [{after: 10d, do: check_in}]}
  - {name: silent, on: {silent: {resolved_unconfirmed: 10d}}, steps: [{after: 0m, do: check_in}]}
  - {name: quiet, on: {silent: {quiet_for: 90d}}, steps: [{after: 0m, do: check_in}]}
consent: {default: {survey: true}}
senders: {default: {from: "care@example.org", url: "smtp://localhost"}}
"""


@st.composite
def happenings(draw: st.DrawFn) -> Event[Data]:
    when = MONDAY + timedelta(hours=draw(st.integers(0, 12)))
    kind, given = draw(
        st.sampled_from(
            [
                ("received", {"channel": "email"}),
                ("received", {"channel": "email", "direction": "outbound"}),
                ("resolved", {"outcome": "solved"}),
                ("resolved", {"outcome": "spam"}),
                ("resolved", {"outcome": "declined"}),
                ("resolved", {}),
                ("reopened", {}),
                ("confirmed", {}),
                ("merged", {"into": "C-9"}),
                ("abandoned", {}),
                ("reclassified", {"topic": "bill"}),
                ("reclassified", {"topic": "bike"}),
            ]
        )
    )
    name = f"{kind}{draw(st.integers(0, 10_000))}"
    return event(f"contact.{kind}", when, id=name, contact_id="C-1", **given)


def planned(told: Story) -> dict[str, tuple[object, ...]]:
    """What is to happen, and when."""
    customer = told.customer().followups
    return {name: (f.status, f.play, f.trigger_key, f.due_at) for name, f in customer.items() if f.status in WAITING}


@settings(max_examples=80, deadline=None)
@given(events=st.lists(happenings(), max_size=8, unique_by=lambda one: one.id), data=st.data())
def test_any_order_and_duplication_of_a_contacts_events_plans_the_same(events, data):
    again = data.draw(st.lists(st.sampled_from(events), max_size=4)) if events else []
    shuffled = data.draw(st.permutations([*events, *again]))
    straight = Story(PLAYS).take_in(profile(), *sorted(events, key=lambda one: one.time))
    mixed = Story(PLAYS).take_in(profile(), *shuffled)
    assert planned(mixed) == planned(straight)
    end = "200 00:00"
    assert mixed.until(end).sends == straight.until(end).sends
    assert len({one.id for one in mixed.told}) == len(mixed.told)


QUIET = """
plays: [{name: q, on: {silent: {quiet_for: 9d}}, steps: [{after: 0m, do: check_in}], cancel_on: [purchase.returned]}]
"""


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("returned", "calls"), [("2 10:00", 0), ("0 10:00", 1)], ids=["since", "before"])
def test_silence_is_called_off_by_what_came_after_the_last_word_whichever_is_heard_first(order, returned, calls):
    sent_back = event("purchase.returned", at(returned), purchase_id="P-1", amount="1.00")
    told = Story(QUIET).take_in(*[received("1 10:00"), sent_back][::order]).until("20 00:00")
    assert len(told.of("followup.owed")) == calls


@pytest.mark.parametrize("order", [1, -1])
def test_history_shows_that_there_was_no_silence_and_begins_none(order):
    later = received("5 10:00", "C-2", backfill=True)
    assert Story(QUIET).take_in(*[received("1 10:00"), later][::order]).until("20 00:00").lines == []


def test_the_first_of_three_purchases_is_welcomed_though_the_last_is_heard_of_first():
    on = "{type: purchase.delivered, match: {first: true}}"
    bought = [event("purchase.delivered", at(f"{day} 10:00"), purchase_id=f"P-{day}") for day in (3, 2, 1)]
    told = (
        Story(f"plays: [{{name: welcome, on: {on}, steps: [{{after: 1d, do: check_in}}]}}]")
        .take_in(*bought)
        .until("9 00:00")
    )
    assert [said(one.time) for one in told.told if one.type == "followup.owed"] == ["2 10:00"]
