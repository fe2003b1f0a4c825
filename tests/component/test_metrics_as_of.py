"""Law: a report as of a day is what a database answers at its end that has only taken in what was booked by then."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from metrics import lists
from metrics.domain import ContactFact, CustomerFact, JournalEntry
from metrics.domain.erasing import Erasure
from metrics.domain.measures import MEASURES
from metrics.domain.periods import local_midnight
from rapport.contracts import Data, Event
from rapport.runtime.documents import document_of
from rapport.runtime.problem import Problem
from rapport.runtime.store import Store

from tests.support.booking import LATER, Asked, booked_by, booked_histories, put, taken_in
from tests.support.clock import ManualClock
from tests.support.metrics import NOW, Memory, at, event, opened, received, resolved, responded, verdict
from tests.support.metrics_erasing import Forgetting, erased
from tests.support.metrics_erasing import history as erasable
from tests.support.replica import Site
from tests.support.stack import Addresses

KINDS = (JournalEntry, ContactFact, CustomerFact, Erasure)
ZONES = ("UTC", "Asia/Kathmandu", "America/New_York")
RANGES: tuple[dict[str, str], ...] = ({}, {"from": "2026-03-02", "to": "2026-03-04"}, {"from": "2026-03-02T09:17:00Z"})


@pytest.fixture
async def stores(
    stack: Addresses, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Store, Store]]:
    """Of one that knows all by now, and one that knows what was booked; lists look no further than they must."""
    monkeypatch.setattr(lists, "_LOOKED_AT", 1)
    sites = [Site(stack.mongodb, unique("as-of"), ManualClock(NOW), KINDS) for _ in range(2)]
    for site in sites:
        await site.prepare()
    yield sites[0].store, sites[1].store
    for site in sites:
        await site.close()


@st.composite
def questions(draw: st.DrawFn, name: str) -> dict[str, str]:
    measure = MEASURES[name]
    asked = {"measure": name} | draw(st.sampled_from(RANGES))
    if measure.over == "to_date":
        return {"measure": name}
    if measure.over == "periods":
        return {"measure": name, "from": "2026-03-02"} | draw(st.sampled_from([{}, {"granularity": "day"}]))
    if measure.dimensions is None:
        groupings = ["", "channel", "team", "agent,tier", "topic", "outcome,audience", "policy"]
        asked |= {"by": draw(st.sampled_from([*groupings, *([measure.part] if measure.part else [])]))}
        asked |= draw(
            st.sampled_from([{}, {}, {"filter": "channel:email"}, {"filter": "team:a|"}, {"filter": "tier:"}])
        )
    return asked | draw(st.sampled_from([{}, {"granularity": "day"}, {"granularity": "hour"}, {"granularity": "week"}]))


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=booked_histories(), day=st.integers(2, 5), data=st.data())
async def test_a_report_as_of_a_day_is_the_one_that_would_have_been_answered_at_its_end(stores, history, day, data):
    all_known, known_then = stores
    zone, last = data.draw(st.sampled_from(ZONES)), date(2026, 3, day)
    cut = local_midnight(last + timedelta(days=1), ZoneInfo(zone))
    await put(all_known, Memory().feed(*history))
    await put(known_then, Memory().feed(*booked_by(history, cut)))
    now, then = Asked(all_known, LATER, last.isoformat()), Asked(known_then, cut)

    for name, measure in MEASURES.items():
        asked = data.draw(questions(name)) | {"tz": zone}
        await _same(now.rows, then.rows, **asked)
        figure = data.draw(st.sampled_from([None, *measure.counts]))
        if measure.dimensions is None:
            asked = {k: v for k, v in asked.items() if k != "granularity"}
            await _same(now.contacts, then.contacts, **asked, figure=figure)
        if measure.whole:
            await _same(now.customers, then.customers, **asked, figure=figure)


async def _same(now: Callable[..., Awaitable[Any]], then: Callable[..., Awaitable[Any]], **asked: Any) -> None:
    assert await now(**asked) == await then(**asked), asked


@pytest.fixture
async def store(stack: Addresses, unique: Callable[[str], str]) -> AsyncIterator[Store]:
    site = Site(stack.mongodb, unique("as-of"), ManualClock(NOW), KINDS)
    await site.prepare()
    yield site.store
    await site.close()


async def asked(store: Store, *events: Event[Data]) -> tuple[Asked, Asked]:
    """Of a database that has taken these in: what it answers now, and as of Monday."""
    await put(store, Memory().feed(*events))
    return Asked(store, LATER), Asked(store, LATER, "2026-03-02")


TUESDAY = at("09:00", day=1)


async def test_an_answer_that_is_heard_of_after_the_day_changes_its_report_but_not_as_of_it(store: Store):
    answer = responded(at("23:50"), recorded=TUESDAY)
    late = taken_in(verdict("met", at("23:50"), at("23:55")), None, answer.id)
    now, then = await asked(
        store, received(at("23:40")), opened(at("23:40"), {"first_response": at("23:55")}), answer, late
    )

    assert (await now.rows(measure="sla"))[0]["met"] == 1
    assert (await then.rows(measure="sla"))[0] == {
        "met": 0,
        "breached": 0,
        "running": 1,
        "cancelled": 0,
        "attainment": None,
    }
    assert (await now.rows(measure="first_response"))[0]["count"] == 1
    assert (await then.rows(measure="first_response"))[0]["still_waiting"] == 1


async def test_a_contact_that_is_heard_of_after_the_day_is_not_in_it(store: Store):
    now, then = await asked(
        store, received(at("10:00"), "C-1"), received(at("11:00"), "C-2", channel="phone", recorded=TUESDAY)
    )

    assert [row["channel"] for row in await now.rows(measure="contacts", by="channel")] == ["email", "phone"]
    assert await then.rows(measure="contacts", by="channel") == [{"channel": "email", "contacts": 1}]
    assert [one[0] for one in await now.contacts(measure="contacts")] == ["C-2", "C-1"]
    assert [one[0] for one in await then.contacts(measure="contacts")] == ["C-1"]


async def test_deadlines_of_history_that_came_after_the_day_are_not_in_it(store: Store):
    asked_at = received(at("08:00"), recorded=TUESDAY)
    deadlines = taken_in(opened(at("08:00"), {"first_response": at("09:00")}), None, asked_at.id)
    missed = taken_in(verdict("breached", at("09:00"), at("09:00")), None)
    now, then = await asked(store, asked_at, deadlines, missed)
    assert [row["breached"] for row in await now.rows(measure="sla", by="target")] == [1]
    assert await then.rows(measure="sla", by="target") == []


async def test_a_page_is_full_however_many_of_the_newest_contacts_were_other_then(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lists, "_LOOKED_AT", 1)
    came = [received(at(f"10:0{n}"), f"C-{n}") for n in range(6)]
    since = [resolved(at("10:30"), f"C-{n}", recorded=TUESDAY) for n in (2, 4, 5)]
    _, then = await asked(store, *came, *since)

    assert [one[0] for one in await then.contacts(measure="contacts", limit=1)] == [
        f"C-{n}" for n in (5, 4, 3, 2, 1, 0)
    ]


async def test_a_tier_of_before_that_is_told_after_the_day_is_not_the_one_of_then(store: Store):
    gold = event("customer.updated", at("07:00"), tier="gold", recorded=TUESDAY)
    now, then = await asked(store, received(at("10:00"), "C-1"), received(at("11:00"), "C-2"), gold)

    assert await now.rows(measure="contacts", by="tier") == [{"tier": "gold", "contacts": 2}]
    assert await then.rows(measure="contacts", by="tier") == [{"tier": None, "contacts": 2}]
    assert [one[3].get("tier") for one in await then.contacts(measure="contacts")] == [None, None]


async def test_whoever_was_nameless_then_is_nameless_as_of_then(store: Store):
    named = responded(at("11:00"), "C-1", customer_id="K-5", recorded=TUESDAY)
    now, then = await asked(store, received(at("10:00"), "C-1", customer_id="anonymous:x"), named)

    presence: dict[str, Any] = {"measure": "retention", "from": "2026-03-01", "granularity": "day"}
    assert await then.customers(**presence) == []
    assert [name for name, _ in await now.customers(**presence)] == ["K-5"]


async def test_the_history_of_a_customer_is_that_of_then(store: Store):
    first = [received(at("10:00"), "C-1", customer_id="anonymous:x"), resolved(at("10:05"), customer_id="anonymous:x")]
    named = event("contact.assigned", at("10:01"), contact_id="C-1", customer_id="K-5", agent_id="a", recorded=TUESDAY)
    now, then = await asked(store, *first, named, received(at("11:00"), "C-2", customer_id="K-5"))

    assert (await now.rows(measure="repeat_contacts"))[0]["repeat_contacts"] == 1
    assert (await then.rows(measure="repeat_contacts"))[0]["repeat_contacts"] == 0
    assert [one[:2] for one in await then.contacts(measure="repeat_contacts")] == [
        ("C-2", "K-5"),
        ("C-1", "anonymous:x"),
    ]
    assert [name for name, _ in await then.customers(measure="repeat_contacts")] == ["K-5", "anonymous:x"]


async def test_contacts_that_changed_since_and_others_stand_in_one_history(store: Store):
    first = [received(at("09:00"), "C-1"), responded(at("09:05"), "C-1", agent_id="ann")]
    second = [received(at("10:00"), "C-2"), responded(at("10:05"), "C-2", agent_id="ann")]
    _, then = await asked(store, *first, *second, resolved(at("10:10"), "C-2", recorded=TUESDAY))

    assert (await then.rows(measure="continuity"))[0]["as_last_time"] == 1


async def test_overdue_is_what_was_overdue_then(store: Store):
    call: dict[str, Any] = {"play": "p", "step": 0, "do": "check_in", "purpose": "service", "sequence": 1}
    owed = [
        event("followup.owed", at("08:00"), contact_id="C-1", followup_id=f"fu-{due.day}", due_at=due, **call)
        for due in (at("12:00"), at("12:00", day=2))
    ]
    now, then = await asked(store, received(at("07:00")), *owed)

    assert (await now.rows(measure="followups"))[0]["overdue"] == 2
    assert (await then.rows(measure="followups"))[0]["overdue"] == 1
    assert len((await then.contacts(measure="followups", figure="overdue"))[0][4]) == 1


async def test_a_day_that_is_not_over_is_what_is_known_now(store: Store):
    await put(store, Memory().feed(received(at("10:00"), recorded=at("10:01"))))
    assert await Asked(store, at("11:00"), "2026-03-02").rows(measure="contacts") == [{"contacts": 1}]
    assert await Asked(store, at("11:00"), "2199-12-31").rows(measure="contacts") == [{"contacts": 1}]


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(hour=st.integers(7, 12), data=st.data())
async def test_an_erasure_changes_no_report_as_of_a_day_before_it(stores, hour, data):
    cut = at("00:00", day=1)
    came = st.sampled_from([at(f"{hour:02}:00"), TUESDAY])
    events = [
        taken_in(one, None if one.source.startswith("/rapport/") else data.draw(came), of="K-1") for one in erasable()
    ]
    all_known, known_then = stores
    erased_since = Forgetting().feed(*events, erased(at("10:00", day=2)))
    await put(all_known, erased_since.forget())
    await put(known_then, Memory().feed(*(one for one in events if one.recorded < cut)))
    now, then = Asked(all_known, LATER, "2026-03-02"), Asked(known_then, cut)

    for name, measure in MEASURES.items():
        since = {"from": "2026-03-01"} if measure.over == "periods" else {}
        await _same(now.rows, then.rows, measure=name, **since)


async def test_what_an_erased_customer_said_without_a_name_counts_as_theirs_whenever_they_gave_it(store: Store):
    nameless = received(at("10:00"), "C-1", customer_id="anonymous:x")
    named = responded(at("10:30"), "C-1", recorded=TUESDAY)
    memory = Forgetting().feed(nameless, named, received(at("11:00"), "C-2"))
    repeats = [(row["repeat_contacts"], row["count"]) for row in await _repeats_then(store, memory)]
    assert repeats == [(0, 2)]

    memory.feed(erased(at("10:00", day=2))).forget()
    repeats = [(row["repeat_contacts"], row["count"]) for row in await _repeats_then(store, memory)]
    assert repeats == [(1, 2)]


async def _repeats_then(store: Store, memory: Memory) -> list[dict[str, Any]]:
    await put(store, memory)
    return await Asked(store, LATER, "2026-03-02").rows(measure="repeat_contacts")


async def test_while_somebody_is_erased_nothing_is_said_of_the_past(store: Store):
    _, then = await asked(store, received(at("10:00")))
    erasures = store.collection(Erasure.collection)
    await erasures.insert_one(document_of(Erasure(id="somebody", partition=0, periods=(), customer_id="K-9")))
    with pytest.raises(Problem, match="being erased"):
        await then.rows(measure="contacts")
    await erasures.delete_one({"_id": "somebody"})
    assert await then.rows(measure="contacts") == [{"contacts": 1}]
