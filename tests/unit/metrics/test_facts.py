"""What single stories of contacts add up to."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from metrics.answers import contacts_csv
from metrics.domain.measures import MEASURES
from metrics.domain.notes import LONGEST_LOG

from tests.support.metrics import Memory, answered, at, cleared, event, opened, received, resolved, responded, verdict


def first(memory: Memory, measure: str, **parameters: Any) -> dict[str, Any]:
    return memory.report(measure, **parameters)[0]


def test_the_unanswered_wait_in_sight():
    row = first(Memory().feed(received(at("09:00"))), "first_response")
    assert (row["count"], row["still_waiting"], row["calendar_p50"]) == (0, 1, None)


def test_an_automated_answer_answers_nobody():
    memory = Memory().feed(received(at("09:00")), responded(at("09:01"), automated=True))
    assert first(memory, "first_response")["still_waiting"] == 1


def test_who_was_resolved_without_an_answer_waits_no_more():
    row = first(Memory().feed(received(at("09:00")), resolved(at("10:00"))), "first_response")
    assert (row["count"], row["still_waiting"], row["without_response"]) == (0, 0, 1)


def test_an_answer_that_came_before_its_question_counts_once_that_arrives():
    answer, question = responded(at("09:30")), received(at("09:00"))
    memory = Memory().feed(answer)
    assert memory.rows == {}
    assert first(memory.feed(question), "first_response")["calendar_mean"] == 1800


def test_a_further_message_is_no_further_contact():
    memory = Memory().feed(received(at("09:00")), received(at("09:05")))
    assert first(memory, "contacts")["contacts"] == 1
    assert first(memory, "messages")["messages"] == 2


def test_what_we_caused_ourselves_is_no_contact():
    memory = Memory().feed(event("contact.received", at("09:00"), channel="email", caused_by="S-1"))
    assert first(memory, "contacts")["contacts"] == 0


def test_our_own_call_is_no_contact_of_the_customer_until_they_write():
    call = received(at("09:00"), direction="outbound")
    memory = Memory().feed(call)
    assert memory.rows == {}
    memory.feed(received(at("11:00")), responded(at("11:10")))
    assert first(memory, "contacts")["contacts"] == 0
    assert first(memory, "first_response")["calendar_mean"] == 600


def test_a_reopened_contact_is_not_resolved_but_was_once():
    memory = Memory().feed(received(at("09:00")), resolved(at("10:00")), event("contact.reopened", at("11:00")))
    row = first(memory, "resolution")
    assert (row["count"], row["still_waiting"], row["first_count"]) == (0, 1, 1)
    row = first(memory.feed(resolved(at("13:00"))), "resolution")
    assert (row["count"], row["calendar_mean"], row["first_calendar_mean"]) == (1, 4 * 3600, 3600)


def test_spam_is_neither_resolved_nor_waiting():
    memory = Memory().feed(received(at("09:00")), resolved(at("10:00"), outcome="spam"), received(at("11:00")))
    row = first(memory, "resolution")
    assert (row["count"], row["still_waiting"], row["first_count"]) == (0, 0, 0)


def test_open_seconds_are_what_sla_monitor_measured():
    deadline = opened(at("17:00"), {"first_response": at("10:00", day=1)})
    memory = Memory().feed(received(at("17:00")), deadline, responded(at("09:30", day=1)))
    assert first(memory, "first_response")["mean"] is None
    memory.feed(verdict("met", at("09:30", day=1), at("10:00", day=1), open_seconds=1800))
    row = first(memory, "first_response")
    assert (row["mean"], row["open_count"], row["open_at_least"]) == (1800, 1, 0)
    assert row["calendar_mean"] == 16.5 * 3600


def test_business_time_to_resolution_is_that_of_all_cycles_and_to_the_first_that_of_the_first():
    def solved(cycle: int, when: datetime, seconds: float) -> Any:
        return verdict("met", when, at("17:00"), target="resolution", cycle=cycle, open_seconds=seconds)

    memory = Memory().feed(received(at("09:00")), resolved(at("10:00")), solved(1, at("10:00"), 3000))
    memory.feed(event("contact.reopened", at("11:00")), resolved(at("12:00")), solved(2, at("12:00"), 1200))
    row = first(memory, "resolution")
    assert (row["mean"], row["first_mean"], row["open_count"], row["first_open_count"]) == (4200, 3000, 1, 1)


def test_what_is_resolved_in_the_instant_in_which_it_was_asked_took_no_time():
    row = first(Memory().feed(received(at("09:00")), resolved(at("09:00"))), "resolution")
    assert (row["count"], row["calendar_mean"], row["still_waiting"]) == (1, 0, 0)


def test_of_a_late_answer_the_open_time_is_at_least_that_of_the_breach():
    memory = Memory().feed(
        received(at("09:00")),
        verdict("breached", at("10:00"), at("10:00"), open_seconds=3600),
        responded(at("11:00")),
    )
    row = first(memory, "first_response")
    assert (row["mean"], row["open_at_least"]) == (3600, 1)
    row = first(memory.feed(cleared(at("11:00"), at("10:00"), open_seconds=7200)), "first_response")
    assert (row["mean"], row["open_at_least"]) == (7200, 0)


def test_a_verdict_belongs_to_the_day_of_its_due_instant_and_to_who_had_the_contact_then():
    memory = Memory().feed(
        received(at("09:00"), agent_id="ann", team="a"),
        event("contact.assigned", at("08:00", day=2), agent_id="bob", team="b"),
        verdict("breached", at("12:00", day=1), at("12:00", day=1)),
    )
    [row] = memory.report("sla", by="target,agent,team", granularity="day")
    assert (row["period"], row["agent"], row["team"], row["breached"]) == ("2026-03-03", "ann", "a", 1)


def test_a_breach_while_nobody_had_the_contact_is_nobodys():
    memory = Memory().feed(
        received(at("09:00")),
        verdict("breached", at("10:00"), at("10:00"), owner="bob", team="b"),
        event("contact.assigned", at("11:00"), agent_id="bob", team="b"),
    )
    [row] = memory.report("sla", by="agent,team")
    assert (row["agent"], row["team"], row["breached"]) == (None, None, 1)


def test_a_deadline_of_a_contact_of_which_nothing_else_is_known_is_credited_as_sla_monitor_says():
    memory = Memory().feed(verdict("breached", at("10:00"), at("10:00"), owner="ann", team="a"))
    [row] = memory.report("sla", by="agent,team")
    assert (row["agent"], row["team"]) == ("ann", "a")


def test_a_correction_takes_the_verdict_back():
    memory = Memory().feed(received(at("09:00")), verdict("breached", at("10:00"), at("10:00")))
    told: dict[str, Any] = {"announced": "breached", "verdict": "met", "sequence": 3}
    memory.feed(verdict("corrected", at("10:30"), at("10:00"), **told))
    [row] = memory.report("sla", by="target")
    assert (row["met"], row["breached"]) == (1, 0)


def test_two_cycles_that_add_the_very_same_are_two():
    memory = Memory().feed(received(at("09:00")))
    for cycle in (1, 2, 3):
        memory.feed(verdict("met", at("09:30"), at("10:00"), target="update", cycle=cycle, sequence=cycle))
    assert memory.report("sla", by="target", facts=False)[0]["met"] == 3


def test_a_deadline_that_moves_runs_on_the_day_it_moved_to():
    memory = Memory().feed(
        opened(at("09:00"), {"promise": at("12:00")}),
        opened(at("10:00"), {"promise": at("12:00", day=1)}, sequence=2),
    )
    [row] = memory.report("sla", by="target", granularity="day")
    assert (row["period"], row["running"]) == ("2026-03-03", 1)


def test_a_response_is_credited_to_who_answered_and_a_score_to_who_answered_last_before_the_resolution():
    memory = Memory().feed(
        received(at("09:00"), agent_id="owner"),
        responded(at("09:10"), agent_id="ann"),
        responded(at("09:20"), agent_id="bob"),
        resolved(at("09:30"), agent_id="eve"),
        answered(at("12:00"), 4, "S", contact_id="C-1"),
    )
    assert memory.report("first_response", by="agent")[0]["agent"] == "ann"
    assert memory.report("csat", by="agent")[0]["agent"] == "bob"


def test_a_score_stays_with_the_resolution_that_it_is_about():
    begun = (
        received(at("09:00"), team="a"),
        responded(at("09:10"), agent_id="ann"),
        resolved(at("09:30")),
        answered(at("12:00"), 5, "S", contact_id="C-1"),
    )
    again = (
        event("contact.reopened", at("13:00")),
        event("contact.assigned", at("13:10"), agent_id="bob", team="b"),
        responded(at("13:20"), agent_id="bob"),
        resolved(at("13:30")),
        answered(at("15:00"), 1, "T", contact_id="C-1"),
    )
    for order in ((*begun, *again), (*again[::-1], *begun)):
        [good, bad] = Memory().feed(*order).report("csat", by="agent,team")
        assert (good["agent"], good["team"], good["score"]) == ("ann", "a", 1.0)
        assert (bad["agent"], bad["team"], bad["score"]) == ("bob", "b", 0.0)


def test_a_second_word_of_a_resolution_changes_its_outcome_and_not_its_instant():
    memory = Memory().feed(received(at("09:00")), resolved(at("10:00")), resolved(at("12:00"), outcome="declined"))
    memory.feed(resolved(at("13:00"), outcome=None))
    row = first(memory, "resolution", by="outcome")
    assert (row["outcome"], row["count"], row["calendar_mean"], row["first_calendar_mean"]) == (
        "declined",
        1,
        3600,
        3600,
    )


def test_what_turns_out_to_be_spam_was_never_resolved_and_what_turns_out_not_to_be_was_resolved_at_once():
    begun = (received(at("09:00")), resolved(at("10:00")), resolved(at("12:00"), outcome="spam"))
    row = first(Memory().feed(*begun), "resolution")
    assert (row["count"], row["still_waiting"], row["first_count"]) == (0, 0, 0)
    row = first(Memory().feed(*begun, resolved(at("13:00"))), "resolution")
    assert (row["count"], row["calendar_mean"], row["first_calendar_mean"]) == (1, 3600, 3600)


def test_the_last_answer_to_a_survey_counts():
    memory = Memory().feed(answered(at("12:00"), 5, "S"), answered(at("11:00"), 1, "S"))
    row = first(memory, "csat")
    assert (row["answers"], row["score"], row["mean"]) == (1, 1.0, 5.0)


def test_transactional_and_relational_nps_are_never_pooled():
    memory = Memory().feed(
        answered(at("12:00"), 10, "A", "nps"), answered(at("12:00"), 3, "B", "nps", context="relational")
    )
    assert [(row["context"], row["score"]) for row in memory.report("nps")] == [
        ("relational", -100.0),
        ("transactional", 100.0),
    ]


def test_staff_are_left_out_unless_asked_for_even_when_that_is_learned_later():
    memory = Memory().feed(received(at("09:00")))
    memory.feed(event("customer.updated", at("10:00"), audience="staff"))
    assert memory.rows == {}
    assert first(memory, "contacts", facts=True)["contacts"] == 0
    assert first(memory, "contacts", filter="audience:staff")["contacts"] == 1
    memory.feed(event("customer.updated", at("11:00"), audience=None))
    assert first(memory, "contacts")["contacts"] == 1


def test_the_tier_is_that_at_the_opening():
    memory = Memory().feed(
        event("customer.updated", at("08:00"), tier="silver"),
        received(at("09:00")),
        event("customer.updated", at("10:00"), tier="gold"),
        received(at("11:00"), "C-2"),
    )
    assert [(row["tier"], row["contacts"]) for row in memory.report("contacts", by="tier")] == [
        ("gold", 1),
        ("silver", 1),
    ]


def test_somebody_anonymous_who_turns_out_to_be_known_keeps_one_contact():
    unknown, known = received(at("09:00"), customer_id="anonymous:77"), responded(at("09:10"), customer_id="K-5")
    for order in ((unknown, known), (known, unknown)):
        memory = Memory(partitions=3).feed(*order)
        assert memory.fact().customer_id == "K-5"
        assert first(memory, "contacts")["contacts"] == 1


def test_an_endless_contact_stays_small_and_what_comes_before_its_cut_is_too_late():
    messages = [received(at("09:00") + timedelta(minutes=n)) for n in range(LONGEST_LOG + 1)]
    memory = Memory().feed(*messages)
    assert len(memory.fact().log) <= LONGEST_LOG
    late = received(at("09:00:30"))
    memory.feed(late)
    assert memory.entry(late).fate == "too_late"
    assert first(memory, "messages")["messages"] == LONGEST_LOG + 1
    assert memory.balance == {"taken": LONGEST_LOG + 2, "folded": LONGEST_LOG + 1, "too_late": 1}


def test_the_same_identity_with_other_content_is_noted_and_changes_nothing():
    one = received(at("09:00"), id="x", attributes={"a": 1, "b": 2})
    same = received(at("09:00"), id="x", attributes={"b": 2, "a": 1}, recorded=at("12:00"))
    other = received(at("09:00"), id="x", channel="phone")
    memory = Memory().feed(one, same, other)
    entry = memory.entry(one)
    assert (entry.duplicates, entry.differing) == (2, 1)
    assert [repeat.fate for repeat in entry.repeats] == ["duplicate", "duplicate (differs)"]
    assert memory.report("contacts", by="channel") == [{"channel": "email", "contacts": 1}]
    assert memory.balance == {"taken": 3, "folded": 1, "duplicate": 1, "differing": 1}


def test_whatever_a_contact_adds_has_its_column():
    memory = Memory().feed(
        received(at("09:00")),
        verdict("breached", at("10:00"), at("10:00"), open_seconds=3600),
        verdict("breached", at("12:00"), at("12:00"), target="resolution", open_seconds=7200, sequence=3),
        verdict("breached", at("12:00"), at("12:00"), target="promise", sequence=4),
        event("contact.assigned", at("09:10"), agent_id="ann"),
        event("contact.assigned", at("09:20"), agent_id="bob"),
        event("contact.escalated", at("09:30"), to="lead"),
        responded(at("11:00"), handle_seconds=60),
        resolved(at("12:30")),
        event("contact.reopened", at("12:40")),
        resolved(at("13:00")),
        event("quality.reviewed", at("13:10"), contact_id="C-1", score=4, out_of=5),
        *(answered(at("14:00"), 4, kind, kind, contact_id="C-1") for kind in ("csat", "nps", "ces")),
        event(
            "followup.owed",
            at("14:30"),
            followup_id="fu-1",
            contact_id="C-1",
            play="calls",
            step=0,
            do="check_in",
            purpose="service",
            due_at=at("15:00"),
        ),
    )
    fact, measured = memory.fact(), set()
    for measure in MEASURES.values():
        marks = [mark for mark in fact.index()["marks"] if mark["measure"] == measure.marks]
        head, *lines = contacts_csv(measure, [(fact, marks)]).splitlines()
        assert len(lines) == len(marks)
        assert set(measure.adds) <= set(head.split(","))
        measured |= {measure.name} if marks else set()
    assert measured == {measure.name for measure in MEASURES.values() if not measure.whole}


def test_the_journal_keeps_the_whole_event_with_what_was_cleared():
    cleared = event("customer.updated", at("09:00"), tier=None, not_yet_known=1)
    kept = json.loads(Memory().feed(cleared).entry(cleared).text)["data"]
    assert kept["tier"] is None
    assert kept["not_yet_known"] == 1


@pytest.mark.parametrize("what", ["contact.waiting", "contact.resumed", "contact.promised"])
def test_what_no_figure_depends_on_is_kept_all_the_same(what):
    more: dict[str, dict[str, Any]] = {
        "contact.waiting": {"on": "customer"},
        "contact.promised": {"promised_by": at("12:00")},
    }
    one = event(what, at("09:00"), **more.get(what, {}))
    memory = Memory().feed(one)
    assert memory.entry(one).fate == "folded"
    assert memory.rows == {}


@pytest.mark.parametrize("facts", [False, True])
def test_the_hour_that_comes_twice_in_an_autumn_night_is_two_hours(facts):
    first, second = (datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1))
    memory = Memory().feed(received(first, "C-1"), received(second, "C-2"), received(second, "C-3"))
    assert memory.report("contacts", granularity="hour", tz="Europe/Berlin", facts=facts) == [
        {"period": "2026-10-25T02:00:00+02:00", "contacts": 1},
        {"period": "2026-10-25T02:00:00+01:00", "contacts": 2},
    ]


def test_the_tier_is_that_of_the_opening_also_where_the_opening_is_heard_of_last_and_was_nameless():
    tiers = [
        event("customer.updated", at("07:00"), customer_id="K-5", tier="silver"),
        event("customer.updated", at("12:00"), customer_id="K-5", tier="gold"),
    ]
    nameless = received(at("10:00"), "C-5", customer_id="anonymous:5")
    named = received(at("13:00"), "C-5", customer_id="K-5")
    found = [Memory().feed(*tiers, *told).fact("C-5") for told in ([nameless, named], [named, nameless])]
    assert [(fact.customer_id, fact.dimensions["tier"]) for fact in found] == [("K-5", "silver")] * 2
