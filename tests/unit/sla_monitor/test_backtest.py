"""Recorded history under another policy: the same verdicts as live, compared run by run."""

from hypothesis import given, settings
from hypothesis import strategies as st
from rapport.contracts import Data, Event
from sla_monitor.domain.backtest import Compared, History, Judged, Sums, compare
from sla_monitor.domain.states import Verdict

from tests.support.sla import (
    at,
    book,
    customer,
    merged,
    play,
    received,
    resolved,
    responded,
    targets,
    waiting,
)

FOUR = targets(
    "first_response: {within: 4h}, next_response: {within: 2h}, resolution: {within: 8h, pause_on: [customer]}"
)
TWO = targets(
    "first_response: {within: 2h}, next_response: {within: 2h}, resolution: {within: 8h, pause_on: [customer]}"
)
STORY = [
    customer("08:00", tier="gold"),
    received("09:00"),
    responded("12:00"),
    received("12:30"),
    waiting("13:00"),
    responded("15:30"),
    resolved("Tue 10:00"),
]


def history(*events: Event[Data], under: str = FOUR) -> History:
    gathered = History(book(under).asked)
    for event in events:
        gathered.take(event)
    return gathered


def verdicts(runs):
    return sorted((judged.target, judged.cycle, judged.verdict) for _, judged in runs)


def outcomes(events, before=FOUR, after=TWO, until="+9 00:00"):
    gathered = history(*events)
    runs = compare(gathered.judged(book(before), at(until)), gathered.judged(book(after), at(until)))
    return {(run.either.target, run.either.cycle): run.outcome for run in runs}


@settings(max_examples=50, deadline=None)
@given(events=st.permutations([*STORY, STORY[1], STORY[4]]))
def test_any_order_and_repetition_gives_the_verdicts_that_live_events_gave(events):
    live = play(STORY, under=FOUR, looks=["+9 00:00"])
    told = {tuple(key.split("/")): known.verdict for key, known in live.contact.told.items()}
    back = {(j.target, str(j.cycle)): j.verdict for _, j in history(*events).judged(book(FOUR), at("+9 00:00"))}
    assert back == told


def test_a_shorter_promise_turns_what_was_met_into_a_breach_and_leaves_the_rest():
    assert outcomes(STORY) == {
        ("first_response", 1): "met → breached",
        ("next_response", 1): "same",
        ("resolution", 1): "same",
    }


def test_a_longer_promise_saves_what_was_missed():
    assert outcomes(STORY, before=TWO, after=FOUR)["first_response", 1] == "breached → met"


def test_what_moves_without_another_verdict_what_begins_and_what_ends_is_told_apart():
    moved = targets("first_response: {within: 3h}, update: {every: 4h}")
    found = outcomes(STORY, before=targets("first_response: {within: 4h}, resolution: {within: 8h}"), after=moved)
    assert found["first_response", 1] == "moved"
    assert found["resolution", 1] == "ends"
    assert found["update", 1] == "begins"


def test_what_is_not_decided_by_then_still_runs():
    gathered = history(*STORY)
    assert verdicts(gathered.judged(book(FOUR), at("10:00"))) == [
        ("first_response", 1, "running"),
        ("resolution", 1, "running"),
    ]


def test_what_was_told_at_the_time_is_a_side_to_compare_with():
    live = play(STORY, under=FOUR, looks=["+9 00:00"])
    gathered = history(*STORY, *live.events)
    assert gathered.events == len(STORY)
    after = gathered.judged(book(FOUR), at("+9 00:00"), by_cycle=True)
    assert {run.outcome for run in compare(gathered.told.items(), after)} == {"same"}


def test_a_correction_and_a_move_are_what_was_told_last():
    late = responded("10:00")
    live = play([received("09:00")], under=TWO, looks=["11:30"])
    live.take(late, now="11:40")
    [judged] = [one for one in history(*reversed(live.events)).told.values() if one.target == "first_response"]
    assert judged.verdict == "met"


def test_customers_and_other_contacts_do_not_mix():
    text = targets("first_response: {within: 1h}", match="{tier: gold}")
    events = [
        customer("08:00", tier="gold"),
        received("09:00", contact_id="c-1"),
        received("09:00", contact_id="c-2", customer_id="K-2"),
        merged("09:30", contact_id="c-2", customer_id="K-2"),
    ]
    gathered = history(*events, under=text)
    assert gathered.contacts == 2
    assert [(j.contact_id, j.due_at) for _, j in gathered.judged(book(text), at("12:00"))] == [("c-1", at("10:00"))]


def test_attainment_is_met_of_what_was_decided_and_nothing_where_nothing_was():
    pairs: list[tuple[Verdict, Verdict]] = [("met", "breached"), ("met", "met"), ("running", "met")]
    sums = Sums()
    for pair in (*pairs, ("cancelled", "cancelled")):
        sums.add(Compared(*(Judged("c", "first_response", 1, verdict, at("09:00")) for verdict in pair)))
    assert (sums.attainment(0), sums.attainment(1)) == (1.0, 2 / 3)
    assert Sums().attainment(0) is None
