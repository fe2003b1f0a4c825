"""Alerts after late news: on the list stands what comes near or is missed, and it rings where it would have rung."""

import pytest
from sla_monitor.domain import actions
from sla_monitor.domain.board import alert_line
from sla_monitor.domain.text import text

from tests.support.sla import (
    at,
    desk,
    play,
    promised,
    received,
    reclassified,
    resolved,
    responded,
    resumed,
    targets,
    waiting,
    when,
)

RINGING = """
escalations: {up: [{after: 0m, notify: [lead]}, {after: 30m, notify: [manager]}]}
receivers: {lead: {url: "json://lead"}, manager: {url: "json://manager"}}
"""


def ringing(text: str, **more: str) -> str:
    return targets(text, rest=RINGING, page="now", escalation="up", **more)


SOLVE = ringing("resolution: {within: 4h, pause_on: [customer]}", warn="[75%]")


def rung(played):
    return [(one.receiver, when(one.due)) for one in played.notifications if one.kind == "breach"]


def test_a_breach_withdrawn_when_its_deadline_is_near_all_the_same_leaves_a_warning():
    played = play([received("09:00")], under=SOLVE, looks=["13:01"])
    played.take(waiting("10:00"), now="13:10")
    played.take(resumed("10:20"), now="13:10")
    assert (played.alert("resolution/1").state, when(played.alert("resolution/1").due_at)) == ("warned", "13:20")
    played.look("13:21")
    assert played.alert("resolution/1").state == "breached"
    assert rung(played) == [("lead", "13:00"), ("lead", "13:20")]


def test_whoever_was_rung_before_a_breach_was_withdrawn_hears_the_end_of_the_one_after_it():
    """What would have told them of the withdrawing may have been dropped, for something was missed again."""
    played = play([received("09:00")], under=SOLVE, looks=["13:01", "13:31"])
    played.take(waiting("10:00"), now="13:40")
    played.take(resumed("10:30"), now="13:40")
    played.look("13:41")
    played.take(resolved("13:45"))
    assert rung(played) == [("lead", "13:00"), ("manager", "13:30"), ("lead", "13:30")]
    over = [(one.receiver, when(one.due)) for one in played.notifications if one.kind == "cleared"]
    assert over == [("lead", "10:00"), ("manager", "10:00"), ("lead", "13:45"), ("manager", "13:45")]


def test_what_comes_near_again_after_its_breach_was_withdrawn_is_on_the_list_again():
    played = play([received("09:00")], under=SOLVE, looks=["13:01"])
    played.take(waiting("10:00"), now="13:10")
    assert played.alert("resolution/1").state == "cleared"
    played.take(resumed("14:00"))
    played.look("15:59")
    assert played.alert("resolution/1").state == "cleared"
    played.look("16:00")
    assert (played.alert("resolution/1").state, played.alert("resolution/1").warned_at) == ("warned", at("16:00"))


def test_a_deadline_that_a_backfill_has_run_again_and_miss_in_the_past_rings_nobody():
    played = play([received("09:00"), waiting("10:00")], under=SOLVE)
    played.take(resumed("10:20", backfill=True, recorded="Thu 09:00"), now="Thu 09:00")
    played.look("Thu 09:01")
    [breached] = [event for event in played.events if event.type == "sla.breached"]
    assert (when(breached.time), breached.backfill, rung(played)) == ("13:20", True, [])


OWNED = SOLVE.replace("receivers:", 'people: {ada: {url: "json://ada"}}\nreceivers:')


def warned(played):
    """Of which deadlines the owner was warned, and as of when."""
    return [(when(one.deadline), when(one.due)) for one in played.notifications if one.kind == "warning"]


def test_the_owner_is_warned_of_the_deadline_that_is_left_when_a_breach_was_withdrawn():
    played = play([received("09:00", agent_id="ada")], under=OWNED, looks=["12:05", "13:01"])
    played.take(waiting("10:00"), now="13:10")
    played.take(resumed("10:20"), now="13:10")
    assert warned(played) == [("13:00", "12:00"), ("13:20", "12:20")]
    played.look("13:15")
    assert len(warned(played)) == 2


def test_the_owner_is_warned_when_time_brings_near_what_was_not_missed_after_all():
    played = play([received("09:00", agent_id="ada")], under=OWNED, looks=["12:05", "13:01"])
    played.take(waiting("10:00"), now="13:10")
    played.take(resumed("14:00"))
    played.look("16:00")
    assert warned(played) == [("13:00", "12:00"), ("17:00", "16:00")]
    assert played.told("sla.warned") == [("sla.warned", "12:00")]


def test_the_owner_who_was_warned_of_the_very_deadline_is_not_warned_again():
    played = play([received("09:00", agent_id="ada")], under=OWNED, looks=["12:05", "13:01"])
    played.take(waiting("12:30"), now="13:10")
    assert (played.alert("resolution/1").state, warned(played)) == ("warned", [("13:00", "12:00")])


def test_who_hears_that_an_alert_was_closed_by_hand_hears_later_too_that_its_next_round_is_over():
    played = play([received("09:00")], under=SOLVE, looks=["13:01"])
    book, now = played.domain.book, at("13:05")
    closed = actions.close(played.contact, "c-1/resolution/1", reason="called them", by="ada", now=now, book=book)
    played.carry_out(closed)
    played.take(waiting("10:00"), now="13:10")
    played.take(resumed("11:00"), now="13:10")
    played.look("14:01")
    played.take(resolved("14:10"))
    assert rung(played) == [("lead", "13:00"), ("lead", "14:00")]
    over = [when(one.due) for one in played.notifications if one.kind == "cleared"]
    assert over == ["13:05", "14:10"]


def test_a_promise_dated_just_before_its_contact_is_under_the_contacts_policy():
    under = ringing("first_response: {within: 8h}", warn="[50%]")
    early = [responded("08:59:59", promised_by="11:00"), received("09:00", agent_id="ada")]
    for events in (early, early[::-1]):
        played = play(events, under=under, looks=["11:01"])
        assert played.told("sla.warned", "sla.breached") == [("sla.warned", "09:59:59.500"), ("sla.breached", "11:00")]
        assert rung(played) == [("lead", "11:00")]
        assert played.alert("promise/1").policy == "only"


def test_a_promise_broken_before_its_contact_is_known_rings_when_the_policy_is():
    played = desk(ringing("first_response: {within: 8h}"))
    played.take(promised("09:10", by="11:00"))
    played.look("11:01")
    assert rung(played) == []
    played.take(received("09:00"), now="11:10")
    assert rung(played) == [("lead", "11:00")]
    played.look("11:30")
    assert rung(played) == [("lead", "11:00"), ("manager", "11:30")]


@pytest.mark.parametrize(("look", "rings"), [("06:00:01", ("sun", 0)), ("10:00", ("sun", 1)), ("18:00", ("lead", 0))])
def test_what_rings_hours_late_rings_where_somebody_is_then(look: str, rings: tuple[str, int]):
    escalation = """
escalations: {up: [{after: 0m, notify: [sun]}, {after: 30h, notify: [lead]}]}
receivers:
  sun: [{calendar: night, url: "json://night"}, {calendar: office, url: "json://office"}]
  lead: {url: "json://lead"}
"""
    under = targets("first_response: {within: 1h}", calendar="always", rest=escalation, page="now", escalation="up")
    played = play([received("05:00")], under=under, looks=[look])
    assert [(one.receiver, one.entry) for one in played.notifications] == [rings]
    assert [when(one.due) for one in played.notifications] == ["06:00"]


def test_what_rings_hours_late_still_rings_in_business_hours_alone():
    under = ringing("first_response: {within: 4h}").replace("page: now", "page: business_hours")
    assert rung(play([received("09:00")], under=under, looks=["16:00"])) == [("lead", "13:30"), ("manager", "13:30")]
    played = play([received("09:00")], under=under, looks=["20:00"])
    assert (rung(played), played.alert().state) == ([], "breached")
    assert when(played.alert().next_step_at or at("00:00")) == "Tue 09:00"
    played.look("Tue 09:00:01")
    assert rung(played) == [("lead", "Tue 09:00"), ("manager", "Tue 09:00")]


def test_what_was_warned_of_and_stands_is_never_said_to_be_late():
    played = play([received("09:00"), waiting("12:30"), resumed("15:00")], under=SOLVE, looks=["12:01"])
    standing = play([received("09:00"), waiting("12:30")], under=SOLVE, looks=["12:01"])
    alert = standing.alert("resolution/1")
    assert text(alert, None, at("15:00")).startswith("WARNING paused · resolution")
    row = alert_line(alert, None, at("15:00"))
    assert (row.word, row.due_at, row.due_in, row.due_local) == ("Due soon", None, "paused", "")
    again = played.alert("resolution/1")
    assert (again.paused, text(again, None, at("15:00"))[:22]) == (False, "WARNING due in 30 min ")


def test_what_waits_for_the_opening_rings_no_sooner_whatever_is_heard_of_its_contact_in_the_night():
    under = ringing("first_response: {within: 4h}").replace("page: now", "page: business_hours")
    played = play([received("09:00")], under=under, looks=["20:00"])
    played.take(received("21:00"))
    played.look("22:00")
    assert (rung(played), when(played.alert().next_step_at or at("00:00"))) == ([], "Tue 09:00")
    played.look("Tue 09:00:01")
    assert rung(played) == [("lead", "Tue 09:00"), ("manager", "Tue 09:00")]


def test_whoever_can_not_be_reached_in_the_evening_is_climbed_past_when_business_opens():
    under = ringing("first_response: {within: 4h}").replace("page: now", "page: business_hours")
    played = play([received("12:50")], under=under, looks=["16:50:01"])
    book = played.domain.book
    played.carry_out(actions.climb(played.contact, "c-1/first_response/1", past=1, now=at("17:02"), book=book))
    played.look("17:02")
    assert rung(played) == [("lead", "16:50")]
    played.look("Tue 09:00")
    assert rung(played)[1:] == [("manager", "Tue 09:00")]


@pytest.mark.parametrize(("page", "hours"), [("business_hours", "office"), ("now", None)])
def test_a_message_says_in_whose_hours_alone_it_may_ring(page: str, hours: str | None):
    under = ringing("first_response: {within: 4h}").replace("page: now", f"page: {page}")
    played = play([received("09:00")], under=under, looks=["13:00:01"])
    assert [one.calendar for one in played.notifications] == [hours]


def test_what_is_snoozed_before_its_first_step_rings_no_sooner_than_it_would_have():
    under = ringing("first_response: {within: 4h}").replace("after: 0m", "after: 10m")
    for until, rings in (("13:05", ["13:10", "13:30"]), ("13:20", ["13:20", "13:40"])):
        played = play([received("09:00")], under=under, looks=["13:00:01"])
        book = played.domain.book
        snoozed = actions.snooze(
            played.contact, "c-1/first_response/1", until=at(until), by="ada", now=at("13:01"), book=book
        )
        played.carry_out(snoozed)
        for look in ("13:05", "13:10", "13:20", "13:30", "13:40"):
            played.look(look)
        assert rung(played) == list(zip(["lead", "manager"], rings, strict=True))


def test_who_heard_that_a_warning_was_withdrawn_hears_too_that_the_breach_after_it_is_over():
    quiet = "  - {name: quiet, match: {priority: high}, calendar: office, escalation: up, targets: {resolution: %s}}"
    long = quiet % "{within: 7h, pause_on: [customer]}"
    under = OWNED.replace("json://ada", "pagerduty:key").replace("policies:\n", f"policies:\n{long}\n")
    under = under.replace("notify: [lead]", "notify: [owner]")
    played = play([received("09:00", agent_id="ada")], under=under, looks=["12:05"])
    played.take(waiting("10:00"), now="12:10")
    played.take(reclassified("12:20", priority="high"))
    played.take(resumed("12:30"))
    played.look("Tue 10:31")
    played.take(resolved("Tue 10:45"))
    assert rung(played) == [("ada", "Tue 10:30")]
    assert [when(one.due) for one in played.notifications if one.kind == "cleared"] == ["10:00", "Tue 10:45"]
