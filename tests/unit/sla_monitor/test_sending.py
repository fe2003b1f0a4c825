"""How long a message is tried."""

from datetime import timedelta

from rapport.business_time import Calendar
from rapport.decision import Ref, States
from sla_monitor.domain import sending
from sla_monitor.domain.states import ContactState, NotificationState

from tests.support.sla import at, policy

DUE = at("09:00")
ONE = NotificationState(
    id="c-1/first_response/1/0.1.0/desk",
    partition=0,
    alert_id="c-1/first_response/1",
    contact_id="c-1",
    customer_id="K-1",
    target="first_response",
    cycle=1,
    deadline=DUE,
    receiver="desk",
    due=DUE,
)


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


def test_what_is_told_again_because_nobody_took_it_is_tried_for_a_day_anew():
    told = after(taken(ONE, days=0), sending.sent([ONE.id], 1, DUE), days=0)
    again = after(told, sending.again([ONE.id]), days=2)
    assert not is_tried_out(taken(again, days=2), days=2.5)
