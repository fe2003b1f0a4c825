"""Alerts: raised, rung, climbing, acknowledged, cleared, corrected."""

from typing import Any

import pytest
from rapport.contracts.sla_events import SlaCorrected
from sla_monitor.domain import actions
from sla_monitor.domain.contact_view import detail
from sla_monitor.domain.states import CustomerState
from sla_monitor.domain.text import text

from tests.support.sla import (
    assigned,
    at,
    customer,
    desk,
    merged,
    play,
    received,
    reclassified,
    resolved,
    responded,
    story,
    targets,
    when,
)

RINGING = """
escalations:
  billing:
    - {after: 0m, notify: [owner, team]}
    - {after: 15m, notify: [lead]}
    - {after: 1h, notify: [manager], repeat: 1h}
receivers:
  lead: {url: "${LEAD}"}
  manager: {url: "json://manager"}
  sun: [{calendar: night, url: "json://night"}, {calendar: office, url: "json://office"}, {url: "json://any"}]
people: {agent-7: {name: Ada, url: "json://ada"}}
teams: {billing: {receiver: sun}}
"""


def ringing(**more: str):
    extra = {"escalation": "billing", "page": "now", **more}
    return targets("first_response: {within: 4h}", rest=RINGING, **extra)


NOW = ringing()


def rung(played, kind="breach"):
    return [(n.receiver, when(n.due)) for n in played.notifications if n.kind == kind]


def test_the_first_step_rings_owner_and_team_at_the_breach():
    played = play([received("09:00", team="billing", agent_id="agent-7")], under=NOW, looks=["13:00:00.001"])
    assert rung(played) == [("agent-7", "13:00"), ("sun", "13:00")]
    assert played.alert().paged
    assert played.alert().level == 1
    assert [n.entry for n in played.notifications] == [0, 1]


def test_what_nobody_takes_climbs_and_the_last_step_repeats():
    looks = ["13:00:01", "13:15:01", "14:00:01", "15:00:01", "16:00:01"]
    played = play([received("09:00", team="billing")], under=NOW, looks=looks)
    assert rung(played) == [("sun", "13:00"), ("lead", "13:15")] + [("manager", h) for h in ("14:00", "15:00", "16:00")]
    assert played.told("alert.escalated") == [("alert.escalated", "13:15"), ("alert.escalated", "14:00")]


@pytest.mark.parametrize("looks", [("13:00:00.001", "13:15:01", "14:00:01"), ("13:10", "14:30"), ("14:30",)])
def test_a_step_that_reaches_nobody_is_climbed_past_at_its_own_instant_whenever_we_look(looks: tuple[str, ...]):
    played = play([received("09:00", team="unknown")], under=NOW, looks=looks)
    assert [one for one in rung(played) if one[0] == "lead"][:1] == [("lead", "13:00" if len(looks) > 1 else "14:00")]
    assert ("manager", "14:00") in rung(played)
    assert (played.alert().level, played.alert().exhausted) == (3, True)
    assert played.alert().rings_from == at("13:00")


def test_an_escalation_that_names_nobody_known_is_exhausted_at_once_though_its_last_step_repeats():
    played = play([received("09:00")], under=NOW.replace("[lead]", "[owner]").replace("[manager]", "[team]"))
    played.look("13:00:01")
    assert rung(played) == []
    assert (played.alert().level, played.alert().exhausted, played.alert().paged) == (3, True, False)
    assert played.alert().next_step_at == at("14:00")


def test_steps_missed_in_a_downtime_are_one_message_to_each_marked_late():
    played = play([received("09:00", team="billing")], under=NOW, looks=["16:30"])
    assert rung(played) == [("sun", "16:00"), ("lead", "16:00"), ("manager", "16:00")]
    assert all(n.late for n in played.notifications)
    assert len({n.receiver for n in played.notifications}) == len(played.notifications)


def test_business_hours_ring_at_the_next_opening_and_a_list_never_rings():
    night = targets("first_response: {within: 4h, elapsed: true}", escalation="billing", rest=RINGING)
    played = play([received("16:00", team="billing")], under=night, looks=["20:30", "Tue 09:00"])
    assert played.told() == [("sla.breached", "20:00")]
    assert rung(played) == [("sun", "Tue 09:00")]
    listed = play([received("09:00", team="billing")], under=ringing(page="list"), looks=["Fri 17:00"])
    assert rung(listed) == []
    assert not listed.alert().paged


def test_a_warning_tells_the_owner_and_never_pages():
    events = [received("09:00", team="billing", agent_id="agent-7")]
    played = play(events, under=ringing(warn="[75%]"), looks=["12:30"])
    assert rung(played, "warning") == [("agent-7", "12:00")]
    assert rung(played) == []
    assert played.alert().state == "warned"


@pytest.mark.parametrize(("url", "told"), [("pagerduty:key", ["agent-7"]), ("json://ada", [])])
def test_a_product_that_was_warned_hears_that_it_is_over_and_a_person_does_not(url: str, told: list[str]):
    under = ringing(warn="[75%]").replace("json://ada", url)
    played = play([received("09:00", team="billing", agent_id="agent-7")], under=under, looks=["12:30"])
    played.take(responded("12:40"))
    assert rung(played, "cleared") == [(name, "12:40") for name in told]


def act(played, verb, now, **more: Any):
    alert_id = "c-1/first_response/1"
    decide = getattr(actions, verb)
    return played.carry_out(decide(played.contact, alert_id, now=at(now), **more))


def test_an_acknowledged_alert_stops_climbing_and_says_who_has_it():
    played = play([received("09:00", team="billing")], under=NOW, looks=["13:05"])
    act(played, "acknowledge", "13:06", book=played.domain.book, by="ada")
    played.look("17:00")
    assert rung(played) == [("sun", "13:00")]
    assert (played.alert().state, played.alert().by) == ("acknowledged", "ada")
    assert played.told("alert.acknowledged") == [("alert.acknowledged", "13:06")]
    assert act(played, "acknowledge", "13:07", book=played.domain.book, by="bob").states == ()


def test_a_snoozed_alert_comes_back_and_goes_on_climbing():
    played = play([received("09:00", team="billing")], under=NOW, looks=["13:05"])
    act(played, "snooze", "13:06", book=played.domain.book, until=at("14:00"), by="ada")
    played.look("13:59")
    assert played.alert().state == "snoozed"
    for time in ("14:00", "14:15"):
        played.look(time)
    assert rung(played) == [("sun", "13:00"), ("sun", "14:00"), ("lead", "14:15")]


def test_nothing_is_snoozed_until_an_instant_that_is_over():
    played = play([received("09:00")], under=NOW, looks=["13:05"])
    for until in ("13:05", "13:06"):
        with pytest.raises(actions.NotPossible, match="still to come"):
            act(played, "snooze", "13:06", book=played.domain.book, until=at(until), by="ada")


def test_a_warning_that_is_snoozed_past_its_deadline_is_quiet_until_then_and_rings_from_then_on():
    events = [received("09:00", team="billing")]
    played = play(events, under=ringing(warn="[75%]"), looks=["12:30"])
    act(played, "snooze", "12:31", book=played.domain.book, until=at("14:00"), by="ada")
    played.look("13:30")
    assert rung(played) == []
    assert (played.alert().state, played.alert().breached_at) == ("snoozed", at("13:00"))
    assert played.told("sla.breached") == [("sla.breached", "13:00")]
    for time in ("14:00", "14:15"):
        played.look(time)
    assert rung(played) == [("sun", "14:00"), ("lead", "14:15")]
    assert not played.notifications[-1].late


def test_a_warning_that_was_acknowledged_rings_when_its_deadline_is_missed():
    played = play([received("09:00", team="billing")], under=ringing(warn="[75%]"), looks=["12:30"])
    act(played, "acknowledge", "12:31", book=played.domain.book, by="ada")
    played.look("13:00:01")
    assert rung(played) == [("sun", "13:00")]
    assert played.alert().state == "breached"


def test_a_warning_snoozed_until_before_its_deadline_rings_at_the_deadline_whenever_we_look():
    played = play([received("09:00", team="billing")], under=ringing(warn="[75%]"), looks=["12:10"])
    act(played, "snooze", "12:11", book=played.domain.book, until=at("12:30"), by="ada")
    played.look("13:01")
    assert rung(played) == [("sun", "13:00")]


def test_closing_what_is_unmet_needs_a_reason_and_changes_no_verdict():
    played = play([received("09:00", team="billing")], under=NOW, looks=["13:05"])
    with pytest.raises(actions.NotPossible, match="reason"):
        act(played, "close", "13:06", book=played.domain.book, reason="", by="ada")
    act(played, "close", "13:06", book=played.domain.book, reason="called them", by="ada")
    assert played.alert().state == "closed"
    assert played.contact.told["first_response/1"].verdict == "breached"
    played.take(responded("14:00"))
    assert played.alert().state == "closed"


def test_an_alert_assigned_by_hand_rings_its_new_owner():
    played = play([received("09:00")], under=ringing(warn="[75%]"), looks=["12:30"])
    act(played, "assign", "12:31", book=played.domain.book, to="agent-7", by="lead")
    played.look("13:00:01")
    assert rung(played) == [("agent-7", "13:00")]


def test_a_contact_that_nobody_has_is_theirs_to_whom_its_alert_is_assigned_until_events_say_otherwise():
    played = play([received("09:00", team="billing")], under=NOW, looks=["13:05"])
    act(played, "assign", "13:06", book=played.domain.book, to="agent-7", by="lead")
    assert (played.contact.owner, played.contact.index()["owner"]) == ("agent-7", "agent-7")
    played.look("13:30")
    assert played.contact.owner == "agent-7"
    played.take(assigned("13:40", agent_id="agent-9"))
    assert played.contact.owner == "agent-9"


def test_the_history_of_a_contact_says_what_was_done_about_its_alert_by_whom_and_why():
    played = play([received("09:00", team="billing")], under=NOW, looks=["13:20"])
    book = played.domain.book
    act(played, "snooze", "13:25", book=book, until=at("13:30"), by="ada")
    played.look("13:31")
    act(played, "assign", "13:32", book=book, to="agent-7", by="lead")
    act(played, "acknowledge", "13:33", book=book, by="agent-7")
    act(played, "close", "13:34", book=book, reason="called them", by="agent-7")
    told = [(line["event"], line["what"], line["why"]) for line in detail(played.contact, book, at("14:00"))["history"]]
    assert told[2:] == [
        ("alert.escalated", "first response #1 escalated", "to step 2"),
        ("alert.snoozed", "first response #1 snoozed by ada", "until 2026-03-02T13:30:00Z"),
        ("alert.escalated", "first response #1 escalated", "to step 2"),
        ("alert.assigned", "first response #1 assigned by lead", "to agent-7"),
        ("alert.acknowledged", "first response #1 acknowledged by agent-7", ""),
        ("alert.closed", "first response #1 closed by agent-7", "reason called them"),
    ]


def test_the_history_says_that_a_breach_was_corrected_and_its_alert_cleared():
    played = play([received("09:00", team="billing")], under=NOW, looks=["13:10"])
    played.take(responded("12:00"), now="13:20")
    told = [line["event"] for line in detail(played.contact, played.domain.book, at("14:00"))["history"]]
    assert {"sla.corrected", "alert.cleared"} <= set(told)


def test_whoever_can_not_be_reached_is_climbed_past():
    played = play([received("09:00", team="billing")], under=NOW, looks=["13:00:01"])
    act(played, "climb", "13:02", past=1, book=played.domain.book)
    played.look("13:02")
    assert rung(played) == [("sun", "13:00"), ("lead", "13:02")]
    assert act(played, "climb", "13:03", past=1, book=played.domain.book).states == ()


def test_nobody_climbs_past_the_top_of_an_escalation():
    played = play([received("09:00", team="billing")], under=NOW, looks=["13:00:01", "13:15:01", "14:00:01"])
    assert act(played, "climb", "14:02", past=3, book=played.domain.book).states == ()


def test_closing_by_hand_tells_whoever_was_rung_that_it_is_over_once():
    played = play([received("09:00", team="billing")], under=NOW, looks=["13:20"])
    act(played, "close", "13:21", book=played.domain.book, reason="called them", by="ada")
    assert rung(played, "cleared") == [("sun", "13:21"), ("lead", "13:21")]
    played.take(responded("14:00"))
    assert len(rung(played, "cleared")) == 2


def test_an_acknowledgement_is_told_to_products_that_keep_track_of_it_and_to_nobody_else():
    under = NOW.replace('"${LEAD}"', '"pagerduty:key"')
    played = play([received("09:00", team="billing")], under=under, looks=["13:20"])
    act(played, "acknowledge", "13:21", book=played.domain.book, by="ada")
    assert rung(played, "acknowledged") == [("lead", "13:21")]


def test_who_was_rung_is_told_when_it_clears():
    played = play([received("09:00", team="billing")], under=NOW, looks=["13:00:01"])
    played.take(responded("13:10"))
    assert rung(played, "cleared") == [("sun", "13:10")]
    played.look("17:00")
    assert rung(played) == [("sun", "13:00")]


def test_a_late_event_withdraws_a_wrong_breach():
    played = play([received("09:00", team="billing")], under=NOW, looks=["13:10"])
    played.take(responded("12:00"), now="13:20")
    assert played.told() == [("sla.breached", "13:00"), ("sla.corrected", "12:00")]
    corrected = played.events[-2].data
    assert isinstance(corrected, SlaCorrected)
    assert (corrected.announced, corrected.verdict) == ("breached", "met")
    assert played.alert().state == "cleared"
    assert rung(played, "cleared") == [("sun", "12:00")]


def test_a_late_event_turns_an_announced_met_into_a_breach_and_pages_nobody_who_has_been_answered():
    played = play([received("12:00", team="billing"), responded("13:30")], under=NOW)
    assert played.told() == [("sla.met", "13:30")]
    played.take(received("09:00", team="billing"), now="13:40")
    assert played.told() == [("sla.met", "13:30"), ("sla.corrected", "13:00")]
    assert rung(played) == []
    assert played.alert().state == "cleared"


def test_how_late_we_are_counts_from_the_deadline_or_from_when_its_cause_was_known():
    late = play([received("09:00", team="billing", recorded="13:30")], under=NOW, looks=["13:30:01"])
    assert {(when(one.due), one.known_at and when(one.known_at)) for one in late.notifications} == {("13:15", "13:30")}
    prompt = play([received("09:00", team="billing")], under=NOW, looks=["13:00:01"])
    assert {(when(one.due), one.known_at) for one in prompt.notifications} == {("13:00", None)}


def test_an_alert_on_what_turns_out_never_to_have_been_owed_is_cleared_in_its_own_group():
    under = NOW.replace("first_response: {within: 4h}", "next_response: {within: 1h}")
    events = [received("09:00", team="billing", subject="Invoice"), responded("10:00"), received("11:00")]
    played = play(events, under=under, looks=["12:01"])
    before = played.alert("next_response/1")
    played.take(resolved("10:30", outcome="spam"), now="12:30")
    after = played.alert("next_response/1")
    assert (after.state, after.group) == ("cleared", "billing/only")
    for fact in ("group", "policy", "policy_version", "team", "subject", "channel", "customer_id"):
        assert getattr(after, fact) == getattr(before, fact)


def test_merging_clears_the_alert():
    played = play([received("09:00", team="billing"), merged("14:00")], under=NOW, looks=["Tue 09:00"])
    assert played.alert().state == "cleared"
    assert rung(played) == []


def test_what_is_made_late_by_an_edit_is_listed_and_never_rung():
    split = NOW.replace(
        "  - name: only\n",
        "  - {name: short, match: {priority: high}, calendar: office, escalation: billing,"
        " page: now, targets: {first_response: {within: 1h}}}\n  - name: only\n",
    )
    events = [received("09:00", team="billing"), reclassified("12:00", priority="high")]
    played = play(events, under=split, looks=["12:30", "17:00"])
    assert played.alert().state == "breached"
    assert rung(played) == []


def test_an_alert_whose_policy_turns_out_to_have_no_escalation_rings_no_more():
    split = NOW.replace(
        "  - name: only\n", "  - {name: quiet, match: {priority: low}, calendar: office}\n  - name: only\n"
    )
    played = play([received("09:00", team="billing", promised_by="12:00")], under=split, looks=["12:01"])
    played.take(reclassified("11:00", priority="low"), now="12:05")
    played.look("16:00")
    assert rung(played) == [("sun", "12:00")]
    assert played.alert("promise/1").state == "breached"


def test_history_is_recorded_counted_and_never_rung():
    played = desk(NOW)
    played.take(received("09:00", team="billing", backfill=True, recorded="Fri 10:00"))
    played.look("Fri 10:02")
    assert played.told() == [("sla.breached", "13:00")]
    assert all(event.backfill for event in played.events)
    assert rung(played) == []
    assert not played.alert().paged
    assert [(c.row["source"], dict(c.add)) for c in played.counts] == [("/help-desk", {"breached": 1})]


def test_what_is_still_ahead_of_a_backfilled_contact_runs_live():
    played = desk(NOW)
    played.take(received("09:00", team="billing", backfill=True, recorded="10:00"))
    played.look("13:00:01")
    assert rung(played) == [("sun", "13:00")]
    assert [event.backfill for event in played.events if event.type == "sla.breached"] == [False]
    assert played.counts == []


def test_the_text_says_it_all_in_one_line():
    events = [
        customer("08:00", title="Ms", name="Rossi", tier="gold"),
        received("09:00", team="billing", subject="Invoice  wrong", reference="4711", url="https://crm/4711"),
    ]
    played = play(events, under=NOW, looks=["13:00:01"])
    rossi = played.kept[CustomerState, "K-1"]
    assert isinstance(rossi, CustomerState)
    assert text(played.alert(), rossi, at("13:00:01")) == (
        'BREACHED 1 s · first response · #4711 "Invoice wrong" · Ms Rossi (gold) · e-mail, waiting since 09:00 UTC'
        " · owner none · next: lead 13:15 · Open: https://crm/4711"
    )
    assert text(played.alert(), None, at("13:12"), {"Acknowledge": "https://a/1"}).startswith("BREACHED 12 min · ")


def test_a_new_owner_is_shown_on_the_open_alert():
    played = play([received("09:00"), assigned("13:30", agent_id="agent-7")], under=NOW, looks=["13:31"])
    assert played.alert().owner == "agent-7"


def test_a_contact_that_moves_from_nobody_to_somebody_keeps_its_clocks():
    played = play([received("09:00", customer_id="anonymous:7"), assigned("10:00", agent_id="a"), resolved("11:00")])
    assert played.contact.customer_id == "K-1"
    assert played.told() == [("sla.met", "11:00")]


def test_five_hundred_messages_are_remembered_in_short_and_nothing_told_is_taken_back():
    chat = targets("first_response: {within: 1h}, next_response: {within: 1h}, update: {every: 1h}")
    played = desk(chat)
    for minute in range(320):
        stamp = f"{9 + minute // 60}:{minute % 60:02}"
        played.take(received(f"{stamp}:00"))
        played.take(responded(f"{stamp}:30"))
    assert len(played.contact.log) <= 500
    assert {event.type for event in played.events if event.type.startswith("sla.")} == {
        "sla.opened",
        "sla.rescheduled",
        "sla.met",
    }
    last = [e.id for e in played.events if e.type == "sla.met" and "/next_response/" in e.id][-1]
    assert last == "c-1/next_response/319/met/0"
    assert played.take(received("09:10:10")).why == "too_late"


def test_a_story_without_a_policy_is_silent():
    assert story(received("09:00"), responded("17:00"), under="policies: []") == []
