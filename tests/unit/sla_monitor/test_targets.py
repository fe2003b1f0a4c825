"""Every rule of sla.md's section Targets, by name."""

from rapport.contracts.sla_events import SlaMet, SlaOpened
from sla_monitor.domain.contact_view import detail
from sla_monitor.domain.history import clocks_of, history

from tests.support.sla import (
    OFFICE,
    abandoned,
    at,
    customer,
    deadlines,
    desk,
    due,
    escalated,
    merged,
    play,
    promised,
    received,
    reopened,
    resolved,
    responded,
    resumed,
    story,
    targets,
    updated,
    waiting,
    when,
)

FIRST = targets("first_response: {within: 4h}")
NEXT = targets("first_response: {within: 4h}, next_response: {within: 2h}")
SOLVE = targets("resolution: {within: 4h, pause_on: [customer]}")
ALL = targets("first_response: {within: 4h}, next_response: {within: 2h}, resolution: {within: 8h}")


def test_a_breach_is_dated_by_the_deadline_not_by_who_noticed():
    assert story(received("09:00"), responded("17:00")) == [("sla.warned", "12:12"), ("sla.breached", "13:00")]


def test_an_answer_at_the_very_deadline_is_in_time():
    assert story(received("09:00"), responded("13:00"), under=FIRST) == [("sla.met", "13:00")]


def test_an_answer_a_second_late_is_late():
    assert story(received("09:00"), responded("13:00:01"), under=FIRST) == [("sla.breached", "13:00")]


def test_a_look_at_the_deadline_says_nothing_yet_and_one_millisecond_later_it_does():
    played = play([received("09:00")], under=FIRST, looks=["13:00"])
    assert played.told() == []
    played.look("13:00:00.001")
    assert played.told() == [("sla.breached", "13:00")]


def test_an_automated_answer_counts_for_nothing():
    assert story(received("09:00"), responded("09:01", automated=True), responded("14:00"), under=FIRST) == [
        ("sla.breached", "13:00")
    ]


def test_a_message_that_we_caused_is_no_customer_contact():
    assert play([received("09:00", causationid="survey-1")], under=FIRST).kept == {}


def test_a_second_message_of_a_waiting_customer_moves_no_deadline():
    assert story(received("09:00"), received("12:00"), responded("14:00"), under=FIRST) == [("sla.breached", "13:00")]


def test_next_response_runs_from_the_first_message_after_our_last_answer():
    events = [received("09:00"), responded("09:30"), received("10:00"), received("11:00"), responded("13:00")]
    assert story(*events, under=NEXT) == [("sla.met", "09:30"), ("sla.breached", "12:00")]


def test_each_run_of_next_response_is_a_cycle_of_its_own():
    events = [received("09:00"), *[e for h in (10, 12) for e in (responded(f"{h}:00"), received(f"{h}:30"))]]
    played = play([*events, responded("14:00")], under=NEXT)
    assert [e.id for e in played.events if e.type == "sla.met"] == [
        "c-1/first_response/1/met/0",
        "c-1/next_response/1/met/0",
        "c-1/next_response/2/met/0",
    ]


def test_an_answer_after_the_breach_publishes_no_met_but_clears_the_alert():
    played = play([received("09:00"), responded("14:00")], under=FIRST)
    assert played.told() == [("sla.breached", "13:00")]
    assert played.alert().state == "cleared"
    assert played.told("alert.cleared") == [("alert.cleared", "14:00")]
    assert played.alert().met_at == at("14:00")


def test_resolution_meets_what_was_not_due_and_says_that_nobody_answered():
    played = play([received("09:00"), resolved("10:00")], under=ALL)
    met = {d.target: d.without_response for e in played.events if isinstance(d := e.data, SlaMet)}
    assert met == {"first_response": True, "resolution": False}


def test_what_we_wrote_before_the_customer_did_is_no_response_to_them():
    ours = [received("09:00", direction="outbound"), responded("09:30")]
    played = play([*ours, received("10:00"), resolved("11:00")], under=FIRST)
    assert [d.without_response for e in played.events if isinstance(d := e.data, SlaMet)] == [True]


def test_a_contact_shows_what_was_resolved_without_a_response():
    played = play([received("09:00"), resolved("10:00")], under=ALL)
    shown = detail(played.contact, played.domain.book, at("11:00"))["targets"]
    assert {one["target"]: one["without_response"] for one in shown} == {"first_response": True, "resolution": False}
    played = play([received("09:00"), resolved("17:00")], under=ALL, looks=["14:00"])
    late = detail(played.contact, played.domain.book, at("18:00"))["targets"]
    assert {one["target"]: (one["status"], one["without_response"]) for one in late} == {
        "first_response": ("breached", True),
        "resolution": ("met", False),
    }


def test_a_pause_moves_the_resolution_by_the_open_seconds_it_lasted():
    played = play([received("09:00"), waiting("10:00"), resumed("11:30")], under=SOLVE)
    assert due(played) == "14:30"


def test_a_pause_outside_hours_costs_nothing():
    played = play([received("16:00"), waiting("18:00"), resumed("20:00"), resolved("Tue 12:00")], under=SOLVE)
    assert played.told("sla.rescheduled", "sla.met") == [("sla.met", "Tue 12:00")]


def test_a_message_from_the_customer_ends_waiting_on_them():
    played = play([received("09:00"), waiting("10:00"), received("12:00")], under=SOLVE)
    assert due(played) == "15:00"


def test_waiting_on_somebody_the_policy_does_not_name_pauses_nothing():
    assert story(received("09:00"), waiting("10:00", on="third_party"), resumed("15:00"), under=SOLVE) == [
        ("sla.breached", "13:00")
    ]


def test_nothing_breaches_while_it_is_paused():
    assert story(received("09:00"), waiting("10:00"), under=SOLVE, looks=["Fri 12:00"]) == []


def test_a_pause_moves_a_day_target_by_the_open_seconds_it_lasted():
    text = targets("resolution: {within: 1 business days, pause_on: [customer]}")
    played = play([received("10:00"), waiting("11:00"), resumed("13:00")], under=text)
    assert due(played) == "Tue 12:00"


def test_a_warning_counts_only_time_that_was_not_paused():
    text = targets("resolution: {within: 4h, pause_on: [customer]}", warn="[75%]")
    events = [received("09:00"), waiting("10:00"), resumed("12:00")]
    assert story(*events, under=text, looks=["17:00"]) == [("sla.warned", "14:00"), ("sla.breached", "15:00")]


def test_a_warning_may_be_so_long_before():
    text = targets("first_response: {within: 4h}", warn="30m before")
    assert story(received("09:00"), under=text, looks=["12:30"]) == [("sla.warned", "12:30")]


def test_a_reopening_goes_on_with_what_was_left():
    played = play([received("09:00"), resolved("10:00"), reopened("15:00")], under=SOLVE)
    assert due(played, "resolution/2") == "Tue 10:00"


def test_what_is_left_is_never_less_than_the_floor():
    played = play([received("09:00"), resolved("13:00"), reopened("14:00")], under=SOLVE)
    assert due(played, "resolution/2") == "14:24"


def test_the_second_reopening_counts_what_both_cycles_have_used():
    events = [received("09:00"), resolved("10:00"), reopened("11:00"), resolved("12:30"), reopened("13:00")]
    assert due(play(events, under=SOLVE), "resolution/3") == "14:30"


def test_a_reopening_may_start_anew():
    text = targets("resolution: {within: 4h}", reopen="restart")
    assert due(play([received("09:00"), resolved("12:00"), reopened("13:00")], under=text), "resolution/2") == "17:00"


def test_a_reopening_after_reopen_within_gives_all_of_it():
    played = play([received("09:00"), resolved("12:00"), reopened("+14 09:00")], under=SOLVE)
    assert due(played, "resolution/2") == "+14 13:00"


def test_a_message_on_a_resolved_contact_reopens_it_but_starts_no_first_response():
    played = play([received("09:00"), resolved("10:00"), received("11:00")], under=ALL)
    assert {f"{d.target}/{d.cycle}" for d in deadlines(played.events[-1])} == {"resolution/2", "next_response/1"}


def test_nothing_reopens_spam():
    for how in ("spam", "duplicate"):
        events = [received("09:00"), resolved("10:00", outcome=how), received("11:00"), reopened("12:00")]
        assert story(*events, under=ALL) == [("sla.cancelled", "10:00")] * 2


def test_merging_and_abandoning_cancel_what_runs():
    for end in (merged("10:00"), abandoned("10:00")):
        assert story(received("09:00"), end, under=FIRST, looks=["17:00"]) == [("sla.cancelled", "10:00")]


def test_an_outbound_contact_owes_no_answer_until_the_customer_writes():
    played = play([received("09:00", direction="outbound")], under=FIRST, looks=["12:00"])
    assert played.told("sla.opened") == []
    played.take(received("13:00"))
    assert due(played, "first_response/1") == "17:00"


def test_what_we_began_owes_none_either_when_we_open_it_again_and_the_customers_first_message_is_the_first():
    played = play([received("09:00", direction="outbound"), resolved("09:30"), reopened("10:00")], under=ALL)
    assert set(played.contact.told) == {"resolution/1", "resolution/2"}
    played.take(received("10:30"))
    assert set(played.contact.told) == {"resolution/1", "resolution/2", "first_response/1"}
    played = play([received("09:00", direction="outbound"), resolved("09:30"), received("10:30")], under=ALL)
    assert set(played.contact.told) == {"resolution/1", "resolution/2", "first_response/1"}


def test_the_opening_says_whether_the_calendar_was_open_then():
    openings = [play([received(time)], under=FIRST, looks=[]).events for time in ("08:59", "09:00", "17:00")]
    assert [d.in_hours for events in openings for e in events if isinstance(d := e.data, SlaOpened)] == [
        False,
        True,
        False,
    ]


def test_an_earlier_message_that_comes_late_says_anew_whether_the_calendar_was_open_at_the_opening():
    events = play([received("10:00"), received("08:00")], under=FIRST, looks=[]).events
    assert [getattr(event.data, "in_hours", None) for event in events] == [True, False]


def test_what_moves_a_deadline_later_on_says_of_the_opening_what_was_said_of_it():
    events = play([received("08:00"), promised("10:00", by="12:00")], under=FIRST, looks=[]).events
    assert [getattr(event.data, "in_hours", None) for event in events] == [False, False]


def test_staff_and_test_customers_have_no_targets():
    for audience in ("staff", "test"):
        assert story(customer("08:00", audience=audience), received("09:00"), under=ALL, looks=["Fri 17:00"]) == []


def test_by_end_of_next_business_day_counts_from_the_local_date_of_arrival():
    text = targets("first_response: {by: end of next business day}")
    assert due(play([received("Sat 10:00")], under=text), "first_response/1") == "+7 17:00"


def test_after_the_cutoff_the_next_day_counts():
    text = targets('first_response: {by: end of same business day, cutoff: "15:00"}')
    assert due(play([received("15:00")], under=text), "first_response/1") == "17:00"
    assert due(play([received("15:01")], under=text), "first_response/1") == "Tue 17:00"


def test_elapsed_counts_by_the_clock_on_the_wall():
    text = targets("first_response: {within: 4h, elapsed: true}")
    assert due(play([received("16:00")], under=text), "first_response/1") == "20:00"


def test_a_promise_is_a_deadline_of_its_own_even_where_no_policy_matches():
    nothing = OFFICE + "policies: []\n"
    assert story(received("09:00", promised_by="12:00"), under=nothing, looks=["13:00"]) == [("sla.breached", "12:00")]


def test_a_promise_is_kept_by_an_answer_a_report_or_a_resolution_but_not_the_one_that_made_it():
    for keeper in (responded, updated, resolved):
        events = [received("09:00"), responded("09:30", promised_by="Sat 20:00"), keeper("Sat 19:00")]
        assert story(*events, under=OFFICE) == [("sla.met", "Sat 19:00")]


def test_a_promise_made_in_the_instant_of_an_answer_is_not_kept_by_it():
    together = [received("09:00"), responded("09:30"), promised("09:30", "12:00")]
    for events in (together, [together[0], together[2], together[1]]):
        assert story(*events, under=OFFICE, looks=["13:00"]) == [("sla.breached", "12:00")]
    assert story(*together, resolved("09:30"), under=OFFICE, looks=["13:00"]) == [("sla.met", "09:30")]


def test_a_later_promise_replaces_an_earlier_one_before_it_falls_due():
    played = play([received("09:00"), promised("09:30", "12:00"), promised("11:00", "15:00")], under=OFFICE)
    played.look("14:00")
    assert played.told() == []
    assert played.contact.promises_moved == 1
    played.look("16:00")
    assert played.told() == [("sla.breached", "15:00")]


def test_a_promise_after_a_broken_one_is_another():
    played = play([received("09:00"), promised("09:30", "12:00"), promised("13:00", "15:00")], under=OFFICE)
    assert played.told() == [("sla.breached", "12:00")]
    assert played.contact.promises_moved == 0
    assert due(played, "promise/2") == "15:00"


def test_reports_are_owed_again_and_again_while_open():
    text = targets("first_response: {within: 4h}, update: {every: 2h}")
    events = [received("09:00"), responded("10:00"), updated("11:30"), updated("14:00")]
    assert story(*events, under=text)[1:] == [("sla.met", "11:30"), ("sla.breached", "13:30")]


def test_reports_are_owed_from_opening_where_there_is_no_first_response():
    assert story(received("09:00"), under=targets("update: {every: 2h}"), looks=["17:00"]) == [
        ("sla.breached", "11:00")
    ]


def test_what_was_handed_up_is_answered_by_an_answer_report_or_resolution():
    text = targets("escalated: {within: 1h}")
    for answer in (responded, updated, resolved):
        assert story(received("09:00"), escalated("10:00"), answer("11:00"), under=text) == [("sla.met", "11:00")]
    assert story(received("09:00"), escalated("10:00"), under=text, looks=["12:00"]) == [("sla.breached", "11:00")]


def test_an_answer_before_any_message_is_kept_until_the_message_arrives():
    played = desk(FIRST)
    played.take(responded("10:00"))
    assert played.told("sla.opened", "sla.met") == []
    played.take(received("09:00"))
    assert played.told() == [("sla.met", "10:00")]


def test_a_deadline_explains_open_closed_holiday_and_paused_time():
    text = targets("resolution: {within: 2 business days, pause_on: [customer]}").replace(
        '["09:00-17:00"]}}', '["09:00-17:00"]}, holidays: [2026-03-03]}', 1
    )
    played = play([received("15:00"), waiting("16:00"), resumed("16:30"), resolved("Wed 10:00")], under=text)
    (one,) = clocks_of(played.contact, played.domain.book, at("Wed 12:00"))[1]
    assert [(when(s.start), s.counted_seconds, s.why) for s in one.clock.explain(at("Wed 12:00"))] == [
        ("15:00", 3600, "open"),
        ("16:00", 0, "paused"),
        ("16:30", 1800, "open"),
        ("17:00", 0, "closed"),
        ("Tue 00:00", 0, "holiday"),
        ("Wed 00:00", 0, "closed"),
        ("Wed 09:00", 3600, "open"),
    ]
    assert one.clock.open_seconds(at("Wed 12:00")) == 9000


def test_a_contact_tells_its_history_in_order():
    played = play(
        [received("09:00"), responded("14:00", agent_id="ada")], under=targets("first_response: {within: 4h}")
    )
    clocks = clocks_of(played.contact, played.domain.book, at("15:00"))[1]
    lines = history(played.contact, clocks)
    assert [(when(line.at), line.event) for line in lines] == [
        ("09:00", "contact.received"),
        ("13:00", "sla.breached"),
        ("14:00", "contact.responded"),
        ("14:00", "alert.cleared"),
    ]
    assert lines[2].what == "agent_id ada"
