"""A contact has one customer, also when it was told of before anybody knew whose it is."""

from typing import Any

import pytest
from followup.domain import surveys
from followup.domain.simulation import simulate
from followup.domain.state import CheckIn, CustomerState, Message, NamelessContact, Posting, SurveyLink
from rapport.decision import Ref

from tests.support.followup import PLAYS, Story, at, event, profile, received, reopened, resolved, said

NOBODY = "anonymous:77"
OPENED = received("0 08:00", customer=NOBODY, subject="My divorce", reference="R-1", team="law", agent_id="agent-3")
SOLVED = resolved("0 10:00")
AGAIN = received("0 16:00", customer=NOBODY, subject="still there")


def orders(*events: Any) -> Any:
    return pytest.mark.parametrize("events", [events, events[::-1]], ids=["in order", "the other way round"])


def standing_of(told: Story, customer: str = "K-1") -> list[tuple[str, int, str]]:
    return sorted((one.play, one.step, one.status) for one in told.customer(customer).followups.values())


@orders(profile(), OPENED, SOLVED, AGAIN)
def test_a_nameless_message_on_a_customers_contact_opens_it_again(events):
    told = Story().take_in(*events).until("20 00:00")
    assert told.sends == []
    assert told.of("followup.owed") == []


def test_a_nameless_message_withdraws_the_survey_that_has_gone_out():
    told = Story().play((profile(), OPENED, SOLVED, received("2 10:00", customer=NOBODY)), "3 00:00")
    [link] = [one for one in told.states.values() if isinstance(one, SurveyLink)]
    assert surveys.closed(link, told.customer(), told.now) == "withdrawn"


@pytest.mark.parametrize("known_first", [False, True])
def test_no_survey_while_another_contact_was_opened_again_namelessly(known_first: bool):  # noqa: FBT001 - a case
    other = [
        received("0 07:00", "C-2", customer=NOBODY),
        event("contact.assigned", at("0 07:30"), contact_id="C-2", team="a"),
    ]
    told = Story().take_in(profile(), *(other[::-1] if known_first else other), SOLVED).until("2 00:00")
    assert [one.reason for one in told.of("followup.suppressed")] == ["contact_open"]


@orders(profile(), OPENED, SOLVED)
def test_what_was_said_namelessly_is_known_of_the_customers_contact(events):
    plays = PLAYS.replace("by: owner", "by: team")
    told = Story(plays).take_in(*events).until("20 00:00")
    contact = told.customer().contacts["C-1"]
    assert (contact.field("subject"), contact.field("reference")) == ("My divorce", "R-1")
    assert [(one.customer_id, one.team) for one in told.of("followup.owed")] == [("K-1", "law")]
    owed = Story().take_in(*events).until("20 00:00").of("followup.owed")
    assert [one.owner for one in owed] == ["agent-3"]


@orders(resolved("0 10:00", customer=NOBODY), event("contact.assigned", at("0 11:00"), contact_id="C-1", team="law"))
def test_what_was_begun_under_no_name_goes_on_for_the_customer_and_for_nobody_else(events):
    told = Story().take_in(profile(), *events).until("20 00:00")
    assert standing_of(told) == [("after-resolution", 0, "sent"), ("after-resolution", 1, "owed")]
    assert [one.customer_id for one in told.of("followup.owed")] == ["K-1"]
    holders = [one.id for one in told.states.values() if isinstance(one, CustomerState) and one.contacts]
    assert holders == ["K-1"]


def test_it_is_asked_once_though_both_names_tell_of_the_resolution():
    twice = (resolved("0 10:00", customer=NOBODY), resolved("0 10:05", id="of another system"))
    for events in (twice, twice[::-1]):
        told = Story().take_in(profile(), *events).until("20 00:00")
        assert (len(told.sends), len(told.of("followup.owed"))) == (1, 1)


def test_what_was_owed_already_is_the_customers():
    told = Story().take_in(resolved("0 10:00", customer=NOBODY)).until("15 00:00")
    told.take_in(profile(phone="+49 30 1"), event("contact.assigned", at("15 01:00"), contact_id="C-1", team="law"))
    [call] = [one for one in told.states.values() if isinstance(one, CheckIn)]
    assert (call.customer_id, call.status) == ("K-1", "owed")
    told.take_in(reopened("15 02:00", customer=NOBODY))
    [call] = [one for one in told.states.values() if isinstance(one, CheckIn)]
    assert (call.customer_id, call.status) == ("K-1", "cancelled")


def test_a_survey_that_was_on_its_way_to_nobody_known_is_the_customers():
    told = Story().take_in(profile(customer=NOBODY), resolved("0 10:00", customer=NOBODY))
    told.look(at("1 10:00"), send=False)
    [message] = told.pending()
    told.take_in(profile(), event("contact.assigned", at("1 10:00"), contact_id="C-1", team="law"))
    assert told.message(message.id).customer_id == "K-1"
    told.send()
    [link] = [one for one in told.states.values() if isinstance(one, SurveyLink)]
    assert (link.customer_id, [one.customer_id for one in told.of("survey.sent")]) == ("K-1", ["K-1"])
    assert [slot.followup_id for slot in told.customer().slots] == [message.id]
    assert told.customer(NOBODY).slots == ()


def test_a_survey_that_nobody_known_has_got_is_the_customers_and_is_asked_no_second_time():
    told = Story().take_in(profile(customer=NOBODY), resolved("0 10:00", customer=NOBODY)).until("2 00:00")
    told.take_in(profile(), resolved("2 01:00")).until("20 00:00")
    [link] = [one for one in told.states.values() if isinstance(one, SurveyLink)]
    assert (link.customer_id, len(told.sends)) == ("K-1", 1)
    told.take_in(received("20 01:00", customer=NOBODY))
    assert told.customer().followups[link.id].withdrawn


def test_what_is_taken_up_while_the_name_becomes_known_is_recorded():
    told = Story().take_in(profile(customer=NOBODY), resolved("0 10:00", customer=NOBODY))
    told.look(at("1 10:00"), send=False)
    [message] = told.pending()
    taken = told.take(message)
    assert taken
    told.take_in(profile(), event("contact.assigned", at("1 10:00"), contact_id="C-1", team="law"))
    told._arrive(message, taken)
    assert [told.message(message.id).status, standing_of(told)[0][2]] == ["sent", "sent"]
    [link] = [one for one in told.states.values() if isinstance(one, SurveyLink)]
    assert link.customer_id == "K-1"


@orders(profile(timezone="America/New_York"), resolved("0 10:00", customer=NOBODY), reopened("-1 00:00"))
def test_steps_move_to_the_customers_clock(events):
    step = "{after: 1d, at: next 10:00, do: check_in}"
    told = Story(f"plays: [{{name: call, on: {{type: contact.resolved}}, steps: [{step}]}}]").take_in(*events)
    [call] = [one for one in told.customer().followups.values() if one.status == "planned"]
    assert said(call.due_at) == "1 15:00"


SILENT = "plays: [{name: quiet, on: {silent: {quiet_for: 90d}}, steps: [{after: 0m, do: check_in}]}]"


@orders(OPENED, SOLVED, AGAIN)
def test_the_customers_silence_counts_from_what_they_said_namelessly_and_nobody_else_is_missed(events):
    told = Story(SILENT).take_in(*events).until("200 00:00")
    assert [(one.customer_id, said(one.due_at)) for one in told.of("followup.owed")] == [("K-1", "90 16:00")]


LATE = """
plays:
  - name: breached
    on: {type: sla.breached}
    steps: [{after: 1d, do: check_in}]
    cancel_on: [contact.received]
"""


def breached(when: str, customer: str) -> Any:
    times: dict[str, Any] = {"started_at": at("0 08:00"), "due_at": at(when), "target": "resolution", "cycle": 1}
    return event("sla.breached", at(when), customer=customer, contact_id="C-1", source="/rapport/sla-monitor", **times)


@orders(OPENED, event("contact.assigned", at("0 09:00"), contact_id="C-1", team="a"), breached("0 12:00", NOBODY))
def test_what_other_services_tell_of_a_nameless_contact_is_its_customers(events):
    told = Story(LATE).take_in(*events).until("5 00:00")
    assert [one.customer_id for one in told.of("followup.owed")] == ["K-1"]


@orders(breached("0 12:00", "K-1"), AGAIN, event("contact.assigned", at("0 09:00"), contact_id="C-1", team="a"))
def test_a_nameless_message_calls_off_what_waits_for_the_customers_word(events):
    assert Story(LATE).take_in(*events).until("5 00:00").of("followup.owed") == []


def test_what_is_told_of_a_contact_before_it_is_known_is_not_called_off_by_a_word_on_another():
    told = Story(LATE).take_in(received("0 16:00", "C-2"), breached("0 12:00", "K-1")).until("5 00:00")
    assert [one.contact_id for one in told.of("followup.owed")] == ["C-1"]


def test_signs_of_risk_that_were_told_namelessly_are_the_customers_and_of_an_erased_one_nothing_is_kept():
    told = Story().take_in(OPENED, breached("0 12:00", NOBODY))
    [found] = [one for one in told.states.values() if isinstance(one, NamelessContact)]
    assert list(found.signs) == ["breach"]
    told.take_in(event("contact.assigned", at("0 09:00"), contact_id="C-1", team="law"))
    assert told.customer().signs == found.signs
    told.take_in(erased("1 00:00"))
    [found] = [one for one in told.states.values() if isinstance(one, NamelessContact)]
    assert (found.customer_id, found.signs) == ("erased:1", {})


def test_of_two_known_customers_the_newest_word_names_whose_it_is():
    words = (
        OPENED,
        event("contact.assigned", at("0 09:00"), contact_id="C-1", team="a"),
        resolved("0 10:00", customer="K-2"),
    )
    for events in (words, words[::-1], (words[1], words[2], words[0])):
        told = Story().take_in(*events)
        assert [one.id for one in told.states.values() if isinstance(one, CustomerState) and one.contacts] == ["K-2"]


def test_who_never_was_nameless_is_remembered_nowhere_else():
    told = Story().play((profile(), received("0 08:00"), SOLVED), "20 00:00")
    assert not [one for one in told.states.values() if isinstance(one, NamelessContact)]
    assert told.customer().contacts["C-1"].named is None


def test_plays_are_tried_with_nameless_contacts_too():
    told = simulate((profile(), OPENED, SOLVED, AGAIN), Story().rules)
    assert {one.type for one in told} == {"followup.scheduled", "followup.cancelled"}


def erased(when: str) -> Any:
    return event("customer.erased", at(when)).model_copy(update={"erasedas": "erased:1"})


def texts(told: Story) -> str:
    return "\n".join(f"{one.id} {one.index()} {one.stored()}" for one in told.states.values())


KNOWN = event("contact.assigned", at("0 09:00"), contact_id="C-1", team="law")
SURVEYED = (profile(customer=NOBODY, name="", email="x@example.org"), resolved("0 10:00", customer=NOBODY))


@pytest.mark.parametrize("learnt", ["before", "after", "late"])
def test_of_a_nameless_contact_that_is_an_erased_customers_nothing_remains(learnt: str):
    told = Story().take_in(OPENED, *SURVEYED).until("20 00:00")
    [link] = [one for one in told.states.values() if isinstance(one, SurveyLink)]
    answered = surveys.answer(link, 2, "my very words", told.now)
    told.apply(answered, told.loaded([Ref(type(one), one.id) for one in answered.states]))
    told.take_in(*([KNOWN, erased("20 01:00")] if learnt == "before" else [erased("20 01:00"), KNOWN]))
    told.take_in(*([received("20 02:00", customer=NOBODY, subject="My divorce")] if learnt == "late" else []))
    kept = {place: one for place, one in told.states.items() if not isinstance(one, Posting)}
    for word in ("divorce", "my very words"):
        assert word not in texts(Story(states=kept))
    [link] = [one for one in told.states.values() if isinstance(one, SurveyLink)]
    assert (link.customer_id, link.contact_id) == ("erased:1", "C-1")
    [found] = [one for one in told.states.values() if isinstance(one, NamelessContact)]
    assert found.customer_id == "erased:1"
    assert {one.status for one in told.customer("erased:1").followups.values()} == {"sent", "cancelled"}
    assert not [one for one in told.states.values() if isinstance(one, Message) and one.status == "pending"]


def test_a_nameless_word_on_an_erased_customers_contact_is_let_pass():
    told = Story().take_in(profile(), received("0 08:00"), erased("0 12:00"))
    told.take_in(received("0 16:00", customer=NOBODY, subject="My divorce"))
    assert "divorce" not in texts(told)
    assert (CustomerState, NOBODY) not in told.states
