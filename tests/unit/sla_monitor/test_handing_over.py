"""Alerts of a contact that comes under another escalation while they stand: another team's, another kind's."""

from datetime import timedelta

import pytest
from sla_monitor.domain import actions

from tests.support.sla import Desk, assigned, at, play, received, reclassified, responded, targets, when

BY_TEAM = targets(
    "first_response: {within: 1h}",
    escalation="{by: team, map: {desk: one, crew: three, ward: slow}, default: one}",
    page="now",
    rest="""
escalations:
  one: [{after: 0m, notify: [lead]}]
  three: [{after: 0m, notify: [lead]}, {after: 30m, notify: [manager]}, {after: 2h, notify: [boss]}]
  slow: [{after: 0m, notify: [lead]}, {after: 8h, notify: [boss]}]
receivers: {lead: {url: "json://lead"}, manager: {url: "json://manager"}, boss: {url: "json://boss"}}
""",
)


def rung(played: Desk) -> list[tuple[str, str]]:
    return [(one.receiver, when(one.due)) for one in played.notifications]


@pytest.mark.parametrize("looks", [["10:01", "13:00"], ["10:01", "10:31", "11:46", "12:01"]])
def test_what_had_climbed_to_the_end_climbs_on_by_the_steps_of_the_team_it_is_given_to(looks: list[str]):
    played = play([received("09:00", team="desk"), assigned("11:45", team="crew")], under=BY_TEAM, looks=looks)
    assert rung(played) == [("lead", "10:00"), ("manager", "11:45"), ("boss", "12:00")]
    assert played.alert().exhausted


def test_a_step_that_the_new_team_takes_sooner_is_not_waited_for_as_long_as_before():
    events = [received("09:00", team="ward"), assigned("10:10", team="crew")]
    assert rung(play(events, under=BY_TEAM, looks=["10:01", "10:31", "12:01"])) == [
        ("lead", "10:00"),
        ("manager", "10:30"),
        ("boss", "12:00"),
    ]


def test_what_somebody_has_taken_does_not_climb_because_it_is_given_to_another_team():
    played = play([received("09:00", team="desk")], under=BY_TEAM, looks=["10:01"])
    now = at("10:05")
    taken = actions.acknowledge(played.contact, "c-1/first_response/1", by="ada", now=now, book=played.domain.book)
    played.carry_out(taken)
    played.take(assigned("10:10", team="crew"))
    played.look("15:00")
    assert rung(played) == [("lead", "10:00")]


def test_a_change_that_leaves_the_escalation_as_it_is_rings_nothing_sooner():
    events = [received("09:00", team="crew"), reclassified("10:10", priority="high"), assigned("10:20", agent_id="ada")]
    assert rung(play(events, under=BY_TEAM, looks=["10:01", "10:40"])) == [("lead", "10:00"), ("manager", "10:30")]


def test_what_is_given_to_another_team_in_the_night_climbs_on_when_business_opens():
    under = BY_TEAM.replace("page: now", "page: business_hours")
    events = [received("09:00", team="desk"), assigned("21:00", team="crew")]
    played = play(events, under=under, looks=["10:01", "21:30"])
    assert rung(played) == [("lead", "10:00")]
    played.look("Tue 09:00:01")
    assert rung(played)[1:] == [("manager", "Tue 09:00"), ("boss", "Tue 09:00")]


def test_what_has_climbed_higher_than_its_new_team_has_steps_rings_their_last_one_as_another_message():
    events = [received("09:00", team="crew"), assigned("11:00", team="desk")]
    played = play(events, under=BY_TEAM, looks=["10:01", "10:31", "15:00"])
    assert rung(played) == [("lead", "10:00"), ("manager", "10:30"), ("lead", "12:00")]
    assert len({one.id for one in played.notifications}) == len(played.notifications)


def test_what_turns_out_to_ring_in_business_hours_alone_waits_for_them_with_the_step_that_was_to_ring_at_night():
    under = """
calendars: {office: {timezone: UTC, hours: {mon-fri: ["09:00-17:00"]}}}
policies:
  - name: urgent
    match: {priority: urgent}
    calendar: office
    page: now
    escalation: up
    targets: &all {first_response: {within: 4h}}
  - {name: rest, calendar: office, page: business_hours, escalation: up, targets: *all}
escalations: {up: [{after: 0m, notify: [lead]}, {after: 7h, notify: [boss]}]}
receivers: {lead: {url: "json://lead"}, boss: {url: "json://boss"}}
"""
    played = play([received("09:00", priority="urgent")], under=under, looks=["13:01"])
    played.take(reclassified("10:00", priority="normal"), now="16:30")
    played.look("20:00:01")
    assert rung(played) == [("lead", "13:00")]
    played.look("Tue 09:00:01")
    assert rung(played)[1:] == [("boss", "Tue 09:00")]


TWO = BY_TEAM.replace("{within: 1h}", "{within: 1h}, resolution: {within: 1h}")


@pytest.mark.parametrize("targets", [("first_response", "resolution"), ("resolution", "first_response")])
def test_a_contact_that_nobody_has_is_theirs_to_whom_one_of_its_alerts_was_assigned_last(targets: tuple[str, ...]):
    played = play([received("09:00")], under=TWO, looks=["10:01"])
    for target, to in zip(targets, ("ada", "bob"), strict=True):
        assign(played, f"c-1/{target}/1", to)
        assert played.contact.owner == to
    played.look("10:02")
    assert played.contact.owner == "bob"


def test_a_contact_stays_theirs_to_whom_one_of_its_alerts_was_assigned_when_its_log_is_cut():
    under = BY_TEAM.replace("{within: 1h}", "{within: 1h}, next_response: {within: 1h}")
    events = [received("09:00"), responded("09:05"), received("09:10")]
    played = play(events, under=under, looks=["10:11"])
    assign(played, "c-1/next_response/1", "ada")
    for minute in range(300):
        stamp = at("10:12") + timedelta(minutes=minute)
        played.take(responded(stamp))
        played.take(received(stamp + timedelta(seconds=30)))
    assert played.contact.cut
    assert played.contact.owner == "ada"


def assign(played: Desk, alert_id: str, to: str) -> None:
    book = played.domain.book
    played.carry_out(actions.assign(played.contact, alert_id, to=to, by="lead", now=at("10:02"), book=book))
