"""What people and machines are told of customers at risk, and of those that no longer are."""

from dataclasses import replace
from typing import Any

import pytest
from rapport.contracts import Data, Event, format_instant
from sla_monitor.domain.log import instant, to_millis
from sla_monitor.domain.risk import Said, standing
from sla_monitor.domain.risk_message import AtRisk, RiskMessage
from sla_monitor.domain.risk_notices import due
from sla_monitor.domain.silences import Silence
from sla_monitor.domain.states import CustomerState

from tests.support.risk import ALL, CALLS, OWNED, watch
from tests.support.sla import at, policy


def at_risk(*events: Event[Data], **who: Any) -> AtRisk:
    state = watch(*(events or OWNED), under=ALL).risk()
    [(notice, cause)] = due(state, standing(state, policy(ALL).file.risk, at("+2 10:00")))
    assert cause is not None
    return AtRisk(state.id, CustomerState(id=state.id, partition=1, **who) if who else None, notice, cause)


def message(*those: AtRisk, **more: Any) -> RiskMessage:
    return RiskMessage("desk#0", those, at("+2 10:00"), "https://rapport.example/", **more)


ROSSI = {"title": "Ms", "name": "Rossi", "tier": "gold"}
PRODUCTS = ("pagerduty", "alertmanager", "webhook")
WHY = "3 contacts about the same topic (billing) within 7 days: c-1, c-2, c-3"
OPEN = "Open: https://rapport.example/contacts/c-3"


def test_the_line_says_who_why_whose_and_where():
    assert message(at_risk(**ROSSI)).text == f"AT RISK · Ms Rossi (gold) · {WHY} · #c-3 · owner ada · {OPEN}"
    assert message(at_risk(*CALLS)).text == f"AT RISK · K-1 · {WHY} · #c-3 · owner none · {OPEN}"


def test_the_line_stays_one_whatever_a_customer_is_called():
    assert message(at_risk(name="Ros\nsi\x07")).text.startswith("AT RISK · Ros si · ")


def test_several_are_one_message_with_their_number_and_the_first():
    one = at_risk(**ROSSI)
    other = replace(one, customer_id="K-2")
    assert message(one, other).text.startswith("2 customers AT RISK · first: AT RISK · Ms Rossi (gold) · ")
    assert message(one, one).text.startswith("a customer, 2 times over AT RISK · first: ")
    assert message(one, other).name != message(one).name == message(one).name


def test_a_receiver_with_fields_learns_no_more_than_these():
    told = message(at_risk(**ROSSI), fields=("owner",))
    assert told.text == "AT RISK · a customer · repeat contacts · #c-3 · owner ada"
    [alert] = told.body()["alerts"]
    assert set(alert["labels"]) == {"alertname", "severity", "cause", "owner", "alert"}
    assert message(at_risk(**ROSSI), fields=("customer_id",)).text.startswith("AT RISK · K-1 · ")


def test_the_webhooks_body_is_alertmanagers_and_names_the_cause():
    body = message(at_risk(**ROSSI)).body()
    assert (body["version"], body["status"], body["groupLabels"], body["count"]) == (
        "4",
        "firing",
        {"group": "risk"},
        1,
    )
    [alert] = body["alerts"]
    assert alert["labels"] == {
        "alertname": "customer_at_risk",
        "severity": "warning",
        "cause": "repeat_contacts",
        "customer_id": "K-1",
        "contact_id": "c-3",
        "owner": "ada",
        "team": "billing",
    }
    assert alert["startsAt"] == format_instant(at("+2 09:00"))


def test_a_hundred_are_listed_and_the_others_counted():
    one = at_risk()
    body = message(*(replace(one, customer_id=f"K-{n}") for n in range(103))).body()
    assert (len(body["alerts"]), body["truncatedAlerts"], body["count"]) == (100, 3, 103)


def test_pagerduty_gets_a_warning_for_each_and_one_incident_for_very_many():
    one = at_risk()
    [post] = message(one).posts("pagerduty")
    assert (post["event_action"], post["payload"]["severity"]) == ("trigger", "warning")
    assert post["dedup_key"] == "K-1/risk/repeat_contacts/c-3"
    many = message(*(replace(one, customer_id=f"K-{n}") for n in range(20)))
    [storm] = many.posts("pagerduty")
    assert storm["payload"]["summary"].startswith("20 customers AT RISK · ")


def test_alertmanager_gets_an_alert_that_ends_by_itself_unless_it_is_told_again():
    one = at_risk(**ROSSI)
    [[alert]] = message(one).posts("alertmanager")
    assert alert["labels"]["alertname"] == "customer_at_risk"
    assert alert["endsAt"] > alert["startsAt"]
    [(_, kept)] = message(one).said("alertmanager", 1)
    [[again]] = message(AtRisk.known(one.customer_id, one.customer, one.notice, kept)).again(at("+2 11:30"))
    assert again == {**alert, "endsAt": format_instant(at("+2 11:30"))}
    assert message(at_risk()).posts("webhook") == []


def over(one: AtRisk, name: str = "", ended_at: str = "+2 09:30") -> AtRisk:
    notice = one.notice._replace(ends=to_millis(at(ended_at)))
    known = Said("desk#0", "c-3", "c-3", WHY, name)
    return AtRisk.known(one.customer_id, one.customer, notice, known, over=True)


def test_the_end_is_told_in_the_same_words_and_resolved_under_the_same_fingerprint():
    begun, ended_ = message(at_risk(**ROSSI)), message(over(at_risk(**ROSSI)))
    assert ended_.text == begun.text.replace("AT RISK", "RISK OVER", 1)
    body = ended_.body()
    assert (body["status"], body["groupKey"]) == ("resolved", begun.body()["groupKey"])
    [alert], [before] = body["alerts"], begun.body()["alerts"]
    assert (alert["status"], alert["endsAt"]) == ("resolved", format_instant(at("+2 09:30")))
    assert {n: alert[n] for n in ("labels", "fingerprint", "startsAt")} == {
        n: before[n] for n in ("labels", "fingerprint", "startsAt")
    }
    assert begun.name != ended_.name
    both = message(over(at_risk()), replace(over(at_risk()), customer_id="K-2"))
    assert both.text.startswith("RISK OVER · 2 customers · first: RISK OVER · K-1 · ")


def test_what_could_have_been_told_for_a_day_is_given_up_but_not_the_end_of_an_incident():
    one = at_risk()
    ended = {via: over(one, kept.name) for via in PRODUCTS for _, kept in message(one).said(via, 1)}
    day, later = at("+3 09:30"), at("+3 09:30:00.001")
    assert [one.is_given_up(at(time)) for time in ("+3 09:00", "+3 09:01")] == [False, True]
    assert not any(stale.is_given_up(day) for stale in ended.values())
    assert {via: stale.is_given_up(later) for via, stale in ended.items()} == {
        "pagerduty": False,
        "alertmanager": True,
        "webhook": True,
    }
    assert not ended["webhook"].is_given_up(later, muted_until=at("+2 09:31"))


@pytest.mark.parametrize("via", PRODUCTS)
def test_what_a_place_was_told_of_each_is_kept_for_the_end(via: str):
    one = at_risk()
    [(of, kept)] = message(one).said(via, 7)
    assert of is one
    assert kept[:4] == ("desk#0", "c-3", "c-3", WHY)
    assert kept.policy == 7
    assert bool(kept.name) == (via != "webhook")


def test_pagerduty_resolves_the_incident_and_that_of_very_many_with_the_last_of_them():
    one = at_risk()
    [(_, kept)] = message(one).said("pagerduty", 1)
    assert message(over(one, kept.name)).posts("pagerduty") == [
        {"event_action": "resolve", "dedup_key": "K-1/risk/repeat_contacts/c-3"}
    ]
    many = message(*(replace(one, customer_id=f"K-{n}") for n in range(20)))
    names = {kept.name for _, kept in many.said("pagerduty", 1)}
    assert names == {many.posts("pagerduty")[0]["dedup_key"]}
    [name] = names
    more = message(*many.those, replace(one, customer_id="K-99"))
    assert {kept.name for _, kept in more.said("pagerduty", 1)} == names
    last = message(over(one, name))
    assert last.posts("pagerduty") == [{"event_action": "resolve", "dedup_key": name}]
    assert replace(last, shared=frozenset(names)).posts("pagerduty") == []


def test_alertmanagers_alert_ends_under_the_labels_that_it_was_told_of():
    one = at_risk()
    [(_, kept)] = message(one).said("alertmanager", 1)
    [[begun]] = message(one).posts("alertmanager")
    another = replace(one, notice=one.notice._replace(owner="bob", team="shop"))
    [[alert]] = message(over(another, kept.name)).posts("alertmanager")
    assert alert["labels"] == begun["labels"]
    assert alert["endsAt"] == format_instant(at("+2 09:30"))


def test_alertmanager_hears_of_what_it_was_told_and_not_of_what_others_were_in_its_place():
    names = ("", "K-1/risk/repeat_contacts/c-3", "storm/risk_1", "{8a6f}/risk/repeat_contacts/c-3", "7")
    one = at_risk()
    others = [over(one, name) for name in names]
    assert message(*(replace(other, is_over=False) for other in others)).again(at("+2 11:30")) == []
    assert [message(other).posts("alertmanager") for other in others] == [[]] * len(names)


def test_pagerduty_hears_nothing_of_what_alertmanager_was_told_in_its_place():
    one = at_risk()
    [(_, kept)] = message(one).said("alertmanager", 1)
    assert message(over(one, kept.name)).posts("pagerduty") == []


def test_silences_match_by_team_owner_customer_contact_and_group():
    facts = at_risk().facts

    def mutes(**match: str) -> bool:
        return Silence("s", {k: (v,) for k, v in match.items()}, instant(0), instant(1), "", "ada").mutes(facts)

    assert mutes(team="billing")
    assert mutes(group="risk", customer_id="K-1")
    assert mutes(contact_id="c-3", owner="ada")
    assert not mutes(policy="p")
