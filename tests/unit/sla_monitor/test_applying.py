"""A new version on contacts that are open: what it would change, what it changes, and that it does so once."""

import pytest
from sla_monitor.domain.applying import apply, effects
from sla_monitor.domain.policy_book import Closure, PolicyBook
from sla_monitor.domain.states import ContactState, CustomerState
from sla_monitor.domain.telling import SOURCE
from sla_monitor.http_versions import _after as looked_at
from sla_monitor.policies import announcement
from sla_monitor.receivers import Place, place_of

from tests.support.sla import (
    OFFICE,
    Desk,
    at,
    customer,
    play,
    policy,
    received,
    resolved,
    responded,
    targets,
    waiting,
    when,
)

FOUR = targets("first_response: {within: 4h}, resolution: {within: 8h, pause_on: [customer]}")
TWO = targets("first_response: {within: 2h}, resolution: {within: 8h, pause_on: [customer]}")


def put_under(desk: Desk, text: str, now: str) -> Desk:
    """The contact under a version that is published at that instant."""
    version = policy(text, desk.domain.book.latest.number + 1, now)
    desk.domain.book = desk.domain.book.with_version(version)
    return again(desk, now)


def again(desk: Desk, now: str) -> Desk:
    published = announcement(desk.domain.book.latest).model_copy(update={"time": at(now)})
    known = desk.kept.get((CustomerState, "K-1"))
    who = {"K-1": known if isinstance(known, CustomerState) else None}
    desk.carry_out(apply([desk.contact], who, desk.domain.book, published, at(now)))
    return desk


def seen(desk: Desk, text: str, now: str) -> list[tuple[str, str, str | None]]:
    """What applying would do."""
    book: PolicyBook = desk.domain.book
    known = desk.kept.get((CustomerState, "K-1"))
    who = known if isinstance(known, CustomerState) else None
    after = book.with_version(policy(text, book.latest.number + 1, now))
    found = effects(desk.contact, who, book, after, at(now))
    return [(one.kind, one.target, when(one.due_after) if one.due_after else None) for one in found]


def test_a_changed_file_moves_nothing_that_is_open_until_it_is_applied():
    desk = play([received("09:00")], under=FOUR)
    desk.domain.book = desk.domain.book.with_version(policy(TWO, 2, "10:00"))
    desk.look("12:59")
    assert desk.told() == []


def test_what_is_applied_counts_from_the_original_start():
    desk = put_under(play([received("09:00")], under=FOUR), TWO, "10:00")
    desk.look("12:00")
    assert desk.told() == [("sla.breached", "11:00")]
    assert desk.contact.policy_version == 2
    moved = next(event for event in desk.events if event.type == "sla.rescheduled")
    assert (when(moved.time), getattr(moved.data, "cause", None)) == ("10:00", "policy.published")
    assert moved.causationid == "policy/2"
    assert moved.source == SOURCE


def test_what_would_have_been_due_is_due_at_the_instant_of_the_edit_listed_and_never_paged():
    rung = """    page: now
    escalation: climb
escalations: {climb: [{after: 0m, notify: [lead]}]}
receivers: {lead: {url: "webhook:https://example.org/"}}
"""
    text = targets("first_response: {within: 2h}", rest=rung)
    desk = put_under(play([received("09:00")], under=FOUR), text, "12:00")
    desk.look("16:00")
    assert desk.told("sla.breached") == [("sla.breached", "12:00")]
    assert desk.alert().state == "breached"
    assert not desk.alert().paged
    assert desk.notifications == []
    cause = next(event for event in desk.events if event.type == "sla.rescheduled")
    assert getattr(cause.data, "cause", None) == "policy.published"


def test_what_the_new_version_promises_no_more_is_cancelled_by_its_publishing():
    desk = put_under(play([received("09:00")], under=FOUR), targets("resolution: {within: 8h}"), "10:00")
    [cancelled] = [event for event in desk.events if event.type == "sla.cancelled"]
    assert (when(cancelled.time), getattr(cancelled.data, "cause", None)) == ("10:00", "policy.published")


def test_a_breach_announced_before_stands():
    desk = put_under(play([received("09:00")], under=TWO, looks=["11:30"]), FOUR, "12:00")
    assert desk.told() == [("sla.breached", "11:00")]
    assert desk.alert().state == "breached"


def test_a_breach_announced_before_rings_on_in_the_hours_of_the_calendar_that_it_was_missed_by():
    rung = """    page: business_hours
    escalation: climb
escalations: {climb: [{after: 0m, notify: [lead]}, {after: 4h, notify: [lead]}]}
receivers: {lead: {url: "json://lead"}}
"""
    text = targets("first_response: {within: 2h}", rest=rung)
    desk = put_under(play([received("09:00")], under=text, looks=["11:30"]), text.replace("office", "bureau"), "12:00")
    desk.look("15:01")
    known = [desk.domain.book.version(one.policy_version).calendars.keys() for one in desk.notifications]
    assert [one.calendar in calendars for one, calendars in zip(desk.notifications, known, strict=True)] == [True, True]


def test_a_pause_that_was_is_kept():
    under = targets("resolution: {within: 4h, pause_on: [customer]}")
    desk = play([received("09:00"), waiting("10:00"), received("11:00")], under=under)
    put_under(desk, targets("resolution: {within: 6h, pause_on: [customer]}"), "11:30")
    assert when(desk.contact.due_at) == "16:00"  # type: ignore[arg-type] # it is due


def test_what_the_new_version_promises_no_more_is_cancelled_and_what_it_promises_first_begins():
    desk = put_under(play([received("09:00")], under=FOUR), targets("resolution: {within: 4h}"), "10:00")
    assert desk.told() == [("sla.cancelled", "10:00")]
    back = put_under(desk, FOUR, "10:30")
    assert when(back.contact.due_at) == "13:00"  # type: ignore[arg-type] # it is due


def test_applying_twice_changes_nothing():
    desk = put_under(play([received("09:00")], under=FOUR), TWO, "10:00")
    before = (list(desk.events), desk.contact)
    again(desk, "10:05")
    assert (desk.events, desk.contact) == before


def test_what_is_over_stays_as_it_was():
    desk = put_under(play([received("09:00"), responded("09:30"), resolved("09:40")], under=FOUR), TWO, "10:00")
    assert desk.contact.policy_version == 1


def test_late_events_from_before_the_edit_are_judged_by_what_held_then():
    desk = put_under(play([received("09:00")], under=FOUR), TWO, "12:00")
    desk.look("12:30")
    desk.take(responded("10:30"), now="12:40")
    assert desk.told() == [("sla.breached", "12:00"), ("sla.corrected", "10:30")]


def test_what_an_edit_reads_does_not_run_ahead_of_the_events():
    """While events lag, nothing may be told that an event still to be read would prove wrong."""
    desk = put_under(play([received("09:00")], under=TWO), FOUR, "12:00")
    assert desk.told() == []
    desk.take(responded("10:50"), now="12:01")
    assert [kind for kind, _ in desk.told()] == ["sla.met"]


def test_a_preview_says_what_moves_what_breaches_at_once_what_begins_and_what_ends():
    desk = play([received("09:00")], under=FOUR)
    assert seen(desk, TWO, "10:00") == [("moves", "first_response", "11:00")]
    assert seen(desk, TWO, "12:00") == [("breaches", "first_response", "12:00")]
    assert seen(desk, targets("resolution: {within: 8h, pause_on: [customer]}"), "10:00") == [
        ("ends", "first_response", None)
    ]
    assert seen(desk, FOUR, "10:00") == []
    assert (
        seen(desk, targets("first_response: {within: 4h}, resolution: {within: 8h}, update: {every: 1h}"), "10:00")
        == []
    )


def test_a_preview_is_what_then_happens_and_is_counted_so():
    desk = play([received("09:00")], under=FOUR)
    expected = seen(desk, TWO, "12:00")
    put_under(desk, TWO, "12:00")
    [counted] = [counted for counted in desk.counts if counted.collection == "policy_sums"]
    assert dict(counted.add) == {"contacts": 1, "breaches": len(expected)}


def test_a_preview_knows_of_the_closures_that_hold_whatever_the_version():
    desk = play([received("09:00")], under=FOUR)
    snow = Closure(id="snow", calendar="office", starts_at=at("10:00"), ends_at=at("12:00"), reason="snow", by="root")
    closed = desk.domain.book.with_closures([snow])
    after = looked_at(closed, FOUR + "# says the same\n", at("09:30"))
    assert after.latest.number == closed.latest.number + 1
    assert effects(desk.contact, None, closed, after, at("09:30")) == []


@pytest.mark.parametrize("tier", ["gold", "silver"])
def test_a_field_that_no_version_asked_for_before_is_known_to_the_new_one(tier: str):
    text = f"""{OFFICE}
policies:
  - {{name: gold, match: {{tier: gold}}, calendar: office, targets: {{first_response: {{within: 1h}}}}}}
  - {{name: rest, calendar: office, targets: {{first_response: {{within: 4h}}}}}}
"""
    desk = put_under(play([customer("08:00", tier=tier), received("09:00")], under=FOUR), text, "09:30")
    assert desk.contact.policy == ("gold" if tier == "gold" else "rest")
    assert isinstance(desk.contact, ContactState)


def test_what_was_missed_under_an_earlier_version_still_reaches_whom_the_newer_one_knows_no_more():
    ringing = """
escalations: {all: [{after: 0m, notify: [lead]}, {after: 1h, notify: [manager]}]}
receivers: {lead: {url: "webhook:https://lead"}, manager: {url: "webhook:https://manager"}}
"""
    under = targets("first_response: {within: 1h}", escalation="all", page="now", rest=ringing)
    desk = play([received("09:00")], under=under, looks=["10:01"])
    put_under(desk, under.replace("manager", "director"), "10:30")
    desk.look("11:01")
    rung = [(one.receiver, one.entry, one.policy_version) for one in desk.notifications]
    places = [place_of(desk.domain.book, *one) for one in rung]
    assert places == [Place("webhook:https://lead"), Place("webhook:https://manager")]
