"""What sla.md says of promises: from when they run, what keeps, moves and replaces them, and to whom they are made."""

from tests.support.sla import (
    MONDAY,
    at,
    customer,
    merged,
    play,
    promised,
    received,
    resolved,
    responded,
    story,
    targets,
    updated,
    when,
)

FULL = targets("first_response: {within: 4h}, next_response: {within: 2h}, resolution: {within: 8h}")


def test_a_promise_moved_after_its_warning_is_warned_of_again():
    events = [received("09:00"), promised("09:00", by="13:00"), promised("12:30", by="17:00")]
    played = play(events, under=targets("", warn="[75%]"), looks=["12:15", "12:45", "15:15"])
    assert played.told("sla.warned") == [("sla.warned", "12:00"), ("sla.warned", "15:00")]
    assert played.told("alert.cleared") == [("alert.cleared", "12:30")]
    assert (played.alert("promise/1").state, played.alert("promise/1").warned_at) == ("warned", at("15:00"))


def test_a_promise_made_with_the_very_first_message_runs_from_it():
    contact = play([received("09:00", promised_by="11:00")], under=FULL).contact
    assert when(contact.due_at or MONDAY) == "11:00"


def test_an_answer_that_promises_anew_keeps_the_old_promise_and_makes_another():
    events = [received("09:00"), promised("09:10", by="11:00"), responded("10:00", promised_by="15:00")]
    played = play(events, under=targets(""), looks=["16:00"])
    assert played.told() == [("sla.met", "10:00"), ("sla.breached", "15:00")]
    assert played.contact.promises_moved == 0


def test_the_same_promise_said_again_is_not_moved():
    events = [received("09:00"), promised("09:10", by="11:00"), promised("09:20", by="11:00")]
    assert play(events, under=FULL).contact.promises_moved == 0


def test_a_promise_counts_by_the_clock_on_the_wall():
    assert story(received("09:00"), promised("09:10", by="22:00"), under=targets(""), looks=["23:00"]) == [
        ("sla.breached", "22:00")
    ]


def test_a_promise_made_after_the_resolution_runs_and_is_work_until_it_is_kept():
    events = [received("09:00"), resolved("10:00"), promised("10:05", by="12:00")]
    played = play(events, under=FULL)
    assert (played.contact.status, when(played.contact.next_due_at or MONDAY)) == ("resolved", "12:00")
    assert played.contact.index()["in_work"]
    played.look("12:01")
    assert played.told("sla.breached") == [("sla.breached", "12:00")]
    assert (played.contact.breached, played.contact.index()["in_work"]) == (True, True)
    played.take(updated("12:30"))
    assert not played.contact.index()["in_work"]


def test_nothing_is_promised_about_what_was_no_contact():
    for end in (resolved("10:00", outcome="spam"), merged("10:00")):
        played = play([received("09:00"), end, promised("10:05", by="12:00")], under=FULL)
        assert played.contact.due_at is None


def test_a_promise_to_who_turns_out_to_be_nobody_to_watch_is_kept_or_broken_no_more():
    made = [received("09:00"), resolved("09:30"), promised("10:00", by="12:00")]
    for events in (
        [*made, customer("11:00", audience="test")],
        [received("09:00"), promised("10:00", by="12:00"), customer("11:00", audience="test")],
    ):
        assert story(*events, under=targets(""), looks=["13:00"]) == [("sla.cancelled", "11:00")]
    back = [*made, customer("11:00", audience="test"), customer("11:30", audience="customer")]
    played = play([*back, promised("11:40", by="14:00")], under=targets(""), looks=["15:00"])
    assert played.told() == [("sla.cancelled", "11:00"), ("sla.breached", "14:00")]


BROKEN = [received("09:00"), promised("09:10", by="11:00"), promised("12:00", by="15:00")]


def test_a_promise_made_after_one_was_broken_mends_nothing_the_customer_waits_for_both():
    played = play(BROKEN, under=targets(""), looks=["11:30", "12:30"])
    assert played.told() == [("sla.breached", "11:00")]
    assert (played.alert("promise/1").state, played.alert("promise/1").waiting) == ("breached", True)
    assert (played.contact.breached, when(played.contact.next_due_at or MONDAY)) == (True, "15:00")
    assert played.contact.promises_moved == 0
    played.look("15:30")
    assert played.told("sla.breached") == [("sla.breached", "11:00"), ("sla.breached", "15:00")]
    assert played.alert("promise/2").state == "breached"


def test_an_answer_keeps_the_later_promise_and_ends_the_wait_for_the_broken_one():
    played = play([*BROKEN, responded("14:00")], under=targets(""), looks=["11:30", "16:00"])
    assert played.told("sla.breached", "sla.met", "alert.cleared") == [
        ("sla.breached", "11:00"),
        ("sla.met", "14:00"),
        ("alert.cleared", "14:00"),
    ]
    assert (played.alert("promise/1").met_at, played.contact.breached) == (at("14:00"), False)


def test_whoever_looks_late_is_told_of_the_broken_promise_as_one_that_the_customer_waits_for():
    played = play(BROKEN, under=targets(""))
    [breached] = [event.data for event in played.events if event.type == "sla.breached"]
    assert (vars(breached)["cycle"], vars(breached)["waiting"]) == (1, True)
    assert played.alert("promise/1").state == "breached"


def test_broken_promises_are_waited_for_no_more_once_it_was_no_contact_and_by_nobody_to_watch():
    for end in (resolved("13:00", outcome="spam"), merged("13:00"), customer("13:00", audience="test")):
        played = play([*BROKEN, end], under=targets(""), looks=["11:30", "16:00"])
        assert played.told() == [("sla.breached", "11:00"), ("sla.cancelled", "13:00")]
        assert (played.alert("promise/1").state, played.contact.breached) == ("cleared", False)


def test_a_broken_promise_outlives_a_cut_of_the_log():
    talk = [received(f"13:{minute:02}:{second:02}") for minute in range(10) for second in range(60)]
    played = play([*BROKEN, *talk], under=targets(""), looks=["11:30"])
    assert played.contact.cut > 0
    assert played.contact.breached
    played.take(responded("14:00"))
    assert (played.alert("promise/1").met_at, played.contact.breached) == (at("14:00"), False)
