"""What holds of every contact, whatever happens on it and in whatever order we hear of it."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sla_monitor.domain.cutting import cut_before
from sla_monitor.domain.fold import fold
from sla_monitor.domain.log import to_millis
from sla_monitor.domain.monitor import horizon_of
from sla_monitor.domain.states import ContactState
from sla_monitor.domain.telling import number

from tests.support.sla import (
    MONDAY,
    OFFICE,
    assigned,
    desk,
    happened,
    play,
    received,
)

POLICY = (
    OFFICE
    + """
policies:
  - name: urgent
    match: {priority: urgent}
    calendar: always
    targets: {first_response: {within: 1h}, resolution: {within: 5h}}
  - name: gold
    match: {tier: gold}
    calendar: office
    targets: {first_response: {within: 2h}, next_response: {within: 1h}, resolution: {within: 1 business day}}
    warn: [50%, 75%]
  - name: rest
    calendar: office
    targets:
      first_response: {within: 3h}
      next_response: {within: 2h}
      update: {every: 4h, pause_on: [customer]}
      resolution: {by: end of next business day, pause_on: [customer, third_party]}
      escalated: {within: 1h}
    warn: [75%, 30m before]
"""
)

_MOVES = st.one_of(
    st.tuples(st.just("contact.received"), st.fixed_dictionaries({"channel": st.just("email")})),
    st.tuples(st.just("contact.received"), st.just({"channel": "email", "priority": "urgent"})),
    st.tuples(st.just("contact.responded"), st.sampled_from([{}, {"promised_by": "Tue 12:00"}])),
    st.tuples(st.just("contact.updated"), st.just({})),
    st.tuples(st.just("contact.promised"), st.sampled_from([{"promised_by": h} for h in ("12:00", "Tue 09:00")])),
    st.tuples(st.just("contact.assigned"), st.just({"agent_id": "a-1"})),
    st.tuples(st.just("contact.escalated"), st.just({"to": "lead"})),
    st.tuples(st.just("contact.waiting"), st.sampled_from([{"on": "customer"}, {"on": "third_party"}])),
    st.tuples(st.just("contact.resumed"), st.just({})),
    st.tuples(st.just("contact.reclassified"), st.sampled_from([{"priority": p} for p in ("urgent", "low")])),
    st.tuples(st.just("contact.resolved"), st.sampled_from([{"outcome": o} for o in ("solved", "spam")])),
    st.tuples(st.just("contact.reopened"), st.just({})),
    st.tuples(st.just("contact.abandoned"), st.just({})),
    st.tuples(st.just("contact.merged"), st.just({"into": "c-9"})),
    st.tuples(st.just("customer.updated"), st.sampled_from([{"tier": "gold"}, {"tier": None}, {"audience": "staff"}])),
    st.tuples(st.just("customer.tier_changed"), st.sampled_from([{"tier": t} for t in ("gold", "basic")])),
)
_TIMES = st.integers(0, 60 * 60).map(lambda minutes: MONDAY + timedelta(hours=8, minutes=minutes))


@st.composite
def contacts(draw):
    """A contact's life over some two days: an opening, and up to eight events after it."""
    events = [received(MONDAY + timedelta(hours=9))]
    for kind, data in draw(st.lists(_MOVES, max_size=8)):
        events.append(happened(kind, draw(_TIMES), **data))
    return sorted(events, key=lambda e: e.order)


def clocks(played, now):
    contact = played.contact
    return fold(contact.log, played.domain.book, horizon_of(contact, now)).clocks


def net(played):
    """The last word on every deadline; of one that never was, that it is not owed."""
    contact, now = played.contact, END
    derived, _ = number(fold(contact.log, played.domain.book, now), contact.cycles, now)
    keys = {one.key for one in derived}
    assert all(told.verdict == "cancelled" for key, told in contact.told.items() if key not in keys)
    return sorted((key.partition("/")[0], told.verdict, told.due) for key, told in contact.told.items() if key in keys)


END = MONDAY + timedelta(days=9)


@settings(max_examples=200, deadline=None)
@given(contacts(), st.randoms(use_true_random=False), st.data())
def test_any_order_and_any_repetition_gives_the_same_clocks_and_the_same_last_word(events, random, data):
    straight = play(events, under=POLICY)
    shuffled = [*events, *data.draw(st.lists(st.sampled_from(events), max_size=4))]
    random.shuffle(shuffled)
    mixed = desk(POLICY)
    now = max(e.time for e in events)
    for event in shuffled:
        mixed.take(event, now=now)
        if data.draw(st.booleans()):
            now += timedelta(minutes=data.draw(st.integers(0, 600)))
            mixed.look(now)
    for played in (straight, mixed):
        played.look(END)
    assert clocks(straight, END) == clocks(mixed, END)
    assert net(mixed) == net(straight)


@settings(max_examples=200, deadline=None)
@given(contacts(), st.lists(st.integers(0, 4_000), max_size=12))
def test_when_we_look_never_changes_what_we_say(events, looks):
    once = play(events, under=POLICY, looks=[END])
    often = play(events, under=POLICY, looks=[*(MONDAY + timedelta(hours=8, minutes=m) for m in looks), END])
    assert said(once) == said(often)


def said(played):
    return sorted((e.id, e.type, e.time) for e in played.events if not e.type.startswith("sla.resch"))


@settings(max_examples=200, deadline=None)
@given(contacts())
def test_nothing_is_told_twice_and_what_is_told_is_numbered_upwards(events):
    played = play(events, under=POLICY, looks=[END])
    assert len({event.id for event in played.events}) == len(played.events)
    numbers = [int(event.sequence or 0) for event in played.events]
    assert numbers == sorted(set(numbers))


@settings(max_examples=200, deadline=None)
@given(contacts(), st.integers(0, 5_000))
def test_a_deadline_explains_itself_to_the_second(events, minutes):
    played = play(events, under=POLICY, looks=[END])
    seen = MONDAY + timedelta(hours=8, minutes=minutes)
    for clock in clocks(played, END):
        explained = clock.explain(seen)
        assert abs(sum(stretch.counted_seconds for stretch in explained) - clock.open_seconds(seen)) < 1e-6
        assert all(earlier.end == later.start for earlier, later in pairwise(explained))


@settings(max_examples=200, deadline=None)
@given(contacts(), st.lists(st.integers(0, 3_700), min_size=1, max_size=2))
def test_what_is_cut_off_a_log_changes_nothing_that_runs_nor_any_verdict_that_is_remembered(events, minutes):
    played = play(events, under=POLICY, looks=[END])
    book, contact = played.domain.book, played.contact
    whole = fold(contact.log, book, END)
    shorter = contact
    for minute in sorted(minutes):
        border = to_millis(MONDAY + timedelta(hours=8, minutes=minute))
        shorter = cut_before(shorter, fold(shorter.log, book, END), END, border)
    folding = fold(shorter.log, book, END)
    # a need that no policy sets a deadline for is shown to nobody, and may begin anew at the border
    kept = {(c.target, c.key): remembered(c) for c in folding.clocks if c.spec_or_promise}
    assert kept.items() <= {(c.target, c.key): remembered(c) for c in whole.clocks}.items()
    running = [remembered(c) for c in whole.clocks if not c.ended]
    assert [remembered(c) for c in folding.clocks if not c.ended] == running
    for fact in ("status", "owner", "team", "waiting_on", "rule", "calendar", "resolved_at", "waiting_since"):
        assert getattr(folding, fact) == getattr(whole, fact)
    again = desk(POLICY)
    again.kept = {**played.kept, (ContactState, "c-1"): shorter}
    again.look(END + timedelta(days=1))
    assert again.events == []


def remembered(clock):
    return replace(clock, joined=(), moves=0)


@pytest.mark.parametrize("arrivals", [("evt-10", "evt-9"), ("evt-9", "evt-10")])
def test_of_two_who_were_given_it_at_one_instant_the_later_by_id_has_it_whichever_arrives_first(
    arrivals: tuple[str, ...],
):
    given = [assigned("08:10", id=name, agent_id=f"agent-of-{name}") for name in arrivals]
    assert play([received("08:00"), *given]).contact.owner == "agent-of-evt-9"
