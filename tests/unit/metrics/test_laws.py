"""Laws: figures depend on which events there are, not on how they came; rows, facts and a naive count agree."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapport.contracts import Data, Event

from tests.support.metrics import MONDAY, Memory, answered, at, event, opened, received, resolved, responded, verdict

MEASURES = (
    *("contacts", "messages", "first_response", "resolution", "sla", "csat", "nps"),
    *("out_of_hours", "in_language", "promises", "reopens", "handovers", "escalations", "aht", "quality"),
)
CONTACTS_TOGETHER = ("fcr", "repeat_contacts", "continuity", "response_rate")
CONTACTS = ("C-1", "C-2", "C-3")
CUSTOMER = {"C-1": "K-1", "C-2": "K-1", "C-3": "K-2"}

minutes = st.integers(0, 60 * 50).map(lambda minute: MONDAY + timedelta(minutes=minute))
contacts = st.sampled_from(CONTACTS)
people = st.sampled_from(["ann", "bob", None])
teams = st.sampled_from(["a", "b", None])


def _given(**data: Any) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None}


def _on_contact(draw: st.DrawFn) -> Event[Data]:  # noqa: PLR0911 - one for each kind of event
    contact, when, agent, team = draw(contacts), draw(minutes), draw(people), draw(teams)
    who: dict[str, Any] = {"customer_id": CUSTOMER[contact]}
    kinds = ("received", "responded", "assigned", "resolved", "reopened", "closed", "class", "up", "review")
    match draw(st.sampled_from(kinds)):
        case "received":
            channel, direction = (
                draw(st.sampled_from(["email", "phone"])),
                draw(st.sampled_from(["inbound", "outbound"])),
            )
            about = {**who, **_given(team=team, agent_id=agent)}
            return received(when, contact, channel=channel, direction=direction, **about)
        case "responded":
            took = draw(st.sampled_from([None, 30, 400]))
            who |= _given(agent_id=agent, handle_seconds=took, language=draw(st.sampled_from([None, "de", "en-GB"])))
            return responded(when, contact, automated=draw(st.booleans()), **who)
        case "assigned":
            return event(
                "contact.assigned", when, contact_id=contact, agent_id=agent or "eve", **who, **_given(team=team)
            )
        case "resolved":
            outcome = draw(st.sampled_from(["solved", "spam", "declined"]))
            return resolved(when, contact, outcome=outcome, **who, **_given(agent_id=agent))
        case "reopened":
            return event("contact.reopened", when, contact_id=contact, **who)
        case "up":
            return event("contact.escalated", when, contact_id=contact, to="lead", **who)
        case "review":
            who |= _given(agent_id=agent, score=draw(st.integers(0, 5)), out_of=5)
            return event("quality.reviewed", when, contact_id=contact, **who)
        case "class":
            return event("contact.reclassified", when, contact_id=contact, topic="bill", **who, **_given(team=team))
        case _:
            kind = draw(st.sampled_from(["contact.merged", "contact.abandoned"]))
            into: dict[str, Any] = {"into": "C-9"} if kind == "contact.merged" else {}
            return event(kind, when, contact_id=contact, **who, **into)


def _on_deadline(draw: st.DrawFn, number: int) -> Event[Data]:
    contact, when, due = draw(contacts), draw(minutes), draw(minutes)
    told: dict[str, Any] = {"customer_id": CUSTOMER[contact], "sequence": number}
    if draw(st.booleans()):
        told |= _given(in_hours=draw(st.sampled_from([None, True, False])))
        return opened(when, {"first_response": due, "promise": due}, contact, **told)
    kind = draw(st.sampled_from(["met", "breached", "cancelled", "corrected"]))
    target = draw(st.sampled_from(["first_response", "resolution", "promise"]))
    if kind == "corrected":
        told |= {"announced": "breached", "verdict": draw(st.sampled_from(["met", "running", "breached"]))}
    return verdict(kind, when, due, contact, target=target, open_seconds=draw(st.integers(0, 9999)), **told)


def _on_customer(draw: st.DrawFn) -> Event[Data]:
    customer, when = draw(st.sampled_from(["K-1", "K-2"])), draw(minutes)
    match draw(st.sampled_from(["score", "score", "who", "earned"])):
        case "score":
            survey = draw(st.sampled_from(["csat", "nps"]))
            about: dict[str, Any] = draw(st.sampled_from([{}, {"contact_id": "C-3"}])) if customer == "K-2" else {}
            name = f"{survey}-{customer}-{len(about)}-{draw(st.integers(0, 1))}"
            context = draw(st.sampled_from(["transactional", "relational"]))
            return answered(when, draw(st.integers(1, 5)), name, survey, customer_id=customer, context=context, **about)
        case "who":
            changes: dict[str, Any] = draw(
                st.sampled_from(
                    [
                        {"tier": "gold"},
                        {"tier": None},
                        {"audience": "test"},
                        {"audience": None},
                        {"language": "de"},
                        {"language": None},
                        {"lifecycle": "prospect"},
                        {"lifecycle": "active"},
                        {"owner_id": "ann"},
                    ]
                )
            )
            return event("customer.updated", when, customer_id=customer, **changes)
        case _:
            return event("customer.tier_changed", when, customer_id=customer, tier="silver")


def _on_trade(draw: st.DrawFn) -> Event[Data]:
    customer, when = draw(st.sampled_from(["K-1", "K-2"])), draw(minutes)
    match draw(st.sampled_from(["sent", "bounced", "bought", "returned", "left"])):
        case "sent":
            about: dict[str, Any] = {"contact_id": "C-3"} if customer == "K-2" and draw(st.booleans()) else {}
            name = f"csat-{customer}-{len(about)}-{draw(st.integers(0, 1))}"
            about |= {"followup_id": f"fu-{name}", "channel": "email", "expires_at": draw(minutes)}
            return event("survey.sent", when, survey_id=name, survey="csat", customer_id=customer, **about)
        case "bounced":
            return event("message.bounced", when, customer_id=customer, address="a@example.org")
        case "bought":
            bought = {"purchase_id": draw(st.sampled_from("PQ")), "amount": "12.50", **_given(agent_id=draw(people))}
            return event("purchase.made", when, customer_id=customer, currency="EUR", **bought)
        case "returned":
            return event("purchase.returned", when, customer_id=customer, purchase_id="P", amount="2.50")
        case _:
            return event("subscription.cancelled", when, customer_id=customer)


def _on_followup(draw: st.DrawFn, number: int) -> Event[Data]:
    about: dict[str, Any] = draw(st.sampled_from([{}, {"contact_id": "C-3"}]))
    facts: dict[str, Any] = {"followup_id": f"fu-{len(about)}-{draw(st.integers(0, 1))}", "customer_id": "K-2"}
    facts |= {"play": "p", "step": 0}
    facts |= {"do": "check_in", "purpose": "service", "sequence": number, **_given(owner=draw(people)), **about}
    kind, due = draw(st.sampled_from(["scheduled", "owed", "done", "suppressed", "deferred"])), draw(minutes)
    match kind:
        case "suppressed":
            facts |= {"reason": draw(st.sampled_from(["cap", "opted out"]))}
        case "deferred":
            facts |= {"until": due, "reason": "night"}
        case "done":
            facts |= {"outcome": "reached", "by": "eve", "due_at": due}
        case _:
            facts |= {"due_at": due}
    return event(f"followup.{kind}", draw(minutes), source="/rapport/followup", **facts)


@st.composite
def histories(draw: st.DrawFn) -> list[Event[Data]]:
    made = [_on_contact(draw) for _ in range(draw(st.integers(0, 10)))]
    made += [_on_deadline(draw, number) for number in range(draw(st.integers(0, 5)))]
    made += [_on_followup(draw, number) for number in range(draw(st.integers(0, 4)))]
    made += [_on_trade(draw) for _ in range(draw(st.integers(0, 4)))]
    return made + [_on_customer(draw) for _ in range(draw(st.integers(0, 5)))]


def figures(memory: Memory, *, facts: bool) -> list[Any]:
    by = (
        ["", "channel", "team"] if not facts else ["", "channel", "team", "agent", "tier", "topic", "outcome", "policy"]
    )
    measures = (*MEASURES, "followups", "answered_within") if facts else MEASURES
    return [
        memory.report(measure, by=dimension, granularity="day", facts=facts) for measure in measures for dimension in by
    ] + [memory.report(measure, facts=facts, tz="America/New_York", granularity="week") for measure in measures]


def figures_of_histories(memory: Memory) -> list[Any]:
    """Those that are made of all contacts of a customer together."""
    days: dict[str, Any] = {"from": "2026-03-01", "granularity": "day"}
    now = at("00:00", day=3)
    return [
        *(memory.report(name, now=now, by=by) for name in CONTACTS_TOGETHER for by in ("", "topic", "agent,tier")),
        *(memory.report(name, now=now, by=by, **days) for name in ("retention", "churn") for by in ("", "cohort,tier")),
        memory.report("cltv", now=now),
        memory.report("after_sale", now=now, by="agent"),
    ]


@settings(deadline=None, max_examples=80)
@given(history=histories(), data=st.data())
def test_any_order_and_duplication_gives_the_same_figures(history, data):
    shuffled = data.draw(
        st.permutations(history + data.draw(st.lists(st.sampled_from(history), max_size=5) if history else st.just([])))
    )
    straight, mixed = Memory().feed(*history), Memory(partitions=3).feed(*shuffled)

    assert mixed.rows == straight.rows
    assert figures(mixed, facts=True) == figures(straight, facts=True)
    assert figures_of_histories(mixed) == figures_of_histories(straight)


@settings(deadline=None, max_examples=50)
@given(history=histories())
def test_hourly_rows_and_facts_give_the_same_report(history):
    memory = Memory().feed(*history)

    for measure in MEASURES:
        questions: tuple[dict[str, Any], ...] = (
            {"by": "channel,team"},
            {"granularity": "hour"},
            {"granularity": "month", "by": "team"},
            {"filter": "channel:email", "from": "2026-03-02", "to": "2026-03-03", "tz": "Europe/Berlin"},
            {"filter": "team:a|", "granularity": "day"},
        )
        for question in questions:
            assert memory.report(measure, facts=True, **question) == memory.report(measure, facts=False, **question)
    assert memory.report("sla", facts=True, by="target") == memory.report("sla", facts=False, by="target")


@settings(deadline=None, max_examples=50)
@given(history=histories())
def test_the_figures_are_what_counting_by_hand_gives(history):
    history = [one for one in history if one.type not in ("customer.updated", "customer.tier_changed")]
    memory = Memory().feed(*history)

    counted = by_hand(history)
    assert {row["channel"]: row["contacts"] for row in memory.report("contacts", by="channel")} == counted["contacts"]
    assert {row["channel"]: row["messages"] for row in memory.report("messages", by="channel")} == counted["messages"]
    response = memory.report("first_response")[0]
    waits = counted["response"]
    assert response["count"] == len(waits)
    assert response["calendar_mean"] == (pytest.approx(sum(waits) / len(waits)) if waits else None)
    scores = counted["scores"]
    csat = memory.report("csat")[0]
    assert csat["answers"] == len(scores)
    assert csat["score"] == (pytest.approx(sum(s >= 4 for s in scores) / len(scores), abs=1e-6) if scores else None)


def by_hand(history: list[Event[Data]]) -> dict[str, Any]:
    """The same figures, counted plainly over the whole history."""
    contacts: Counter[str] = Counter()
    messages: Counter[str] = Counter()
    response: list[float] = []
    logs: dict[str, list[Any]] = defaultdict(list)
    answers: dict[str, tuple[tuple[datetime, str], int]] = {}
    for one in sorted(history, key=lambda e: e.order):
        if one.type.startswith("contact."):
            logs[one.data.contact_id].append(one)  # type: ignore[attr-defined]
        elif one.type == "survey.answered" and one.data.survey == "csat":  # type: ignore[attr-defined]
            answers[one.data.survey_id] = ((one.time, one.id), one.data.score)  # type: ignore[attr-defined]
    for log in logs.values():
        came = [one for one in log if one.type == "contact.received"]
        if not came:
            continue
        channel = came[0].data.channel
        asked = [one for one in came if one.data.direction == "inbound"]
        contacts[channel] += came[0].data.direction == "inbound"
        messages[channel] += len(asked)
        if asked:
            later = log[log.index(asked[0]) :]
            by_people = [one for one in later if one.type == "contact.responded" and not one.data.automated]
            response += [(one.time - asked[0].time).total_seconds() for one in by_people[:1]]
    return {
        "contacts": {channel: n for channel, n in contacts.items() if n},
        "messages": {channel: n for channel, n in messages.items() if n},
        "response": response,
        "scores": [score for _, score in answers.values()],
    }


@given(history=histories(), data=st.data())
def test_what_is_taken_in_is_kept_or_a_repeat(history, data):
    again = data.draw(st.lists(st.sampled_from(history), max_size=5)) if history else []
    memory = Memory().feed(*history, *again)

    balance = Counter(memory.balance)
    assert balance["taken"] == len(history) + len(again)
    assert balance["folded"] + balance["too_late"] == len(history)
    assert balance["duplicate"] == len(again)
