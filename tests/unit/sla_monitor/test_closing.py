"""A snow day: clocks stand, what was announced wrongly is withdrawn, and it can be looked at before."""

from typing import Any

from sla_monitor.domain.closing import close, moved
from sla_monitor.domain.policy_book import Closure

from tests.support.sla import Desk, at, play, received, reclassified, resolved, responded, targets, when

UNDER = targets("first_response: {within: 4h}")


def snow(start: str, end: str, calendar: str = "office") -> Closure:
    return Closure(id="snow-1", calendar=calendar, starts_at=at(start), ends_at=at(end), reason="snow", by="ada")


def closed(played: Desk, closure: Closure, now: str) -> Any:
    played.domain.book = played.domain.book.with_closures([closure])
    return played.carry_out(close([played.contact], {}, played.domain.book, closure, at(now)))


def test_a_closure_moves_what_still_runs():
    played = play([received("09:00")], under=UNDER)
    closed(played, snow("10:00", "12:00"), "10:05")
    assert played.contact.due_at == at("15:00")
    [rescheduled] = [event for event in played.events if event.type == "sla.rescheduled"]
    assert rescheduled.data.model_dump()["cause"] == "closure"
    played.look("15:00:01")
    assert played.told() == [("sla.breached", "15:00")]


def test_a_breach_that_fell_into_a_closure_is_withdrawn():
    played = play([received("09:00")], under=UNDER, looks=["13:10"])
    closed(played, snow("10:00", "12:00"), "13:20")
    assert [name for name, _ in played.told()] == ["sla.breached", "sla.corrected"]
    assert played.alert().state == "cleared"
    played.take(responded("14:59"))
    assert played.told()[-1] == ("sla.met", "14:59")


def test_a_closure_made_known_later_corrects_what_was_closed_since():
    played = play([received("09:00"), responded("14:00"), resolved("14:30")], under=UNDER)
    assert played.told() == [("sla.breached", "13:00")]
    closed(played, snow("10:00", "12:00"), "16:00")
    assert played.told()[1:] == [("sla.corrected", "14:00")]
    before = play([received("09:00"), resolved("09:30")], under=UNDER)
    assert closed(before, snow("10:00", "12:00"), "16:00").states == ()


def test_a_closure_is_told_once_and_only_where_it_matters():
    played = play([received("09:00")], under=UNDER)
    closed(played, snow("10:00", "12:00"), "10:05")
    before = len(played.events)
    closed(played, snow("10:00", "12:00"), "10:06")
    assert len(played.events) == before
    other = play([received("09:00")], under=UNDER)
    assert closed(other, snow("10:00", "12:00", "night"), "10:05").states == ()


def test_a_preview_says_what_would_move_and_which_breaches_would_be_none():
    played = play([received("09:00")], under=UNDER, looks=["13:10"])
    after = played.domain.book.with_closures([snow("10:00", "12:00")])
    [one] = moved(played.contact, played.domain.book, after, at("13:20"))
    assert (one.target, when(one.due_before), when(one.due_after), one.withdrawn) == (
        "first_response",
        "13:00",
        "15:00",
        True,
    )
    assert moved(played.contact, after, after, at("13:20")) == []


def test_a_closure_corrects_what_was_missed_by_a_calendar_under_which_its_contact_is_no_more():
    under = targets("first_response: {within: 4h}", calendar="{by: region, map: {eu: office}, default: always}")
    played = play([received("09:00", region="eu")], under=under, looks=["13:01"])
    played.take(reclassified("13:05", region="us"))
    before = played.domain.book
    looked_at = moved(played.contact, before, before.with_closures([snow("10:00", "12:00")]), at("13:20"))
    closed(played, snow("10:00", "12:00"), "13:20")
    assert [one.withdrawn for one in looked_at] == [False]
    played.look("13:21")
    assert played.told() == [("sla.breached", "13:00"), ("sla.corrected", "13:20"), ("sla.breached", "13:05")]
