"""More of sla.md's sections Targets and Verdicts, sentence by sentence: pauses, reopening, who is watched."""

import pytest
from rapport.contracts import Data, Event
from rapport.contracts.sla_events import SlaCorrected
from sla_monitor.domain.fold import fold

from tests.support.sla import (
    MONDAY,
    OFFICE,
    abandoned,
    assigned,
    at,
    customer,
    escalated,
    merged,
    play,
    received,
    reclassified,
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

SOLVE = targets("resolution: {within: 4h, pause_on: [customer]}")
BOTH = targets("resolution: {within: 4h, pause_on: [customer, third_party]}")
REPORT = targets("first_response: {within: 1h}, update: {every: 2h, pause_on: [customer]}")
FULL = targets("first_response: {within: 4h}, next_response: {within: 2h}, resolution: {within: 8h}")
HANDED = targets("escalated: {within: 1h}")


def due(*events: Event[Data], under: str = SOLVE) -> str | None:
    """The earliest due instant of what still waits."""
    instant = play(events, under=under).contact.due_at
    return when(instant) if instant else None


# --- pauses ---------------------------------------------------------------------------


def test_a_message_from_the_customer_does_not_end_waiting_on_a_third_party():
    events = [received("09:00"), waiting("10:00", on="third_party"), received("10:30"), resumed("11:00")]
    assert due(*events, under=BOTH) == "14:00"


def test_waiting_on_the_one_and_then_on_the_other_is_one_pause_as_long_as_both():
    events = [received("09:00"), waiting("10:00"), waiting("11:00", on="third_party"), resumed("12:00")]
    assert due(*events, under=BOTH) == "15:00"
    assert due(*events, under=SOLVE) == "14:00", "where only the first is named, only that pauses"


def test_to_wait_on_the_same_again_changes_nothing():
    assert due(received("09:00"), waiting("10:00"), waiting("10:30"), resumed("11:00")) == "14:00"


def test_an_answer_of_ours_does_not_end_the_waiting():
    assert due(received("09:00"), waiting("10:00"), responded("10:30"), resumed("11:00")) == "14:00"


def test_reports_pause_where_the_policy_says_so():
    assert due(received("09:00"), responded("09:30"), waiting("10:00"), resumed("11:00"), under=REPORT) == "12:30"


def test_a_report_that_begins_to_be_owed_while_waiting_is_paused_from_its_start():
    events = [received("09:00"), responded("09:30"), waiting("10:00"), updated("10:30"), resumed("12:00")]
    assert due(*events, under=REPORT) == "14:00"


def test_responses_never_pause():
    assert due(received("09:00"), waiting("09:15"), under=REPORT) == "10:00"


def test_a_pause_moves_a_target_by_the_end_of_a_day_by_the_open_seconds_it_lasted():
    by_closing = targets("resolution: {by: end of same business day, pause_on: [customer]}")
    assert due(received("09:00"), waiting("10:00"), resumed("11:30"), under=by_closing) == "Tue 10:30"


PAUSED = """
  - name: short
    match: {priority: urgent}
    calendar: office
    targets: {resolution: {within: 30m, pause_on: [customer]}}
  - name: only
"""


@pytest.mark.parametrize(("over", "told"), [(True, [("sla.breached", "12:00")]), (False, [])])
def test_what_a_change_makes_late_during_a_pause_is_late_when_the_pause_ends_and_only_listed(
    over: bool,  # noqa: FBT001 - a case
    told: list[tuple[str, str]],
):
    under = SOLVE.replace("  - name: only\n", PAUSED.lstrip("\n"))
    events = [received("09:00"), waiting("10:00"), reclassified("11:00", priority="urgent")]
    played = play([*events, *([resumed("12:00")] if over else [])], under=under, looks=["13:00"])
    assert played.told() == told
    [clock] = fold(played.contact.log, played.domain.book, at("13:00")).clocks[:1]
    assert clock.listed
    assert when(clock.due_at or MONDAY) == ("12:00" if over else "11:00")
    assert all(alert.next_at is None for alert in played.contact.alerts.values())


def test_a_change_taken_back_during_the_pause_makes_nothing_late():
    under = SOLVE.replace("  - name: only\n", PAUSED.lstrip("\n"))
    edits = [reclassified("11:00", priority="urgent"), reclassified("11:30", priority="low")]
    assert due(received("09:00"), waiting("10:00"), *edits, resumed("12:00"), under=under) == "15:00"


# --- warnings -------------------------------------------------------------------------


def test_a_warning_that_is_not_true_any_more_after_a_change_is_taken_off_the_list():
    under = targets("first_response: {within: 1h}", warn="[30m before]").replace(
        "  - name: only\n",
        "  - {name: long, match: {priority: low}, calendar: office, warn: [30m before],"
        " targets: {first_response: {within: 4h}}}\n  - name: only\n",
    )
    played = play([received("09:00"), reclassified("09:45", priority="low")], under=under, looks=["09:40", "10:00"])
    assert played.alert().state == "cleared"
    played.look("12:31")
    assert played.told("sla.warned") == [("sla.warned", "09:30"), ("sla.warned", "12:30")]
    assert played.alert().state == "warned"


def test_a_pause_after_a_change_loses_no_warning():
    under = targets("resolution: {within: 1h, pause_on: [customer]}", warn="[50%]").replace(
        "  - name: only\n",
        "  - {name: long, match: {priority: low}, calendar: office, warn: [50%],"
        " targets: {resolution: {within: 4h, pause_on: [customer]}}}\n  - name: only\n",
    )
    events = [received("09:00"), reclassified("09:45", priority="low"), waiting("10:00"), resumed("10:30")]
    assert story(*events, under=under, looks=["13:00"]) == [("sla.warned", "09:30"), ("sla.warned", "11:30")]


# --- who has it -----------------------------------------------------------------------


@pytest.mark.parametrize("handed", [{"team": "legal"}, {"agent_id": "agent-7"}])
def test_policies_are_matched_again_for_whoever_has_the_contact_now(handed: dict[str, str]):
    field, value = next(iter(handed.items()))
    under = f"""{OFFICE}policies:
  - {{name: theirs, match: {{{field}: {value}}}, calendar: office, targets: {{first_response: {{within: 2h}}}}}}
  - {{name: rest, calendar: office, targets: {{first_response: {{within: 4h}}}}}}
"""
    first = [received("09:00", team="billing"), assigned("09:30", **handed)]
    assert due(*first, under=under) == "13:00", "being handed over alone matches nothing anew"
    assert due(*first, reclassified("10:00", topic="contract"), under=under) == "11:00"
    early = [assigned("08:00", **handed), received("09:00")]
    assert due(*early, under=under) == "11:00"


# --- what falls due next --------------------------------------------------------------


def test_what_is_late_already_does_not_hide_what_falls_due_next():
    played = play([received("09:00")], under=FULL, looks=["13:01"])
    contact = played.contact
    assert (when(contact.due_at or MONDAY), when(contact.next_due_at or MONDAY)) == ("13:00", "17:00")


def test_staff_and_what_only_a_later_event_is_known_of_are_no_work():
    staff = play([customer("08:00", audience="staff"), received("09:00")], under=FULL)
    assert (staff.contact.open, staff.contact.index()["in_work"]) == (True, False)
    unknown = play([responded("09:00")], under=FULL)
    assert (unknown.contact.open, unknown.contact.index()["in_work"]) == (True, False)


# --- reports and what was handed up -----------------------------------------------------


def test_an_unmet_report_breaches_once_until_it_is_made():
    events = [received("09:00"), responded("09:30"), updated("13:00")]
    assert story(*events, under=REPORT, looks=["12:00", "12:50", "15:30"]) == [
        ("sla.met", "09:30"),
        ("sla.breached", "11:30"),
        ("sla.breached", "15:00"),
    ]


def test_a_report_from_opening_on_is_owed_only_as_long_as_no_first_response_is():
    under = f"""{OFFICE}policies:
  - name: answers
    match: {{priority: high}}
    calendar: office
    targets: {{first_response: {{within: 4h}}, update: {{every: 2h}}}}
  - {{name: reports, calendar: office, targets: {{update: {{every: 3h}}}}}}
"""
    there = [received("09:00"), reclassified("09:30", priority="high")]
    assert story(*there, under=under, looks=["12:59"]) == [("sla.cancelled", "09:30")]
    back = [*there, reclassified("10:00", priority="low")]
    assert story(*back, under=under, looks=["12:59"])[-1] == ("sla.breached", "12:00")
    assert story(*there, responded("10:00"), under=under, looks=["12:59"])[1:] == [
        ("sla.met", "10:00"),
        ("sla.breached", "12:00"),
    ]


def test_a_change_of_class_after_a_reopening_brings_back_no_report_that_the_resolution_had_ended():
    under = f"""{OFFICE}policies:
  - {{name: answers, match: {{priority: high}}, calendar: office, targets: {{first_response: {{within: 4h}}}}}}
  - {{name: reports, calendar: office, targets: {{update: {{every: 3h}}}}}}
"""
    again = [reopened("11:00"), reclassified("11:30", priority="high"), reclassified("12:00", priority="low")]
    played = play([received("09:00"), resolved("10:00"), *again], under=under, looks=["13:00", "Fri 17:00"])
    played.take(assigned("Fri 18:00", agent_id="ada"))
    assert played.told() == [("sla.met", "10:00")]
    assert set(played.contact.told) == {"update/1"}
    other = [received("09:00", priority="high"), resolved("10:00"), *again]
    assert story(*other, under=under, looks=["Fri 17:00"]) == [("sla.met", "10:00")]


def test_handed_up_twice_while_it_is_owed_is_once():
    events = [received("09:00"), escalated("10:00"), escalated("10:30")]
    assert story(*events, under=HANDED, looks=["13:00"]) == [("sla.breached", "11:00")]


def test_handed_up_again_after_an_answer_is_another_cycle():
    events = [received("09:00"), escalated("10:00"), responded("10:30"), escalated("11:00")]
    played = play(events, under=HANDED, looks=["13:00"])
    assert played.told() == [("sla.met", "10:30"), ("sla.breached", "12:00")]
    assert set(played.contact.told) == {"escalated/1", "escalated/2"}


# --- the end, and beginning again -------------------------------------------------------


@pytest.mark.parametrize("outcome", ["spam", "duplicate"])
def test_spam_and_duplicates_cancel_what_runs_and_nothing_opens_them_again(outcome: str):
    events = [received("09:00"), resolved("09:30", outcome=outcome), received("10:00"), reopened("10:30")]
    played = play(events, under=FULL, looks=["+2 09:00"])
    assert played.told() == [("sla.cancelled", "09:30")] * 2
    assert played.contact.status == outcome


def test_nothing_opens_again_what_was_merged():
    events = [received("09:00"), merged("09:30"), received("10:00"), reopened("10:30")]
    assert play(events, under=FULL).contact.status == "merged"


def test_reopening_what_is_open_changes_nothing():
    assert due(received("09:00"), reopened("10:00"), under=SOLVE) == "13:00"


def test_a_reopening_owes_an_answer_and_no_first_one():
    played = play([received("09:00"), responded("09:30"), resolved("10:00"), reopened("11:00")], under=FULL)
    assert set(played.contact.told) == {"first_response/1", "resolution/1", "next_response/1", "resolution/2"}
    assert played.contact.due_at == at("13:00")


def test_a_caller_who_gave_up_and_writes_again_is_waited_for():
    played = play([received("09:00"), abandoned("09:10"), received("10:00")], under=FULL)
    assert played.contact.status == "open"
    assert played.contact.due_at == at("12:00")


def test_a_breached_resolution_that_is_reopened_has_the_floor_left():
    text = targets("resolution: {within: 2h}", reopen_floor="25%")
    assert due(received("09:00"), resolved("12:00"), reopened("13:00"), under=text) == "13:30"


def test_what_was_closed_before_any_of_it_was_used_has_all_of_it_left_and_no_more():
    text = targets("resolution: {by: end of next business day}")
    assert due(received("Sat 10:00"), resolved("Sat 11:00"), reopened("+8 12:00"), under=text) == "+9 12:00"
    assert due(received("09:00"), resolved("09:00"), reopened("Tue 12:00"), under=text) == "Thu 12:00"


def test_exactly_reopen_within_still_goes_on_with_what_was_left():
    text = targets("resolution: {within: 4h}", reopen_within="1d")
    events = [received("09:00"), resolved("10:00")]
    assert due(*events, received("Tue 10:00"), under=text) == "Tue 13:00"
    assert due(*events, received("Tue 10:00:01"), under=text) == "Tue 14:00:01"


# --- who is watched ---------------------------------------------------------------------


def test_partners_are_watched_as_customers_are():
    assert due(customer("08:00", audience="partner"), received("09:00"), under=FULL) == "13:00"


@pytest.mark.parametrize("audience", ["staff", "test"])
def test_who_turns_out_to_be_nobody_to_watch_is_owed_nothing_more_also_after_an_answer(audience: str):
    answered = [received("09:00"), responded("09:30"), customer("10:00", audience=audience)]
    played = play([*answered, received("11:00")], under=FULL, looks=["Fri 17:00"])
    assert played.told() == [("sla.met", "09:30"), ("sla.cancelled", "10:00")]
    again = play([*answered[:2], resolved("09:45"), answered[2], received("11:00")], under=FULL, looks=["Fri 17:00"])
    assert again.told() == [("sla.met", "09:30"), ("sla.met", "09:45")]
    back = play([*answered, customer("12:00", audience="customer")], under=FULL, looks=["Fri 17:00"])
    assert back.told()[-1] == ("sla.breached", "17:00")


def test_an_outbound_contact_has_its_resolution_all_the_same():
    assert due(received("09:00", direction="outbound"), under=SOLVE) == "13:00"


def test_a_further_outbound_message_is_no_answer_and_no_message_of_the_customer():
    events = [received("09:00"), received("10:00", direction="outbound")]
    assert story(*events, under=FULL, looks=["14:00"]) == [("sla.breached", "13:00")]


def test_what_is_reclassified_before_it_is_known_counts_when_it_arrives():
    text = targets("first_response: {within: 1h}", match="{priority: high}")
    assert due(reclassified("09:30", priority="high"), received("09:00"), under=text) == "10:00"


# --- verdicts -----------------------------------------------------------------------------


def test_what_was_met_and_turns_out_too_late_is_a_breach_dated_by_its_deadline():
    events = [received("13:00", id="later"), responded("15:00")]
    played = play(events, under=targets("first_response: {within: 4h}"))
    assert played.told() == [("sla.met", "15:00")]
    played.take(received("09:00"), now="15:30")
    assert played.told() == [("sla.met", "15:00"), ("sla.corrected", "13:00")]
    corrected = next(event.data for event in played.events if event.type == "sla.corrected")
    assert isinstance(corrected, SlaCorrected)
    assert (corrected.announced, corrected.verdict, corrected.met_at) == ("met", "breached", at("15:00"))


def test_what_is_cancelled_owed_again_and_cancelled_is_told_twice_under_two_names():
    under = f"""{OFFICE}policies:
  - {{name: nothing, match: {{priority: low}}, calendar: office}}
  - {{name: rest, calendar: office, targets: {{resolution: {{within: 8h}}}}}}
"""
    there_and_back = [reclassified("10:00", priority="low"), reclassified("11:00", priority="normal")]
    played = play([received("09:00"), *there_and_back, merged("12:00")], under=under)
    assert played.told() == [("sla.cancelled", "10:00"), ("sla.cancelled", "12:00")]
    assert len({event.id for event in played.events}) == len(played.events)


def test_a_cycle_keeps_its_number_when_an_earlier_event_turns_out_to_have_begun_it():
    events = [received("09:00"), responded("09:30"), received("11:00")]
    played = play(events, under=FULL)
    played.take(received("10:00"), now="11:10")
    assert set(played.contact.told) >= {"next_response/1"}
    assert "next_response/2" not in played.contact.told
