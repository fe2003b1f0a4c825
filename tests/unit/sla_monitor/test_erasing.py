"""What is forgotten of a customer, their id among it, and that it is not learnt again."""

from typing import Any

import pytest
from rapport.contracts import Data, Event
from sla_monitor.domain import actions
from sla_monitor.domain.erasing import Forgetting, done, regrouped
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.risk import RiskState
from sla_monitor.domain.states import AlertState, ContactState, CustomerState
from sla_monitor.domain.watch import WatchDomain

from tests.support.risk import PEOPLE, Watch
from tests.support.sla import (
    at,
    customer,
    happened,
    policy,
    promised,
    received,
    resolved,
    responded,
    targets,
    tier_changed,
)

RULES = targets(
    "first_response: {within: 4h}",
    match="{attributes.plan: big}",
    page="now",
    escalation="climb",
    rest="risk: {repeat_contacts: {count: 2, within: 7d}, low_score: {csat: 2}}\n"
    + PEOPLE.replace("lead]}]", "desk]}]"),
)
NAME = "erased:1"


def erased(time: str, name: str = NAME, **data: Any) -> Event[Data]:
    """As intake lets it in."""
    return happened("customer.erased", time, **data).model_copy(update={"erasedas": name})


def desk(rules: str = RULES) -> Watch:
    return Watch(WatchDomain(PolicyBook([policy(rules)])))  # type: ignore[arg-type] # the domain around the other


def message(time: str, contact: str = "c-1", **data: Any) -> Event[Data]:
    about = {"subject": "My divorce", "reference": "4711", "url": "https://desk/4711"}
    return received(time, contact_id=contact, attributes={"plan": "big", "lawyer": "Ms Rossi"}, **about, **data)


def kept(played: Watch, kind: type[Any]) -> list[Any]:
    return [state for state in played.kept.values() if isinstance(state, kind)]


def words(played: Watch) -> str:
    return "\n".join(f"{one.id} {one.index()} {one.stored()}" for one in played.kept.values())


def remembered(played: Watch) -> Any:
    state = played.kept[CustomerState, played.domain.pseudonyms.place_of("K-1")]
    assert isinstance(state, CustomerState)
    return state


def forget(played: Watch) -> None:
    """As the work beside does, contact by contact."""
    seen = remembered(played).erasure
    forgetting = Forgetting(seen, played.domain.book)
    states, now = played.states(), at("00:00")
    for contact in kept(played, ContactState):
        played.carry_out(forgetting.contacts([contact.id])(contact, states, now))
    for kind in (AlertState, NotificationState):
        states = played.states()
        states.loaded([], kept(played, kind))
        played.carry_out(forgetting.about(kind, [one.id for one in kept(played, kind)])(None, states, now))
    played.carry_out(done(seen)(remembered(played), played.states(), now))


def told_of(played: Watch) -> list[Any]:
    """All that was told of contacts, but for whose they are."""
    return [(e.type, e.id, e.time, e.sequence) for e in played.events if e.type != "risk.raised"]


def test_nothing_that_names_an_erased_customer_or_tells_their_words_is_kept():
    played = desk()
    played.take(customer("08:00", name="Anna Rossi", title="Ms", language="it", region="eu"))
    played.take(message("09:00"))
    played.look("14:00")
    assert "K-1" in words(played)
    played.take(erased("15:00"))
    assert remembered(played).index() == {"erasing": True}
    forget(played)
    for word in ("K-1", "Rossi", "divorce", "4711", '"it"', '"eu"'):
        assert word not in words(played)
    assert remembered(played).index() == {}
    assert {
        one.customer_id for kind in (ContactState, AlertState, NotificationState) for one in kept(played, kind)
    } == {NAME}


def test_why_somebody_closed_an_alert_is_forgotten_and_that_they_did_is_not():
    played = desk()
    played.take(message("09:00"))
    played.look("14:00")
    why: dict[str, Any] = {"reason": "called Ms Rossi", "by": "ada", "now": at("14:10"), "book": played.domain.book}
    played.carry_out(actions.close(played.contact, "c-1/first_response/1", **why))
    assert "called Ms Rossi" in words(played)
    played.take(erased("15:00"))
    forget(played)
    assert "Rossi" not in words(played)
    assert [(deed.verb, deed.by) for deed in played.contact.alerts["first_response/1"].deeds] == [("closed", "ada")]


def test_deadlines_and_verdicts_stay_what_they_were():
    played = desk()
    played.take(message("09:00"))
    played.take(erased("10:00"))
    forget(played)
    played.look("14:00")
    assert played.told() == [("sla.breached", "13:00")]
    assert (played.contact.policy, played.alert().subject) == ("only", None)
    played.take(responded("15:00"))
    assert played.alert().state == "cleared"
    assert played.told("sla.corrected", "sla.cancelled") == []


HISTORY = (
    message("09:00", customer_id="anonymous:7"),
    message("09:05"),
    promised("09:10", "11:00"),
    message("09:20"),
    responded("12:30"),
    message("12:40"),
    message("13:10", "c-2"),
    resolved("13:30"),
)


@pytest.mark.parametrize("count", range(len(HISTORY) + 1))
@pytest.mark.parametrize("finished", [False, True])
def test_what_is_told_afterwards_has_the_ids_and_sequences_as_ever_and_bears_the_name(count: int, *, finished: bool):
    """Whatever of their history comes before the erasure and whatever after it, late."""
    plain, played = desk(), desk()
    for event in HISTORY:
        plain.take(event, now="15:00")
    plain.look("20:00")
    for event in HISTORY[:count]:
        played.take(event, now="15:00")
    before = len(played.events)
    played.take(erased("14:00"), now="15:00")
    if finished:
        forget(played)
    for event in HISTORY[count:]:
        played.take(event, now="15:00")
    forget(played)
    played.look("20:00")
    assert told_of(played) == told_of(plain)
    assert "K-1" not in words(played)
    assert "divorce" not in words(played)
    if finished:
        whose = {vars(event.data)["customer_id"] for event in played.events[before:]}
        assert whose <= {NAME, "anonymous:7"}
    assert [one.deadline for one in played.notifications] == [one.deadline for one in plain.notifications]


def test_an_answer_on_one_of_their_contacts_is_theirs_though_it_bears_the_id_and_a_later_date():
    played = desk()
    played.take(message("09:00"))
    played.take(erased("10:00"))
    forget(played)
    played.take(responded("11:00"))
    played.take(message("11:30"))
    assert played.contact.customer_id == NAME
    assert (played.contact.subject, played.told()) == (None, [("sla.met", "11:00")])
    assert "K-1" not in words(played)
    assert not remembered(played).erasure.again


def test_a_contact_of_which_only_later_news_had_come_is_theirs_once_its_message_from_before_comes():
    played = desk()
    played.take(erased("10:00"))
    played.take(responded("11:00"))
    forget(played)
    assert (played.contact.customer_id, remembered(played).erasure.again) == ("K-1", True)
    played.take(message("09:00"), now="12:00")
    forget(played)
    assert (played.contact.customer_id, played.contact.subject) == (NAME, None)
    assert "K-1" not in words(played)


def test_what_comes_late_from_before_is_not_learnt_again():
    played = desk()
    played.take(erased("10:00"))
    played.take(customer("09:00", name="Anna Rossi"), now="10:01")
    played.take(message("09:30"), now="10:02")
    forget(played)
    assert "Rossi" not in words(played)
    assert "K-1" not in words(played)
    assert (played.contact.customer_id, played.contact.subject, played.contact.url) == (NAME, None, None)


def test_a_contact_of_nobody_that_turns_out_late_to_be_theirs_is_forgotten_whole():
    played = desk()
    played.take(message("09:00", customer_id="anonymous:7"))
    played.look("14:00")
    played.take(erased("15:00"))
    forget(played)
    assert played.alert().subject == "My divorce"
    played.take(responded("14:30"), now="16:00")
    assert remembered(played).index() == {"erasing": True}
    forget(played)
    assert (played.contact.customer_id, played.alert().customer_id, played.alert().subject) == (NAME, NAME, None)
    assert "divorce" not in words(played)


def test_what_turns_out_to_be_theirs_while_the_rest_is_rewritten_is_not_passed_over():
    played = desk()
    played.take(message("09:00", customer_id="anonymous:7"))
    played.take(erased("15:00"))
    seen = remembered(played).erasure
    played.take(responded("14:30"), now="16:00")
    played.carry_out(done(seen)(remembered(played), played.states(), at("16:00")))
    assert remembered(played).index() == {"erasing": True}


def test_who_comes_back_is_somebody_new():
    played = desk()
    played.take(customer("08:00", name="Anna Rossi", region="eu"))
    played.take(message("09:00"))
    played.take(erased("10:00"))
    played.take(customer("11:00", name="Anna Bianchi"))
    played.take(message("11:30", "c-2"))
    forget(played)
    known = played.kept[CustomerState, "K-1"]
    assert isinstance(known, CustomerState)
    assert (known.name, known.region) == ("Anna Bianchi", None)
    assert [one.customer_id for one in kept(played, ContactState)] == [NAME, "K-1"]
    played.take(erased("12:00", "erased:2"))
    forget(played)
    assert [one.customer_id for one in kept(played, ContactState)] == [NAME, "erased:2"]
    played.take(message("09:30", "c-3"), now="13:00")
    played.take(message("11:50", "c-4"), now="13:00")
    assert [one.customer_id for one in kept(played, ContactState)] == [NAME, "erased:2", NAME, "erased:2"]
    assert "K-1" not in words(played)


def test_what_was_said_of_somebody_new_before_the_word_of_the_erasure_came_stays_theirs():
    played = desk()
    played.take(customer("08:00", name="Anna Rossi", region="eu"))
    played.take(customer("11:00", name="Anna Bianchi"))
    played.take(erased("10:00"), now="12:00")
    known = played.kept[CustomerState, "K-1"]
    assert isinstance(known, CustomerState)
    assert (known.name, known.region, remembered(played).erasure.again) == ("Anna Bianchi", None, True)


def test_who_somebody_new_is_says_nothing_about_the_contacts_of_whoever_had_the_id():
    rules = RULES.replace("{attributes.plan: big}", "{tier: gold}")
    played = desk(rules)
    played.take(message("09:00"))
    played.take(erased("10:00"))
    played.take(customer("11:00", tier="gold"))
    assert played.contact.policy is None


def test_asked_for_again_it_is_the_same_erasure():
    played = desk()
    played.take(message("09:00"))
    played.take(erased("10:00"))
    forget(played)
    played.take(erased("12:00", "erased:2"))
    played.take(erased("09:30", "erased:3"), now="12:01")
    forget(played)
    played.take(message("11:30", "c-2"), now="13:00")
    assert [one.customer_id for one in kept(played, ContactState)] == [NAME, NAME]


def test_what_services_tell_of_them_makes_nobody_new():
    played = desk()
    played.take(message("09:00"))
    played.take(erased("10:00"))
    forget(played)
    ours = {"source": "/rapport/metrics"}
    played.take(tier_changed("11:00", "gold").model_copy(update=ours))
    score: dict[str, Any] = {"survey_id": "s-1", "survey": "csat", "score": 1}
    played.take(happened("survey.answered", "11:00", **score).model_copy(update=ours))
    played.take(happened("survey.answered", "11:00", contact_id="c-1", **score))
    played.take(customer("12:00", customer_id=NAME, name="Anna Rossi"))
    assert "K-1" not in words(played)
    assert "Rossi" not in words(played)
    assert kept(played, RiskState) == []


def test_nothing_speaks_for_a_conflict_with_somebody_who_was_erased():
    played = desk()
    played.take(message("09:00"))
    played.take(message("09:30", "c-2"))
    [risk] = kept(played, RiskState)
    assert (len(risk.signals), len(risk.told)) == (2, 1)
    played.take(erased("10:00"))
    assert kept(played, RiskState) == []
    played.take(responded("11:00"))
    played.look("14:00")
    assert kept(played, RiskState) == []
    forget(played)
    played.look("20:00")
    assert kept(played, RiskState) == []


def test_a_customer_whom_a_policy_names_keeps_their_deadlines_and_no_other_their_id():
    played = desk(RULES.replace("{attributes.plan: big}", "{customer_id: [K-1, K-3]}"))
    played.take(message("09:00"))
    played.take(message("09:00", "c-2", customer_id="K-2"))
    for one in ("K-1", "K-2"):
        played.take(erased("10:00", f"erased:{one[2:]}", customer_id=one))
    book = played.domain.book
    for one in ("K-1", "K-2"):
        seen = played.kept[CustomerState, played.domain.pseudonyms.place_of(one)]
        assert isinstance(seen, CustomerState)
        assert seen.erasure
        forget_contacts = Forgetting(seen.erasure, book).contacts(["c-1", "c-2"])
        played.carry_out(forget_contacts(None, played.states(), at("10:00")))
    played.look("14:00")
    assert [one.log[0].facts["customer_id"] for one in kept(played, ContactState)] == ["K-1", "erased:2"]
    assert played.told() == [("sla.breached", "13:00")]


def test_a_group_of_one_customers_alerts_gets_the_name_and_every_other_stays():
    assert regrouped("billing/K-1/mail", "K-1", NAME) == f"billing/{NAME}/mail"
    assert regrouped("a/b", "a/b", NAME) == NAME
    assert regrouped("billing/K-11", "K-1", NAME) == "billing/K-11"
