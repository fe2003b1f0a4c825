"""Who hears that a conflict is near, once and while it is true, and what they are told."""

from dataclasses import replace
from typing import Any

import pytest
from rapport.contracts import Data, Event, format_instant
from rapport.decision import States
from sla_monitor.domain.erasing import forget_risk
from sla_monitor.domain.log import instant
from sla_monitor.domain.policy_checks import cautions
from sla_monitor.domain.risk import Notice, RiskState, standing
from sla_monitor.domain.risk_notices import AtRisk, RiskMessage, due, heard, settle
from sla_monitor.domain.silences import Silence
from sla_monitor.domain.states import CustomerState

from tests.support.risk import RISK, Watch, call, scored, watch
from tests.support.sla import at, customer, merged, policy, targets

PEOPLE = """
escalations: {climb: [{after: 0m, notify: [lead]}]}
receivers:
  desk: {url: "json://desk"}
  lead: [{url: "json://night", calendar: night}, {url: "json://lead"}]
people: {ada: {url: "json://ada"}, bob: {name: Bob}, eve: {url: "json://eve"}}
teams: {billing: {receiver: desk}}
"""


def under(notify: str) -> str:
    return targets("first_response: {within: 4h}", rest=f"{RISK.rstrip()}\n  notify: {notify}\n{PEOPLE}")


ALL = under("[owner, team, lead]")
CALLS = [call(f"+{day} 09:00", day + 1, team="billing") for day in (0, 1, 2)]
OWNED = [*CALLS[:2], call("+2 09:00", 3, team="billing", agent_id="ada")]


def waiting(played: Watch) -> list[tuple[str, tuple[str, ...]]]:
    return [(notice.cause, notice.waiting) for notice in played.risk().notices]


def places(*events: Event[Data], notify: str = "[owner, team, lead]") -> tuple[str, ...]:
    [(_, found)] = waiting(watch(*events, under=under(notify)))
    return found


def test_the_owner_their_team_and_whoever_the_policy_names_are_to_hear_of_it():
    assert places(*OWNED) == ("ada#0", "desk#0", "lead#1")


def test_where_nobody_has_the_contact_the_customers_own_agent_is_to_hear_of_it():
    assert places(customer("08:00", owner_id="eve"), *CALLS, notify="owner") == ("eve#0",)


def test_a_low_score_is_told_to_whoever_had_the_contact_that_was_asked_about():
    assert places(call("09:00", 1, agent_id="ada"), scored("12:00", 1), notify="owner") == ("ada#0",)


@pytest.mark.parametrize("notify", ["[]", "owner", "team"])
def test_nobody_waits_where_the_policy_names_nobody_who_can_be_reached(notify: str):
    nobodys = [call(f"+{day} 09:00", day + 1, agent_id="bob") for day in (0, 1, 2)]
    played = watch(*nobodys, under=under(notify))
    assert [event.type for event in played.events].count("risk.raised") == 1
    assert waiting(played) == []
    assert played.risk().index() == {"at_risk": True}


def test_what_stands_is_told_once():
    assert len(waiting(watch(*CALLS, call("+3 09:00", 4, team="billing"), under=ALL))) == 1


def test_history_is_told_to_nobody():
    old = [event.model_copy(update={"backfill": True}) for event in CALLS]
    assert waiting(watch(*old, under=ALL)) == []
    late = Watch(watch(*CALLS[:2], under=ALL).domain)
    for event in CALLS:
        late.take(event, "+3 09:01")
    assert waiting(late) == []


def test_a_deadline_that_is_missed_tells_when_the_sweep_finds_it():
    one, other = call("09:00", 1, None, team="billing"), call("09:30", 2, "delivery", team="billing")
    played = watch(one, other, under=ALL, looks="+0 15:00")
    assert waiting(played) == [("breaches", ("desk#0", "lead#1"))]


# --- while it is true ---------------------------------------------------------------------------


def settled(state: RiskState, notice: Notice, place: str, *, told: bool = True) -> RiskState:
    decision = settle(notice.key, place, told=told)(state, States(), at("+2 09:05"))
    [after] = decision.states
    assert isinstance(after, RiskState)
    return after


def causes(state: RiskState, now: str) -> list[Any]:
    return standing(state, policy(ALL).file.risk, at(now))


def test_each_place_is_settled_for_itself_and_who_has_heard_is_known():
    state = watch(*OWNED, under=ALL).risk()
    [notice] = state.notices
    state = settled(state, notice, "ada#0")
    assert state.index() == {"at_risk": True, "waits": True}
    state = settled(settled(state, notice, "desk#0", told=False), notice, "lead#1")
    assert state.index() == {"at_risk": True}
    [cause] = causes(state, "+2 10:00")
    assert heard(state, cause) == ["ada", "lead"]
    assert RiskState.restored(state.stored()) == state


def test_of_those_that_all_have_heard_the_newest_are_remembered():
    state = watch(*OWNED, under=ALL).risk()
    [notice] = state.notices
    many = [notice._replace(millis=number, waiting=("ada#0",)) for number in range(30)]
    state = state.but(notices=tuple(many))
    for one in many[:-1]:
        state = settled(state, one, "ada#0")
    assert [one.millis for one in state.notices] == list(range(9, 30))


def test_what_has_cleared_is_not_told_any_more():
    state = watch(*OWNED, under=ALL).risk()
    [(_, cause)] = due(state, causes(state, "+2 10:00"))
    assert cause is not None
    assert list(due(state, causes(state, "+9 10:00"))) == [(state.notices[0], None)]


def test_what_had_cleared_before_anybody_heard_is_told_once_it_stands_again():
    played = watch(*OWNED, merged("+2 09:01", contact_id="c-3"), under=ALL)
    state = played.risk()
    assert causes(state, "+2 09:05") == []
    for place in state.notices[0].waiting:
        state = settled(state, state.notices[0], place, told=False)
    played.kept[RiskState, "K-1"] = state
    played.take(call("+2 08:59", 4, team="billing"), "+2 09:10")
    assert waiting(played) == [("repeat_contacts", ("desk#0", "lead#1"))]
    assert [event.type for event in played.events].count("risk.raised") == 1
    played.take(call("+2 09:20", 5, team="billing"))
    assert len(waiting(played)) == 1


def test_of_somebody_erased_nothing_is_told():
    [forgotten] = forget_risk(watch(*OWNED, under=ALL).risk())
    assert forgotten.index() == {"at_risk": False}
    assert forgotten.notices == ()
    assert settle(("breaches", "", 0), "ada#0", told=True)(None, States(), at("09:00")).states == ()


def test_a_name_that_nobody_has_is_a_caution():
    says = [text for path, text in cautions(policy(under("[nobody-at-all]")).file) if path == ("risk", "notify")]
    assert says == ["there is no receiver or person called 'nobody-at-all'; nobody is reached by that name"]


# --- what is said --------------------------------------------------------------------------------


def at_risk(*events: Event[Data], **who: Any) -> AtRisk:
    state = watch(*(events or OWNED), under=ALL).risk()
    [(notice, cause)] = due(state, causes(state, "+2 10:00"))
    assert cause is not None
    return AtRisk(state.id, CustomerState(id=state.id, partition=1, **who) if who else None, notice, cause)


def message(*those: AtRisk, **more: Any) -> RiskMessage:
    return RiskMessage("desk#0", those, at("+2 10:00"), "https://rapport.example/", **more)


ROSSI = {"title": "Ms", "name": "Rossi", "tier": "gold"}
WHY = "3 contacts about the same topic (billing) within 7 days: c-1, c-2, c-3"
OPEN = "Open: https://rapport.example/contacts/c-3"


def test_the_line_says_who_why_whose_and_where():
    assert message(at_risk(**ROSSI)).text == f"AT RISK · Ms Rossi (gold) · {WHY} · #c-3 · owner ada · {OPEN}"
    assert message(at_risk(*CALLS)).text == f"AT RISK · K-1 · {WHY} · #c-3 · owner none · {OPEN}"


def test_several_are_one_message_with_their_number_and_the_first():
    one = at_risk(**ROSSI)
    other = replace(one, customer_id="K-2")
    assert message(one, other).text.startswith("2 customers AT RISK · first: AT RISK · Ms Rossi (gold) · ")
    assert message(one, one).text.startswith("a customer, 2 times over AT RISK · first: ")
    assert message(one, other).name != message(one).name == message(one).name


def test_a_receiver_with_fields_learns_no_more_than_these():
    said = message(at_risk(**ROSSI), fields=("owner",))
    assert said.text == "AT RISK · a customer · repeat contacts · #c-3 · owner ada"
    [alert] = said.body()["alerts"]
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


def test_alertmanager_gets_an_alert_that_ends_by_itself():
    [[alert]] = message(at_risk()).posts("alertmanager")
    assert alert["labels"]["alertname"] == "customer_at_risk"
    assert alert["endsAt"] > alert["startsAt"]
    assert message(at_risk()).posts("webhook") == []


def test_silences_match_by_team_owner_customer_contact_and_group():
    facts = at_risk().facts

    def mutes(**match: str) -> bool:
        return Silence("s", {k: (v,) for k, v in match.items()}, instant(0), instant(1), "", "ada").mutes(facts)

    assert mutes(team="billing")
    assert mutes(group="risk", customer_id="K-1")
    assert mutes(contact_id="c-3", owner="ada")
    assert not mutes(policy="p")
