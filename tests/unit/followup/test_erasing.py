"""Erased customers hear nothing more, and nothing says who they were; whoever has the id afterwards is somebody new."""

from typing import Any

import pytest
from followup.domain import surveys
from followup.domain.erasing import renamed
from followup.domain.followups import call_done
from followup.domain.sending import failed, sent
from followup.domain.simulation import simulate
from followup.domain.state import CheckIn, CustomerState, Message, Posting, SurveyLink
from rapport.contracts import Data, Event, decode
from rapport.decision import Ref

from tests.support.followup import Story, at, consent, event, profile, received, resolved

HELPED = (profile(), received("0 08:00", subject="My divorce"), resolved("0 10:00", agent_id="agent-7"))
NAME = "erased:1"


def erased(when: str, name: str = NAME, customer: str = "K-1") -> Event[Data]:
    """As intake lets it in."""
    return event("customer.erased", at(when), customer=customer).model_copy(update={"erasedas": name})


def with_words_of(*names: str) -> Story:
    """Each of these customers has answered a survey with a comment, and somebody has noted how their call went."""
    told = Story()
    for name in names:
        solved = event("contact.resolved", at("0 10:00"), customer=name, contact_id=f"C-{name[2:]}", outcome="solved")
        told.take_in(event("customer.updated", at("0 00:00"), customer=name, email="ada@example.org"), solved)
    told.until("20 00:00")
    for one in list(told.states.values()):
        if isinstance(one, SurveyLink):
            decision = surveys.answer(one, 2, "my very words", told.now)
            told.apply(decision, told.loaded([Ref(type(state), state.id) for state in decision.states]))
        if isinstance(one, CheckIn):
            customer = told.customer(one.customer_id)
            done = call_done(customer, one.id, told.rules, told.now, outcome="reached", note="my very words", by="me")
            told.apply(done, told.loaded([Ref(CustomerState, customer.id)]))
    return told


def remembered(told: Story, customer: str = "K-1") -> Any:
    state = told.states[CustomerState, told.domain.pseudonyms.place_of(customer)]
    assert isinstance(state, CustomerState)
    return state


def forget(told: Story, customer: str = "K-1") -> None:
    """As the work beside does."""
    seen = remembered(told, customer).erasure
    for kind in (Message, Posting):
        ids = [name for of, name in told.states if of is kind]
        states = told.loaded([*told.domain.of_customer(customer), *(Ref(kind, name) for name in ids)])
        told.apply(renamed(kind, ids, seen, states), states)
    kept = remembered(told, customer)
    told.states[CustomerState, kept.id] = kept.but(erasure=kept.erasure.rewritten(seen))


def texts(told: Story) -> str:
    return "\n".join(f"{one.id} {one.index()} {one.stored()}" for one in told.states.values())


def assert_forgotten(told: Story) -> None:
    for word in ("K-1", "ada@", "Rossi", "divorce", "my very words"):
        assert word not in texts(told)


def test_an_erased_customer_hears_nothing_more():
    told = Story().play((*HELPED, erased("0 12:00")), "20 00:00")
    assert told.sends == []
    assert [(one.reason, one.customer_id) for one in told.of("followup.cancelled")] == [("erased", NAME)] * 2
    forget(told)
    assert_forgotten(told)
    assert remembered(told).index() == {}


@pytest.mark.parametrize("long_ago", [False, True], ids=["remembered", "long ago"])
def test_an_erased_customers_id_and_words_are_forgotten_wherever_they_are_and_nobody_elses(*, long_ago: bool):
    told = with_words_of("K-1", "K-2")
    before = texts(told).count("K-2")
    if long_ago:
        told.states[CustomerState, "K-1"] = told.customer().but(followups={})
    told.take_in(erased("20 01:00"))
    forget(told)
    assert_forgotten(Story(states={place: one for place, one in told.states.items() if "K-2" not in one.stored()}))
    assert texts(told).count("K-2") == before
    speaking = [kind.__name__ for (kind, _), one in told.states.items() if "my very words" in one.stored()]
    assert sorted(speaking) == ["CheckIn", "CustomerState", "Posting", "SurveyLink"]
    assert [one.status for one in told.states.values() if isinstance(one, CheckIn)] == ["done", "done"]


def test_an_answer_that_intake_has_not_got_yet_goes_there_under_the_name_and_a_wish_not_at_all():
    told = with_words_of("K-1")
    told.apply(
        surveys.change_consent("K-1", 0, {"survey": False}, told.now, "c"), told.loaded([Ref(Posting, "c:survey")])
    )
    told.take_in(erased("20 01:00"))
    forget(told)
    answer, wish = (one for one in told.states.values() if isinstance(one, Posting))
    said = decode(answer.event.encode())
    assert (said.partitionkey, vars(said.data)["customer_id"], vars(said.data)["comment"]) == (NAME, NAME, None)
    assert (vars(said.data)["score"], said.causationid is None) == (2, False)
    assert (wish.status, wish.event) == ("taken", "")


def test_their_surveys_take_no_answer_any_more():
    told = with_words_of("K-1").take_in(erased("6 00:00"))
    [link] = [one for one in told.states.values() if isinstance(one, SurveyLink)]
    assert surveys.closed(link, told.customer(NAME), at("1 12:00")) == "expired"


BREACH: dict[str, Any] = {"target": "resolution", "cycle": 1, "waiting": True}
BREACH |= {"started_at": at("0 08:00"), "due_at": at("5 09:00")}
LATE = (
    received("0 09:00", "C-2", subject="My divorce"),
    profile("0 09:00"),
    resolved("0 09:30", "C-2"),
    consent("0 09:00", "survey", granted=True),
    received("5 09:00", subject="My divorce"),
    resolved("5 10:00"),
    event("sla.breached", at("5 09:00"), contact_id="C-1", source="/rapport/sla-monitor", **BREACH),
    event("customer.tier_changed", at("5 09:00"), source="/rapport/metrics", tier="gold"),
    event("risk.raised", at("5 09:00"), source="/rapport/sla-monitor", cause="breaches", reasons=["two"]),
)


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("word", LATE, ids=lambda one: f"{one.type} of {one.time.day}")
def test_what_comes_late_or_is_about_their_contacts_is_let_pass(word: Event[Data], *, finished: bool):
    told = Story().play((*HELPED, erased("0 12:00")), "1 00:00")
    if finished:
        forget(told)
    lines = list(told.lines)
    told.take_in(word).until("30 00:00")
    forget(told)
    assert_forgotten(told)
    assert (told.lines, told.sends) == (lines, [])
    under_the_name = word.data.model_copy(update={"customer_id": NAME})
    assert told.take_in(word.model_copy(update={"data": under_the_name})).lines == lines


def test_an_answer_on_a_contact_that_turned_out_late_to_be_theirs_is_let_pass_though_it_bears_a_later_date():
    for before in ((), HELPED):
        told = Story().play((*before, erased("0 12:00")), "1 00:00")
        told.take_in(received("0 09:00", "C-2", subject="My divorce"), resolved("5 10:00", "C-2")).until("30 00:00")
        forget(told)
        assert_forgotten(told)
        assert "C-2" in told.customer(NAME).contacts


def test_whoever_has_the_id_afterwards_is_somebody_new_and_hears_from_us():
    told = Story().play((*HELPED, erased("0 12:00")), "1 00:00")
    told.play((profile("1 01:00"), received("1 08:00", "C-9"), resolved("1 10:00", "C-9")), "3 00:00")
    forget(told)
    assert told.customer().text("name") == "Ada Rossi"
    told.take_in(received("0 11:00", "C-9"))
    assert "C-9" not in told.customer(NAME).contacts
    assert [told.message(name).customer_id for name, _ in told.sends] == ["K-1"]
    assert told.take_in(event("customer.tier_changed", at("3 09:00"), tier="gold")).customer().text("tier") == "gold"
    told.take_in(erased("4 00:00", "erased:2"))
    forget(told)
    assert_forgotten(told)
    assert [told.message(name).customer_id for name, _ in told.sends] == ["erased:2"]
    assert {name for kind, name in told.states if kind is CustomerState} >= {NAME, "erased:2"}


def test_what_was_said_of_somebody_new_before_the_word_of_the_erasure_came_stays_theirs():
    told = Story().play((*HELPED, profile("1 07:00", name="Bob"), received("1 08:00", "C-9")), "1 09:00")
    told.play((resolved("1 10:00", "C-9"),), "1 11:00")
    told.take_in(erased("0 12:00")).until("20 00:00")
    forget(told)
    assert (told.customer().text("name"), set(told.customer().contacts)) == ("Bob", {"C-9"})
    assert set(told.customer(NAME).contacts) == {"C-1"}
    assert [told.message(name).customer_id for name, _ in told.sends] == ["K-1"]
    assert remembered(told).erasure.again


def test_asked_for_again_it_is_the_same_erasure():
    told = Story().play((*HELPED, erased("0 12:00")), "1 00:00")
    told.take_in(erased("2 00:00", "erased:2"), erased("0 11:00", "erased:3"))
    told.take_in(received("1 12:00", "C-9"))
    forget(told)
    assert_forgotten(told)
    assert {name for kind, name in told.states if kind is CustomerState} == {NAME, remembered(told).id}
    assert set(told.customer(NAME).contacts) == {"C-1", "C-9"}


def test_what_comes_late_about_somebody_unknown_in_the_batch_of_an_erasure_without_a_name_is_let_pass():
    """Such a one was let in by the version before, and waited in Kafka."""
    told = Story()
    batch = [event("customer.erased", at("0 12:00")), profile("0 09:00"), received("0 09:00", "C-2")]
    states = told.loaded([touch for one in batch for touch in told.domain.touches(one)])
    for one in batch:
        states.apply(told.domain.on_event(one, 0, states, at("1 00:00")))
    [nobody] = (one for one in states.of(CustomerState) if not one.erasure)
    assert (nobody.erased, set(nobody.contacts)) == (True, {"C-2"})


def test_whoever_finds_a_survey_finds_whose_it_is_by_whatever_name():
    told = with_words_of("K-1").take_in(erased("6 00:00"))
    [link] = [one for one in told.states.values() if isinstance(one, SurveyLink)]
    assert told.loaded([Ref(SurveyLink, link.id)]).get(CustomerState, link.customer_id) == told.customer(NAME)


@pytest.mark.parametrize("became", ["sent", "failed"])
def test_what_becomes_of_a_message_on_its_way_is_told_under_the_name(became: str):
    told = Story().play(HELPED, "0 12:00")
    told.now = at("1 10:00")
    told.look(told.now, send=False)
    [message] = told.pending()
    taken = told.take(message)
    assert taken
    told.take_in(erased("1 10:00"))
    if became == "sent":
        told.settle(message, lambda one, customer: sent(one, customer, taken.link, told.rules, told.now))
    else:
        told.settle(message, lambda one, customer: failed(one, customer, told.rules, told.now, "gone", "A@b.example"))
        assert told.customer(NAME).blocked == {}
    forget(told)
    assert told.message(message.id).status == became
    assert [one.customer_id for one in told.of(f"followup.{became}")] == [NAME]
    assert_forgotten(told)


def test_a_message_that_waits_is_not_sent_whether_it_bears_the_name_already_or_not():
    for finished in (False, True):
        told = Story().play(HELPED, "0 12:00").look(at("1 10:00"), send=False)
        told.take_in(erased("1 10:00"))
        if finished:
            forget(told)
        [message] = told.pending()
        assert told.take(message) is None
        assert told.message(message.id).status == "withdrawn"
        forget(told)
        assert_forgotten(told)


def test_plays_are_tried_with_erasures_too():
    events = (*HELPED, event("customer.erased", at("0 12:00")), profile("1 00:00"), resolved("2 10:00", "C-9"))
    told = simulate(events, Story().rules)
    assert [one.type for one in told].count("followup.cancelled") == 2
    assert [one.partitionkey for one in told if one.type == "survey.sent"] == ["K-1"]
