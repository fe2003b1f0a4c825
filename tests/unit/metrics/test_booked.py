"""What was booked by an instant, and the facts that this alone makes."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from metrics.domain import ContactFact, CustomerFact, JournalEntry, booked
from metrics.domain.notes import LONGEST_LOG
from rapport.contracts import Data, Event
from rapport.erasing import OURS

from tests.support.booking import taken_in
from tests.support.metrics import Memory, at, event, opened, received, responded, verdict
from tests.support.replay import journal
from tests.unit.metrics.test_laws import histories

MIDNIGHT = at("00:00", day=1)


def told_late(*events: Event[Data], cut: datetime = MIDNIGHT) -> set[str]:
    """The types of those of ours that follow from what was booked later."""
    entries = {entry.id: entry for entry in journal(Memory().feed(*events))}
    return {entries[name].type for name in booked.told_late(entries.values(), cut)}


def of_ours(one: Event[Data], cause: Event[Data] | None = None) -> Event[Data]:
    return taken_in(one, None, cause.id if cause else None)


ANSWER = responded(at("23:50"), recorded=at("00:10", day=1))
MET = of_ours(verdict("met", at("23:50"), at("23:55")), ANSWER)


def test_a_verdict_is_as_late_as_the_answer_that_led_to_it():
    assert told_late(ANSWER, MET) == {"sla.met"}


def test_a_verdict_that_nothing_led_to_but_time_is_booked_when_it_was_due():
    assert not told_late(ANSWER, of_ours(verdict("breached", at("23:55"), at("23:55"))))


def test_what_was_so_before_the_event_that_had_us_look_is_not_as_late_as_that():
    answer = responded(at("23:58"), recorded=at("00:10", day=1))
    assert not told_late(answer, of_ours(verdict("breached", at("23:55"), at("23:55")), answer))


def test_what_follows_from_what_is_told_late_is_late_too():
    facts: dict[str, Any] = {"followup_id": "fu-1", "play": "p", "step": 0, "do": "check_in", "purpose": "service"}
    sent = of_ours(event("followup.sent", at("23:56"), source="/rapport/followup", channel="email", **facts), MET)
    assert told_late(sent, MET, ANSWER) == {"sla.met", "followup.sent"}


def test_what_others_tell_is_booked_when_it_is_taken_in_whatever_they_say_led_to_it():
    assert not told_late(ANSWER, responded(at("23:55"), caused_by=ANSWER.id, recorded=at("23:56")))


@settings(deadline=None)
@given(history=histories())
def test_folding_at_once_is_what_folding_event_by_event_gives(history):
    memory = Memory().feed(*history)
    customers = {name: fact for name, fact in memory.kept[CustomerFact].items() if isinstance(fact, CustomerFact)}
    entries = journal(memory)
    for name in {entry.contact_id for entry in entries if entry.contact_id}:
        theirs = [one for one in entries if one.contact_id == name]
        is_spoken_of = not all(one.source.startswith(OURS) for one in theirs)
        known = memory.kept[ContactFact].get(name) if is_spoken_of else None
        assert _plainly(booked.contact_of(name, theirs, customers)) == _plainly(known)
    for name in {entry.customer_id for entry in entries if entry.customer_id}:
        theirs = [one for one in entries if one.customer_id == name and one.contact_id is None]
        assert _plainly(booked.customer_of(name, theirs)) == _plainly(customers.get(name))


def test_an_endless_contact_is_folded_likewise():
    memory = Memory().feed(received(at("09:00")), opened(at("09:00"), {"first_response": at("10:00")}))
    memory.feed(*(responded(at("10:00"), agent_id="ann", handle_seconds=30) for _ in range(LONGEST_LOG + 100)))
    assert _plainly(booked.contact_of("C-1", journal(memory), {})) == _plainly(memory.fact())


@pytest.mark.parametrize("entries", [[], ["alert"]])
def test_of_whom_nothing_was_said_then_there_is_nothing(entries):
    facts: dict[str, Any] = {"alert_id": "a", "target": "resolution", "cycle": 1, "due_at": at("10:00")}
    alert = event("alert.closed", at("10:00"), source="/rapport/sla-monitor", by="ann", reason="x", **facts)
    told: list[JournalEntry] = journal(Memory().feed(alert)) if entries else []
    assert booked.contact_of("C-1", told, {}) is None
    assert booked.customer_of("K-1", told) is None


def _plainly(fact: ContactFact | CustomerFact | Any) -> dict[str, Any] | None:
    """What it is to reports and to histories, whatever the order in which it was told."""
    if fact is None:
        return None
    fields = {name: getattr(fact, name) for name in fact.__struct_fields__ if name not in ("partition", "backfill")}
    marks = sorted(map(repr, fields.pop("marks")))
    return {**fields, "marks": marks}
