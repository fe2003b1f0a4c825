"""How long a message is tried."""

from datetime import timedelta

import pytest
from rapport.business_time import Calendar
from rapport.decision import Ref, States
from sla_monitor.domain import sending
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.states import ContactState

from tests.support.sla import at, notification, play, policy, received, targets

DUE = at("09:00")
ONE = notification(due=DUE, deadline=DUE)


def after(one: NotificationState, decide: sending.Decide, days: float) -> NotificationState:
    states = States()
    states.loaded([Ref(NotificationState, one.id), Ref(ContactState, one.contact_id)], [one])
    [changed] = decide(None, states, DUE + timedelta(days=days)).states
    assert isinstance(changed, NotificationState)
    return changed


def taken(one: NotificationState, days: float) -> NotificationState:
    return after(one, sending.take({}, {one.id: "billing"}, token=1), days)


def refused(one: NotificationState, days: float) -> NotificationState:
    return after(one, sending.give_back([one.id], 1, "HTTP 500"), days)


def is_tried_out(one: NotificationState, days: float, calendar: Calendar | None = None) -> bool:
    return sending.is_tried_out(one, calendar, DUE + timedelta(days=days))


def test_a_message_is_tried_for_a_day_from_its_first_try_however_long_it_was_held_back_before():
    assert not is_tried_out(ONE, days=3)
    tried = refused(taken(ONE, days=3), days=3)
    assert not is_tried_out(tried, days=4)
    again = refused(taken(tried, days=4), days=4)
    assert is_tried_out(again, days=4.01)


def test_what_may_ring_in_business_hours_alone_is_tried_for_twenty_four_of_those():
    tried = refused(taken(ONE, days=0), days=0)
    assert not is_tried_out(tried, days=3, calendar=policy().calendars["office"])
    assert is_tried_out(tried, days=3.01, calendar=policy().calendars["office"])


def test_alerts_of_one_contact_that_go_out_in_one_message_are_told_each_by_itself_in_order():
    states, some = States(), [notification(number, status="sending", token=1) for number in (1, 2)]
    contact = ContactState(id="C-1", partition=0, customer_id="K-1", sequence=4)
    states.loaded([Ref(NotificationState, one.id) for one in some], [contact, *some])
    told = sending.sent([one.id for one in some], 1, DUE)(None, states, DUE).events
    assert [(one.event.id, one.event.sequence) for one in told] == [
        ("C-1/first_response/1/1/notified", "5"),
        ("C-1/first_response/1/2/notified", "6"),
    ]


def test_what_is_told_again_because_nobody_took_it_is_tried_for_a_day_anew():
    told = after(taken(ONE, days=0), sending.sent([ONE.id], 1, DUE), days=0)
    again = after(told, sending.again([ONE.id]), days=2)
    assert not is_tried_out(taken(again, days=2), days=2.5)


RINGING = """
escalations: {up: [{after: 0m, notify: [desk]}, {after: 1h, notify: [lead]}]}
receivers: {desk: {url: "json://desk"}, lead: {url: "json://lead"}}
"""
WITHIN = targets("first_response: {within: 4h}, resolution: {within: 4h}", rest=RINGING, page="now", escalation="up")


@pytest.mark.parametrize("how", ["passed over", "given up"])
def test_a_message_that_reaches_nobody_and_the_climb_past_it_are_written_together_and_once(how: str):
    played = play([received("09:00")], under=WITHIN, looks=["13:00:01"])
    ids = [one.id for one in played.notifications]
    states = States()
    states.loaded([], [*played.notifications, played.contact])
    decide = {
        "passed over": sending.pass_over(ids, played.domain.book),
        "given up": sending.give_up(ids, "HTTP 404", played.domain.book),
    }[how]
    told = decide(None, states, at("13:02"))
    states.apply(told)
    climbed = states.get(ContactState, played.contact.id)
    assert climbed is not None
    assert {key: alert.next_at for key, alert in climbed.alerts.items()} == {
        "first_response/1": at("13:02"),
        "resolution/1": at("13:02"),
    }
    assert all(one.passed or one.status == "failed" for one in states.of(NotificationState))
    assert decide(None, states, at("13:03")).states == ()
