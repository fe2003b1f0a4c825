"""What holds for every customer, whatever happens, in whatever order it arrives and whenever we look."""

from datetime import timedelta
from itertools import cycle, pairwise
from typing import Any

from followup.domain.budget import broken_rule, free_at
from followup.domain.durations import Cap
from followup.domain.plays import Budget
from followup.domain.state import CustomerState, Slot
from followup.domain.timetable import quiet_until
from hypothesis import given, settings
from hypothesis import strategies as st
from rapport.contracts import Data, Event

from tests.support.followup import MONDAY, Story, event, profile, received, reopened, resolved

PLAYS = """
plays:
  - name: after-resolution
    on: {type: contact.resolved, match: {outcome: [solved]}}
    steps: [{after: 1h, do: survey}, {after: 2d, do: check_in}]
    cancel_on: [contact.reopened]
    priority: 5
  - {name: thanks, on: {type: purchase.made}, steps: [{after: 30m, do: message, template: thanks}], priority: 1}
  - {name: recovery, on: {type: purchase.returned}, steps: [{after: 1h, do: check_in}], priority: 9}
budget: {max: 2 per 7d, gap: 1d, per: {csat: 1 per 5d}}
quiet: {hours: "20:00-09:00", days: [sun]}
timezone: Europe/Berlin
consent: {default: {survey: true, marketing: true}}
senders: {default: {from: "care@example.org", url: "smtp://localhost"}}
"""


def _instant(minutes: int) -> str:
    return f"{minutes // 1440} {minutes // 60 % 24:02}:{minutes % 60:02}"


def _happening(draw: st.DrawFn) -> Event[Data]:
    minutes = draw(st.integers(0, 20 * 1440))
    when = _instant(minutes)
    contact = draw(st.sampled_from(["C-1", "C-2", "C-3"]))
    money = {"purchase_id": "P-1", "amount": "1.00"}
    instant = MONDAY + timedelta(minutes=minutes)
    kinds = [
        lambda: received(when, contact),
        lambda: resolved(when, contact),
        lambda: resolved(when, contact),
        lambda: reopened(when, contact),
        lambda: event("purchase.made", instant, currency="EUR", **money),
        lambda: event("purchase.returned", instant, **money),
    ]
    return draw(st.sampled_from(kinds))()


END = "60 00:00"
happenings = st.lists(st.composite(_happening)(), max_size=14)
looks = st.lists(st.integers(0, 30 * 1440), max_size=25)


def _slots(told: Story) -> list[Slot]:
    return sorted(told.customer().slots, key=lambda slot: slot.at)


def _live(events, sweeps, arrivals) -> Story:
    """Events arrive at their time or later and perhaps twice, we look when we look, and thoroughly at the end."""
    told = Story(PLAYS).take_in(profile())
    arriving = [(one.time + timedelta(hours=late), one) for one, late in zip(events, arrivals, strict=False)]
    steps = [
        (when, "event", one) for when, one in [*arriving, *((w + timedelta(hours=5), o) for w, o in arriving[::3])]
    ]
    steps += [(MONDAY + timedelta(minutes=minute), "look", None) for minute in sweeps]
    for when, _, one in sorted(steps, key=lambda step: (step[0], step[1])):
        told.now = max(told.now, when)
        if one:
            told.take_in(one)
        else:
            told.look(when)
    return told.until(END)


lateness = st.lists(st.integers(0, 40), min_size=14, max_size=14)


@settings(max_examples=50, deadline=None)
@given(events=happenings, sweeps=looks, arrivals=lateness)
def test_the_budget_is_never_exceeded(events, sweeps, arrivals):
    told = _live(events, sweeps, arrivals)
    slots = _slots(told)
    for index, slot in enumerate(slots):
        assert broken_rule(slot, slots[:index], told.rules.plays.budget) is None
    starts = [slot.at for slot in slots]
    assert all(later - earlier >= timedelta(days=1) for earlier, later in pairwise(starts))


@settings(max_examples=50, deadline=None)
@given(events=happenings, sweeps=looks, arrivals=lateness)
def test_nothing_is_sent_while_it_is_quiet_nor_twice(events, sweeps, arrivals):
    told = _live(events, sweeps, arrivals)
    for _, instant in told.sends:
        assert quiet_until(instant, told.customer(), told.rules.plays) is None
    names = [name for name, _ in told.sends]
    assert len(names) == len(set(names))


@settings(max_examples=50, deadline=None)
@given(events=happenings, sweeps=looks)
def test_looking_more_often_changes_nothing(events, sweeps):
    exact = Story(PLAYS).take_in(profile()).play(events, END)
    told = Story(PLAYS).take_in(profile())
    moments = [(one.time, one) for one in sorted(events, key=lambda one: one.time)]
    moments += [(MONDAY + timedelta(minutes=minute), None) for minute in sweeps]
    for when, one in sorted(moments, key=lambda moment: moment[0]):
        told.until(when)
        told.take_in(one) if one else told.look(when)
    told.until(END)
    assert told.sends == exact.sends
    assert [one.id for one in told.told] == [one.id for one in exact.told]


@settings(max_examples=50, deadline=None)
@given(events=happenings, delays=st.lists(st.integers(0, 4), min_size=1, max_size=10))
def test_looking_a_little_late_gives_the_same_slots_at_the_same_instants(events, delays):
    by_day_and_night = PLAYS.replace('{hours: "20:00-09:00", days: [sun]}', "{}")
    exact = Story(by_day_and_night).take_in(profile(), *events).until(END)
    late = Story(by_day_and_night).take_in(profile(), *events)
    waits = cycle(delays)
    while wakes := [state.wake_at for state in late.states.values() if state.wake_at]:
        late.look(min(wakes) + timedelta(minutes=next(waits)))
    assert _slots(late) == _slots(exact)
    assert [one.id for one in late.told if ":owed" in one.id] == [one.id for one in exact.told if ":owed" in one.id]


@settings(max_examples=50, deadline=None)
@given(events=happenings)
def test_an_event_that_comes_twice_is_told_of_once(events):
    once = Story(PLAYS).play([profile(), *events], END)
    twice = Story(PLAYS).play([profile(), *events, *events], END)
    assert [one.id for one in twice.told] == [one.id for one in once.told]
    assert len({one.id for one in once.told}) == len(once.told)


@given(
    at=st.lists(st.integers(0, 60 * 24), max_size=12),
    wanted=st.integers(0, 60 * 24),
    most=st.integers(1, 4),
    days=st.integers(1, 30),
    gap=st.integers(0, 5),
)
def test_the_first_free_instant_is_free_and_none_before_it_is(at, wanted, most, days, gap):
    budget = Budget(max=Cap(most, timedelta(days=days)), gap=timedelta(days=gap))
    taken = [Slot(followup_id=str(hour), at=MONDAY + timedelta(hours=hour)) for hour in at]
    slot = Slot(followup_id="new", at=MONDAY + timedelta(hours=wanted))
    free, why = free_at(slot, taken, budget)
    hours = int((free - slot.at) / timedelta(hours=1))
    assert (why is None) == (hours == 0)
    for ahead in range(0, hours + 1, max(1, hours // 20)):
        tried = slot.but(at=slot.at + timedelta(hours=ahead))
        if ahead < hours:
            assert broken_rule(tried, taken, budget) is not None
    assert broken_rule(slot.but(at=free), taken, budget) is None


NAMES = st.sampled_from(["K-1", "K-1", "anonymous:1", "anonymous:2"])
NAMED_PLAYS = PLAYS.replace(
    "budget:",
    """\
  - name: breached
    on: {type: sla.breached}
    steps: [{after: 3h, do: check_in, by: team}]
    cancel_on: [contact.received, sla.cancelled]
  - {name: quiet, on: {silent: {quiet_for: 9d}}, steps: [{after: 0m, do: check_in}]}
  - {name: silent, on: {silent: {resolved_unconfirmed: 5d, risk: true}}, steps: [{after: 0m, do: check_in}]}
budget:""",
)


@st.composite
def _told_of(draw: st.DrawFn) -> list[Event[Data]]:
    """What is told of two contacts, each time by a name or none; of each somebody says at some time whose it is."""
    first = [("assigned", f"C-{number}", 1440, draw(NAMES)) for number in (1, 2)]
    happened = [("assigned", f"C-{number}", 0, "K-1") for number in (1, 2)]
    kinds = st.sampled_from(
        ["received", "resolved", "declined", "reopened", "assigned", "merged", "breached", "cancelled"]
    )
    some = st.tuples(kinds, st.sampled_from(["C-1", "C-2"]), st.integers(1, 20 * 1440), NAMES)
    happened += draw(st.lists(some, max_size=12, unique_by=lambda one: one[2]))
    return [_of_contact(*one) for one in (*first, *draw(st.permutations(happened)))]


def _of_contact(kind: str, contact: str, minutes: int, customer: str) -> Event[Data]:
    when, instant = _instant(minutes), MONDAY + timedelta(minutes=minutes)
    about: dict[str, Any] = {"customer": customer}
    match kind:
        case "received":
            return received(when, contact, **about, subject=f"of {minutes}", team="a" if minutes % 2 else None)
        case "resolved" | "declined":
            outcome = "solved" if kind == "resolved" else "declined"
            return resolved(when, contact, **about, outcome=outcome, agent_id=f"agent-{minutes}")
        case "merged":
            return event("contact.merged", instant, **about, contact_id=contact, into="C-9")
        case "assigned":
            return event("contact.assigned", instant, **about, contact_id=contact, team=f"team-{minutes}")
        case "breached" | "cancelled":
            more: dict[str, Any] = {"started_at": instant, "due_at": instant, "target": "resolution", "cycle": 1}
            more |= {"cause": "merged"} if kind == "cancelled" else {}
            return event(f"sla.{kind}", instant, **about, contact_id=contact, source="/rapport/sla-monitor", **more)
    return reopened(when, contact, **about)


def _under_the_name(one: Event[Data]) -> Event[Data]:
    return one.model_copy(update={"data": one.data.model_copy(update={"customer_id": "K-1"})})


def _comes_to(told: Story) -> object:
    """What is known of the customer and planned for them, whatever it is called."""
    customer = told.customer()
    planned = [
        one.but(id="", returned=0, owner=None, team=None)
        for one in customer.followups.values()
        if one.status != "cancelled"
    ]
    contacts = {name: one.but(named=None) for name, one in customer.contacts.items()}
    about = (customer.heard, customer.latest, customer.firsts, customer.signs, customer.wake_at)
    return contacts, about, sorted(planned, key=lambda one: (one.play, one.step, one.trigger_key))


@settings(max_examples=100, deadline=None)
@given(events=_told_of(), again=st.booleans())
def test_a_contact_is_one_customers_whoever_its_events_name(events, again):
    arriving = [*events, *events[::2]] if again else events
    told = Story(NAMED_PLAYS).take_in(profile(), *arriving)
    assert _comes_to(told) == _comes_to(Story(NAMED_PLAYS).take_in(profile(), *map(_under_the_name, arriving)))
    nobodies = [one for one in told.states.values() if isinstance(one, CustomerState) and one.id != "K-1"]
    assert not any(one.contacts or one.followups or one.wake_at for one in nobodies)


zones = st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"])


@given(minutes=st.integers(0, 366 * 1440), zone=zones)
def test_the_end_of_a_quiet_time_is_not_quiet_and_lies_ahead(minutes, zone):
    told = Story(PLAYS).take_in(profile(timezone=zone))
    customer: CustomerState = told.customer()
    instant = MONDAY + timedelta(minutes=minutes)
    if quiet := quiet_until(instant, customer, told.rules.plays):
        assert quiet[0] > instant
        assert quiet_until(quiet[0], customer, told.rules.plays) is None
        assert quiet_until(quiet[0] - timedelta(milliseconds=1), customer, told.rules.plays) is not None
