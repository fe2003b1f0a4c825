"""The course of contacts: reopened, handed over and up, promised, worked on, reviewed; when, and whose figure it is."""

from typing import Any

import pytest
from metrics.domain.kept import Mark
from metrics.domain.marks import NOTHING, Counting, difference
from metrics.domain.notes import LONGEST_LOG
from metrics.domain.story import Story
from rapport.contracts import Data, Event

from tests.support.metrics import Memory, at, event, opened, received, resolved, responded, verdict


def only(memory: Memory, measure: str, **parameters: Any) -> dict[str, Any]:
    [row] = memory.report(measure, **parameters)
    return row


def by_agent(memory: Memory, measure: str, figure: str) -> dict[str | None, int]:
    return {row["agent"]: row[figure] for row in memory.report(measure, by="agent")}


def assigned(when: Any, **data: Any) -> Event[Data]:
    return event("contact.assigned", when, **data)


# --- answered soon enough --------------------------------------------------------------------


def called(contact: str, *rest: Event[Data]) -> list[Event[Data]]:
    return [received(at("09:00"), contact, channel="phone"), *rest]


def left(when: Any, contact: str, **data: Any) -> Event[Data]:
    return event("contact.abandoned", when, contact_id=contact, **data)


def test_the_service_level_is_who_was_answered_in_time_of_those_who_were_or_gave_up_too_late():
    memory = Memory().feed(
        *called("C-1", responded(at("09:00:20"), "C-1", agent_id="ann")),
        *called("C-2", responded(at("09:00:21"), "C-2", agent_id="ann")),
        *called("C-3", left(at("09:00:21"), "C-3")),
        *called("C-4", left(at("09:00:20"), "C-4")),
        *called("C-5", left(at("09:02"), "C-5", waited_seconds=5)),
        *called("C-6"),
    )
    row = only(memory, "answered_within")
    assert row == {
        "service_level": pytest.approx(1 / 3, abs=1e-6),
        "answered": 2,
        "abandoned": 3,
        "within": 1,
        "abandoned_late": 1,
        "abandoned_short": 1,
    }
    assert by_agent(memory, "answered_within", "answered") == {"ann": 2, None: 0}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_who_gave_up_has_given_up_though_somebody_answers_later_and_who_was_answered_has_not(order: tuple[int, ...]):
    gave_up = called("C-1", left(at("09:01"), "C-1"), responded(at("09:02"), "C-1"))
    hung_up = called("C-2", responded(at("09:01"), "C-2"), left(at("09:02"), "C-2"))
    memory = Memory().feed(*(gave_up[n] for n in order), *(hung_up[n] for n in order))
    row = only(memory, "answered_within")
    assert (row["answered"], row["abandoned"]) == (1, 1)


# --- the same everywhere ---------------------------------------------------------------------


def test_locations_are_held_side_by_side_with_intervals_and_how_far_they_lie_apart():
    memory = Memory()
    for number, (location, kind) in enumerate(
        [("bonn", "met"), ("bonn", "met"), ("bonn", "breached"), ("kiel", "breached"), (None, "met")]
    ):
        contact = f"C-{number}"
        memory.feed(
            received(at("08:00"), contact, **({"location": location} if location else {})),
            verdict(kind, at("09:00"), at("09:00"), contact),
        )
    memory.feed(opened(at("08:00"), {"first_response": at("12:00")}, "C-9"))
    rows = memory.report("consistency", facts=True)
    assert [(row["location"], row["attainment"], row["met"], row["breached"]) for row in rows] == [
        ("bonn", pytest.approx(2 / 3, abs=1e-6), 2, 1),
        ("kiel", 0.0, 0, 1),
        (None, 1.0, 1, 0),
    ]
    assert [row["spread"] for row in rows] == [*[pytest.approx(2 / 3, abs=1e-6)] * 2, None]
    assert (rows[0]["low"], rows[0]["high"]) == (pytest.approx(0.2077, abs=1e-4), pytest.approx(0.9385, abs=1e-4))
    by_target = memory.report("consistency", by="target", filter="location:bonn")
    assert [(row["target"], row["spread"]) for row in by_target] == [("first_response", 0.0)]


# --- in their language -----------------------------------------------------------------------


@pytest.mark.parametrize("first", [True, False])
def test_the_first_answer_is_in_the_customer_s_language_or_else_in_that_of_the_contact(first: bool):  # noqa: FBT001
    german = event("customer.updated", at("08:00"), language="de")
    rest = (
        received(at("09:00"), "C-1", language="en"),
        responded(at("09:10"), "C-1", language="DE_at", agent_id="ann"),
        responded(at("09:20"), "C-1", language="fr", agent_id="eve"),
        received(at("09:00"), "C-2", language="en", customer_id="K-2"),
        responded(at("09:10"), "C-2", language="de", agent_id="bob", customer_id="K-2"),
        received(at("09:00"), "C-3"),
        responded(at("09:10"), "C-3"),
    )
    memory = Memory().feed(*((german, *rest) if first else (*rest, german)))
    assert only(memory, "in_language") == {"share": 0.5, "in_language": 1, "count": 2, "unknown": 1}
    assert by_agent(memory, "in_language", "in_language") == {"ann": 1, "bob": 0, None: 0}


# --- reopened, handed over, handed up --------------------------------------------------------


def test_a_reopening_is_put_down_to_whoever_had_resolved_it_on_its_own_day():
    memory = Memory().feed(
        received(at("09:00")),
        resolved(at("10:00"), agent_id="ann"),
        received(at("09:00", day=1)),
        resolved(at("10:00", day=1), agent_id="bob"),
        event("contact.reopened", at("11:00", day=1)),
    )
    assert by_agent(memory, "reopens", "reopens") == {"ann": 1, "bob": 1}
    days = memory.report("reopens", granularity="day")
    assert [(row["period"], row["reopens"]) for row in days] == [("2026-03-03", 2)]


def test_who_had_left_or_was_spam_is_not_reopened():
    left = Memory().feed(received(at("09:00")), event("contact.abandoned", at("09:01")), received(at("10:00")))
    spam = Memory().feed(received(at("09:00")), resolved(at("09:01"), outcome="spam"), received(at("10:00")))
    assert left.report("reopens") == spam.report("reopens") == [{"reopens": 0}]


def test_a_handover_is_from_one_to_another_and_put_down_to_whoever_gave_it_away():
    memory = Memory().feed(
        received(at("09:00")),
        assigned(at("09:10"), agent_id="ann", team="a"),
        assigned(at("09:20"), agent_id="ann"),
        assigned(at("09:30"), agent_id="bob"),
        assigned(at("09:40"), team="b"),
        event("contact.reclassified", at("09:50"), team="c"),
    )
    assert by_agent(memory, "handovers", "handovers") == {"ann": 1, "bob": 1}


def test_what_is_handed_up_counts_for_whoever_had_it():
    memory = Memory().feed(
        received(at("09:00"), agent_id="ann"),
        event("contact.escalated", at("10:00"), to="lead"),
        event("contact.escalated", at("11:00"), to="manager"),
    )
    assert by_agent(memory, "escalations", "escalations") == {"ann": 2}


# --- promises -----------------------------------------------------------------------------------


def promise(due: str, number: int, *, again: bool = False) -> Event[Data]:
    told: dict[str, Any] = {"promise": at(due)}
    first = opened(at("09:00"), told, sequence=number)
    if not again:
        return first
    runs = [{"target": "promise", "cycle": 1, "started_at": at("09:00"), "due_at": at(due)}]
    return event(
        "sla.rescheduled",
        at("09:30"),
        source="/rapport/sla-monitor",
        deadlines=runs,
        cause="contact.promised",
        sequence=number,
    )


@pytest.mark.parametrize(
    ("kind", "figures"),
    [
        ("met", {"kept": 1, "broken": 0, "running": 0, "moved": 0}),
        ("breached", {"kept": 0, "broken": 1, "running": 0, "moved": 0}),
        ("cancelled", {"kept": 0, "broken": 0, "running": 0, "moved": 0}),
        (None, {"kept": 0, "broken": 0, "running": 1, "moved": 0}),
    ],
)
def test_a_promise_is_kept_broken_or_runs(kind: str | None, figures: dict[str, int]):
    memory = Memory().feed(received(at("09:00")), promise("12:00", 1))
    if kind:
        memory.feed(verdict(kind, at("11:00"), at("12:00"), target="promise", open_seconds=60))
    assert memory.report("promises") == [figures]


def test_a_promise_that_is_replaced_before_it_falls_due_has_moved_in_whatever_order_that_is_told():
    told = [promise("12:00", 1), promise("13:00", 2, again=True), promise("13:00", 3, again=True)]
    told += [promise("14:00", 4, again=True), verdict("met", at("13:30"), at("14:00"), target="promise", sequence=5)]
    for order in (told, told[::-1]):
        memory = Memory().feed(received(at("09:00")), *order)
        assert memory.report("promises") == [{"kept": 1, "broken": 0, "running": 0, "moved": 2}]


# --- work and how well it was done -----------------------------------------------------------------


def test_the_handling_time_is_that_of_every_piece_of_work_and_of_whoever_did_it():
    memory = Memory().feed(
        received(at("09:00"), agent_id="ann"),
        responded(at("09:10"), handle_seconds=60),
        responded(at("09:10", day=0), agent_id="bob", handle_seconds=120.5),
        responded(at("09:20"), automated=True, handle_seconds=1),
        responded(at("09:30")),
        resolved(at("10:00"), agent_id="ann", handle_seconds=300),
    )
    row = only(memory, "aht")
    assert (row["count"], row["mean"]) == (3, 160.166667)
    assert row["p99"] == pytest.approx(300, rel=0.01)
    assert by_agent(memory, "aht", "count") == {"ann": 2, "bob": 1}


def test_work_on_an_endless_contact_is_kept_by_the_hour():
    memory = Memory().feed(received(at("09:00")))
    many = [responded(at(f"{10 + n // 60}:{n % 60:02}"), handle_seconds=10) for n in range(LONGEST_LOG)]
    memory.feed(*many)
    assert memory.fact().base is not None
    row = only(memory, "aht")
    assert (row["count"], row["mean"]) == (LONGEST_LOG, 10)
    assert len([mark for mark in memory.fact().marks if mark.measure == "aht"]) < LONGEST_LOG


def test_of_answers_by_one_person_in_a_row_an_endless_contact_keeps_the_last():
    answers: list[tuple[int, str | None]] = [(1, "ann"), (2, "ann"), (3, "bob"), (4, "ann"), (5, "ann")]
    assert Story(answers=answers).by_the_hour().answers == [(2, "ann"), (3, "bob"), (5, "ann")]


def test_measures_that_are_answered_from_facts_alone_have_no_hourly_rows():
    marks = [Mark(name, 0, None, None, None, {"count": 1}) for name in ("first_response", "answered_within")]
    [row] = difference(Counting(tuple(marks), "email"), NOTHING)
    assert row.add == {"first_response.count": 1}


def reviewed(score: float, *, out_of: float = 10, **data: Any) -> Event[Data]:
    return event("quality.reviewed", at("15:00"), contact_id="C-1", score=score, out_of=out_of, **data)


def test_reviews_have_a_mean_of_the_best_score_and_an_interval():
    memory = Memory().feed(received(at("09:00")), responded(at("09:10"), agent_id="ann"), reviewed(8))
    assert only(memory, "quality") == {"mean": 0.8, "count": 1, "low": None, "high": None}
    memory.feed(reviewed(3, out_of=5), reviewed(10, agent_id="bob"))
    row = only(memory, "quality")
    assert (row["mean"], row["count"]) == (0.8, 3)
    # the sample deviation of 0.6, 0.8 and 1.0 is 0.2, a mean of three lies within 1.96 · 0.2 / √3 of it
    assert (row["low"], row["high"]) == (pytest.approx(0.573683, abs=1e-6), 1.0)
    assert by_agent(memory, "quality", "count") == {"ann": 2, "bob": 1}


def test_nobody_reviewed_has_no_mean():
    assert Memory().report("quality") == [{"mean": None, "count": 0, "low": None, "high": None}]
