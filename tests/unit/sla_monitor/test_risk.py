"""The early warning of a conflict: what raises it, with which reasons, and that it is raised once until it clears."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapport.contracts import Data, Event
from sla_monitor.domain.policy import Risk
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.risk import RiskState, causes_in_words
from sla_monitor.domain.states import ContactState
from sla_monitor.domain.watch import WatchDomain

from tests.support.risk import RULES, Watch, call, scored, watch
from tests.support.sla import (
    MONDAY,
    OFFICE,
    assigned,
    at,
    customer,
    policy,
    resolved,
    responded,
    targets,
    when,
)


def risks(*events: Event[Data], under: str = RULES, looks: str | None = None) -> list[tuple[str, str]]:
    return told(watch(*events, under=under, looks=looks))


def told(played: Watch) -> list[tuple[str, str]]:
    return [(getattr(e.data, "cause", ""), when(e.time)) for e in played.events if e.type == "risk.raised"]


def reasons(played: Watch) -> list[str]:
    return [reason for e in played.events if e.type == "risk.raised" for reason in getattr(e.data, "reasons", [])]


# --- calling again ----------------------------------------------------------------------


def test_the_third_contact_about_the_same_within_a_week_raises_a_risk_with_its_reason():
    played = watch(call("09:00", 1), call("Tue 09:00", 2), call("Wed 09:00", 3))
    assert told(played) == [("repeat_contacts", "Wed 09:00")]
    assert reasons(played) == ["3 contacts about the same topic (billing) within 7 days: c-1, c-2, c-3"]


def test_contacts_about_different_things_raise_nothing():
    assert risks(call("09:00", 1), call("Tue 09:00", 2, "delivery"), call("Wed 09:00", 3, "returns")) == []


def test_a_contact_that_names_no_topic_counts_with_any():
    assert risks(call("09:00", 1), call("Tue 09:00", 2, None), call("Wed 09:00", 3)) != []


@pytest.mark.parametrize("same", ["purchase_id", "reference"])
def test_contacts_may_have_to_agree_in_any_field_though_no_policy_asks_for_it(same: str):
    under = RULES.replace("same: topic", f"same: {same}")
    assert under != RULES
    days = (("09:00", 1), ("Tue 09:00", 2), ("Wed 09:00", 3))
    assert risks(*(call(day, number, **{same: f"P-{number}"}) for day, number in days), under=under) == []
    assert risks(*(call(day, number, **{same: "P-1"}) for day, number in days), under=under) != []


def test_a_further_message_on_the_same_contact_is_no_further_contact():
    assert risks(call("09:00", 1), call("10:00", 1), call("11:00", 1)) == []


def test_what_lies_longer_ago_counts_no_more():
    assert risks(call("09:00", 1), call("Tue 09:00", 2), call("+8 10:00", 3)) == []


def test_a_risk_that_stands_is_not_raised_again_and_one_that_has_cleared_is():
    calls = [call(f"+{day} 09:00", day) for day in (0, 1, 2, 3, 4)]
    assert told(watch(*calls)) == [("repeat_contacts", "+2 09:00".replace("+2", "Wed"))]
    later = [call(f"+{day} 09:00", day) for day in (15, 16, 17)]
    assert [cause for cause, _ in told(watch(*calls, *later))] == ["repeat_contacts"] * 2


def test_spam_is_no_contact():
    played = watch(call("09:00", 1), call("Tue 09:00", 2), resolved("Tue 10:00", "spam", contact_id="c-2"))
    played.take(call("Wed 09:00", 3))
    assert told(played) == []


def test_our_own_calls_count_for_nothing():
    assert risks(*(call(f"+{day} 09:00", day + 1, direction="outbound") for day in range(4))) == []


# --- missed deadlines ---------------------------------------------------------------------


def test_the_second_missed_deadline_of_a_customer_raises_a_risk_dated_by_it():
    played = watch(call("09:00", 1), call("09:30", 2, "delivery"), looks="14:00")
    assert told(played) == [("breaches", "13:30")]
    assert reasons(played) == ["2 missed deadlines within 30 days: c-1, c-2"]


def test_a_breach_that_proves_wrong_counts_no_more():
    played = watch(call("09:00", 1), looks="13:30")
    played.take(responded("10:00", contact_id="c-1"), now="13:40")
    played.take(call("Tue 09:00", 2, "delivery"))
    played.look("Tue 14:00")
    assert told(played) == []


# --- passed around --------------------------------------------------------------------------


def test_the_third_hand_over_of_a_contact_raises_a_risk_that_names_the_hands():
    events = [call("09:00", 1, agent_id="a"), *(assigned(f"1{n}:00", agent_id=who) for n, who in enumerate("bcd"))]
    played = watch(*events)
    assert told(played) == [("handovers", "12:00")]
    assert reasons(played) == ["passed on 3 times: b → c → d"]


def test_who_takes_what_nobody_had_hands_nothing_over():
    events = [call("09:00", 1), *(assigned(f"1{n}:00", agent_id=who) for n, who in enumerate("aab"))]
    assert risks(*events) == []


def test_hand_overs_of_different_contacts_do_not_add_up():
    events = [call("09:00", n, str(n), agent_id="a") for n in (1, 2, 3)]
    events += [assigned("10:00", contact_id=f"c-{n}", agent_id="b") for n in (1, 2, 3)]
    assert risks(*events) == []


# --- scores and outcomes ----------------------------------------------------------------------


@pytest.mark.parametrize(("survey", "low", "good"), [("csat", 2, 3), ("nps", 6, 7), ("ces", 3, 4)])
def test_a_low_score_raises_a_risk_once_until_a_better_one(survey: str, low: int, good: int):
    events = [scored("09:00", low, survey), scored("10:00", low, survey), scored("11:00", good, survey)]
    assert risks(*events) == [("low_score", "09:00")]
    assert risks(*events, scored("12:00", low, survey)) == [("low_score", "09:00"), ("low_score", "12:00")]
    assert risks(scored("09:00", good, survey)) == []


def test_the_last_answer_to_a_survey_counts():
    assert risks(scored("09:00", 5, survey_id="s"), scored("09:05", 1, survey_id="s")) == [("low_score", "09:05")]


def test_an_outcome_that_the_customer_won_t_like_raises_a_risk_until_one_that_they_do():
    def ended(time: str, number: int, outcome: str) -> list[Event[Data]]:
        return [
            call(time, number, str(number)),
            resolved(time.replace("9:00", "9:30"), outcome, contact_id=f"c-{number}"),
        ]

    events = [*ended("09:00", 1, "declined"), *ended("Tue 09:00", 2, "declined"), *ended("Wed 09:00", 3, "solved")]
    assert risks(*events) == [("negative_outcome", "09:30")]
    assert len(risks(*events, *ended("Thu 09:00", 4, "declined"))) == 2


# --- who, and how often -------------------------------------------------------------------------


def test_nobody_without_a_name_and_nobody_of_our_own_is_at_risk():
    assert risks(*(call(f"+{n} 09:00", n + 1, customer_id="anonymous:7") for n in range(3))) == []
    assert risks(customer("08:00", audience="staff"), *(call(f"+{n} 09:00", n + 1) for n in range(3))) == []


def test_what_a_policy_takes_for_a_risk_can_be_read():
    assert causes_in_words(policy(RULES).file.risk) == [
        "3 contacts with the same topic within 7 days",
        "2 missed deadlines within 30 days",
        "a contact passed on 3 times",
        "CSAT of 2 or less, until a better one",
        "NPS of 6 or less, until a better one",
        "CES of 3 or less, until a better one",
        "a contact that ended as declined",
    ]
    assert causes_in_words(Risk()) == []


def test_where_the_policy_asks_for_no_risk_nothing_is_kept():
    plain = targets("first_response: {within: 4h}")
    played = watch(*(call(f"+{n} 09:00", n + 1) for n in range(3)), under=plain)
    assert not [kind for kind, _ in played.kept if kind is RiskState]
    domain = WatchDomain(PolicyBook([policy(plain)]))
    assert all(getattr(touch, "kind", None) is not RiskState for touch in domain.touches(call("09:00", 1)))


CALLS = [call(f"+{day} 09:00", day + 1) for day in (0, 1, 2, 3, 9, 10, 11)]


@settings(max_examples=60, deadline=None)
@given(order=st.permutations([*CALLS, *CALLS[:2]]))
def test_in_any_order_and_with_any_repetition_the_same_stands_in_the_end_and_nothing_is_told_twice(order):
    played, usual = watch(*order), watch(*CALLS)
    state, expected = played.kept[RiskState, "K-1"], usual.kept[RiskState, "K-1"]
    assert isinstance(state, RiskState)
    assert isinstance(expected, RiskState)
    assert state.signals == expected.signals
    events = [event for event in played.events if event.type == "risk.raised"]
    assert len({event.id for event in events}) == len(events)


def test_a_hundred_signals_are_remembered():
    always = f"""{OFFICE}
policies: []
risk: {{repeat_contacts: {{count: 1000, within: 900d}}}}
"""
    played = Watch(WatchDomain(PolicyBook([policy(always)])))  # type: ignore[arg-type] # likewise
    for number in range(130):
        played.take(call("09:00", 1).model_copy(update={"time": MONDAY + timedelta(hours=number)}))
        contact = played.kept.pop((ContactState, "c-1"))
        risk = played.kept[RiskState, "K-1"]
        assert isinstance(contact, ContactState)
        assert isinstance(risk, RiskState)
        signals = tuple(s._replace(name=f"c-{number}") if s.name == "c-1" else s for s in risk.signals)
        played.kept[RiskState, "K-1"] = risk.but(signals=signals)
    kept = played.kept[RiskState, "K-1"]
    assert isinstance(kept, RiskState)
    assert len(kept.signals) == 100
    assert kept.signals[-1].millis == int((at("00:00") + timedelta(hours=129)).timestamp() * 1000)
