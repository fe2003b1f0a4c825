"""How long a contact remembers what was said on it, and that forgetting changes no verdict."""

from datetime import timedelta
from typing import Any

import pytest
from sla_monitor.domain import log
from sla_monitor.domain.log import instant, to_millis
from sla_monitor.domain.states import LOG_LIMIT, ContactState

from tests.support.sla import (
    MONDAY,
    Desk,
    abandoned,
    at,
    desk,
    play,
    received,
    reopened,
    resolved,
    responded,
    targets,
    updated,
    when,
)

UNDER = targets(
    "first_response: {within: 1h}, next_response: {within: 2h}, resolution: {within: 8h}",
    calendar="always",
    page="now",
    escalation="up",
    rest="escalations: {up: [{after: 0m, notify: [lead]}]}\nreceivers: {lead: {url: 'json://lead'}}\n",
)


def closed_on_monday() -> Desk:
    return play(
        [received("09:00"), responded("09:30"), received("10:00"), responded("10:10"), resolved("11:00")], under=UNDER
    )


def test_a_log_is_cut_thirty_days_after_closing_and_what_is_dated_before_comes_too_late():
    played = closed_on_monday()
    played.look("+30 10:59")
    assert len(played.contact.log) == 5
    played.look("+31 11:00")
    assert played.contact.cut == to_millis(at("11:00"))
    assert [when(instant(entry.millis)) for entry in played.contact.log] == ["09:00", "09:30", "10:10", "11:00"]
    assert played.take(received("10:20"), now="+31 11:01").why == "too_late"
    assert played.told()[-1] == ("sla.met", "11:00")


def test_what_is_cut_is_looked_at_no_more_and_says_nothing():
    played = closed_on_monday()
    told = len(played.events)
    played.look("+31 11:00")
    assert played.contact.wake_at is None
    played.look("+400 11:00")
    assert len(played.events) == told


def test_a_contact_that_is_open_again_keeps_its_log():
    played = closed_on_monday()
    played.take(reopened("+29 09:00"))
    played.look("+40 09:00")
    assert (played.contact.cut, played.contact.status) == (0, "open")


def test_an_answer_after_the_end_is_remembered_where_one_before_the_opening_is_too():
    """Answered is answered: what is learnt of the customer later chooses no other policy."""
    contact = play([responded("08:00"), received("09:00"), abandoned("09:10"), responded("09:20")], under=UNDER).contact
    kept = log.cut(contact.log, log.to_millis(at("10:00")), {})
    assert [when(log.instant(entry.millis)) for entry in kept] == ["08:00", "09:00", "09:10", "09:20"]


def test_who_writes_again_after_the_cut_is_owed_the_next_cycles_and_no_first_response():
    played = closed_on_monday()
    played.look("+31 11:00")
    played.take(received("+40 09:00"))
    played.look("+41 09:00")
    assert sorted(played.contact.told) == ["first_response/1", "next_response/2", "resolution/1", "resolution/2"]
    assert played.told()[-2:] == [("sla.breached", "+40 11:00"), ("sla.breached", "+40 17:00")]


def test_history_that_has_just_come_is_remembered_for_thirty_days_from_then():
    past: dict[str, Any] = {"backfill": True, "recorded": "+400 09:00"}
    played = desk(UNDER)
    played.take(resolved("11:00", **past))
    played.look("+400 10:00")
    played.take(received("09:00", **past))
    played.take(responded("09:30", **past))
    assert played.told()[-1] == ("sla.corrected", "09:30")
    played.look("+429 09:00")
    assert played.contact.cut == 0
    played.look("+431 09:00")
    assert played.contact.cut == to_millis(at("11:00"))


def test_contacts_that_were_closed_at_one_instant_are_not_cut_at_one_instant():
    played = desk(UNDER)
    for number in range(50):
        played.take(received("09:00", contact_id=f"c-{number}"))
        played.take(resolved("11:00", contact_id=f"c-{number}"))
    wake = [s.wake_at for s in played.kept.values() if isinstance(s, ContactState) and s.wake_at]
    assert len(set(wake)) == 50
    assert max(wake) - min(wake) > timedelta(hours=12)


def many(played: Desk, number: int) -> None:
    for minute in range(number):
        played.take(received(at("10:00") + timedelta(minutes=minute)))


@pytest.mark.parametrize(("answered", "messages"), [(True, 10_000), (False, 1_500)])
def test_ten_thousand_messages_of_one_who_waits_move_no_deadline_and_leave_the_log_short(
    *, answered: bool, messages: int
):
    played = desk(UNDER)
    played.take(received("09:00"))
    if answered:
        played.take(responded("09:30"))
    many(played, messages)
    end = at("10:00") + timedelta(minutes=messages)
    assert len(played.contact.log) <= LOG_LIMIT
    waited = ("sla.breached", "12:00") if answered else ("sla.breached", "10:00")
    assert played.told("sla.breached") == [waited, ("sla.breached", "17:00")]
    assert played.told("sla.corrected", "sla.rescheduled", "sla.cancelled") == (
        [("sla.rescheduled", "10:00")] if answered else []
    )
    played.take(responded(end))
    rung = [n for n in played.notifications if n.kind == "cleared"]
    assert [(n.receiver, when(n.due)) for n in rung] == [("lead", when(end))]


def test_thousands_of_messages_and_answers_by_turns_are_each_judged_in_their_time():
    played = desk(UNDER)
    start = MONDAY + timedelta(hours=9)
    for turn in range(1_000):
        played.take(received(start + timedelta(hours=3 * turn)))
        late = timedelta(hours=2, minutes=30) if turn % 200 == 199 else timedelta(minutes=5)
        played.take(responded(start + timedelta(hours=3 * turn) + late))
    assert len(played.contact.log) <= LOG_LIMIT
    assert len(played.told("sla.met")) == 1_000 - 5
    assert len(played.told("sla.breached")) == 5 + 1
    assert played.told("sla.corrected") == []


def test_what_is_dated_before_the_cut_of_a_long_log_comes_too_late():
    played = desk(UNDER)
    many(played, LOG_LIMIT + 1)
    assert played.take(updated("10:01"), now="+1 10:00").why == "too_late"
