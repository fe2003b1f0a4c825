"""First contact resolution, repeat contacts and continuity: what only a customer's contacts together tell."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.metrics import NOW, Memory, at, event, received, resolved, responded

LATER = NOW + timedelta(days=60)


def fcr(*history: Any, now: Any = LATER, **parameters: Any) -> dict[str, Any]:
    row = Memory().feed(*history).report("fcr", now=now, **parameters)[0]
    return {name: row[name] for name in ("fcr", "settled", "count", "provisional")}


def test_a_contact_that_was_resolved_and_not_followed_by_another_is_settled_at_first_contact():
    assert fcr(received(at("09:00")), resolved(at("10:00"))) == {"fcr": 1, "settled": 1, "count": 1, "provisional": 0}


def test_until_seven_days_have_passed_that_is_provisional():
    history = received(at("09:00")), resolved(at("10:00"))
    assert fcr(*history, now=at("10:00", day=7))["provisional"] == 1
    assert fcr(*history, now=at("10:01", day=7))["provisional"] == 0


def test_an_open_contact_is_not_settled_yet():
    assert fcr(received(at("09:00"))) == {"fcr": 0, "settled": 0, "count": 1, "provisional": 1}


@pytest.mark.parametrize(("comes", "settled"), [(at("10:00", day=7), 0), (at("10:01", day=7), 1), (at("09:30"), 0)])
def test_another_contact_up_to_seven_days_after_the_resolution_says_that_it_was_not_settled(comes, settled):
    first, again = received(at("09:00"), "C-1", topic="bill"), received(comes, "C-2", topic="bill")
    report = fcr(first, resolved(at("10:00"), "C-1"), again, filter="outcome:solved")
    assert report["settled"] == settled


@pytest.mark.parametrize(("first", "second", "same"), [("bill", "login", 0), ("bill", None, 1), (None, "bill", 1)])
def test_no_topic_matches_any(first, second, same):
    one = received(at("09:00"), "C-1", **({"topic": first} if first else {}))
    other = received(at("11:00"), "C-2", **({"topic": second} if second else {}))
    memory = Memory().feed(one, resolved(at("10:00"), "C-1"), other)
    assert memory.report("repeat_contacts", now=LATER)[0]["repeat_contacts"] == same
    assert memory.report("fcr", now=LATER, filter="outcome:solved")[0]["settled"] == 1 - same


def test_what_was_reopened_was_not_settled():
    reopened = event("contact.reopened", at("11:00"))
    assert fcr(received(at("09:00")), resolved(at("10:00")), reopened, resolved(at("12:00")))["settled"] == 0


@pytest.mark.parametrize("end", ["spam", "duplicate", "merged", "abandoned"])
def test_what_is_no_contact_of_its_own_is_left_out(end):
    ends = {
        "merged": event("contact.merged", at("10:00"), into="C-9"),
        "abandoned": event("contact.abandoned", at("10:00")),
    }
    assert fcr(received(at("09:00")), ends.get(end) or resolved(at("10:00"), outcome=end))["count"] == 0


def test_spam_and_our_own_call_say_nothing_of_the_contact_before():
    spam = received(at("11:00"), "C-2"), resolved(at("11:01"), "C-2", outcome="spam")
    ours = received(at("12:00"), "C-3", direction="outbound")
    assert fcr(received(at("09:00")), resolved(at("10:00")), *spam, ours)["settled"] == 1


def test_another_customer_says_nothing_of_this_one():
    other = received(at("11:00"), "C-2", customer_id="K-2")
    assert fcr(received(at("09:00")), resolved(at("10:00")), other, filter="outcome:solved")["settled"] == 1


def test_it_is_credited_to_who_resolved_it_on_the_day_it_was_opened():
    memory = Memory().feed(
        received(at("09:00"), team="a", agent_id="ann"), resolved(at("10:00", day=1), agent_id="bob")
    )
    row = memory.report("fcr", now=LATER, by="agent,team", granularity="day")[0]
    assert (row["period"], row["agent"], row["team"]) == ("2026-03-02", "bob", "a")


def test_a_contact_while_an_earlier_one_is_open_or_soon_after_it_is_a_repeat():
    memory = Memory().feed(
        received(at("09:00"), "C-1"),
        received(at("09:00", day=20), "C-2"),
        resolved(at("09:00", day=21), "C-1"),
        resolved(at("09:00", day=21), "C-2"),
        received(at("09:00", day=28), "C-3"),
        received(at("09:00", day=50), "C-4"),
    )
    counted = memory.report("repeat_contacts", now=LATER, granularity="day")
    assert [(row["period"], row["repeat_contacts"]) for row in counted] == [
        ("2026-03-02", 0),
        ("2026-03-22", 1),
        ("2026-03-30", 1),
        ("2026-04-21", 1),
    ]


def continuity(*history: Any) -> dict[str, Any]:
    row = Memory().feed(*history).report("continuity")[0]
    return {name: row[name] for name in ("continuity", "own_agent", "as_last_time", "count", "unknown")}


def test_the_own_agent_of_then_answers():
    given, taken = (
        event("customer.updated", at("08:00"), owner_id="ann"),
        event("customer.updated", at("12:00"), owner_id="bob"),
    )
    answer = received(at("09:00")), responded(at("09:10"), agent_id="ann")
    assert continuity(taken, *answer, given) == {
        "continuity": 1,
        "own_agent": 1,
        "as_last_time": 0,
        "count": 1,
        "unknown": 0,
    }


def test_who_answered_last_time_answers_again():
    first = received(at("09:00"), "C-1"), responded(at("09:10"), "C-1", agent_id="ann")
    again = received(at("11:00"), "C-2"), responded(at("11:10"), "C-2", agent_id="ann")
    other = received(at("12:00"), "C-3"), responded(at("12:10"), "C-3", agent_id="bob")
    assert continuity(*first, *again, *other) == {
        "continuity": 0.5,
        "own_agent": 0,
        "as_last_time": 1,
        "count": 2,
        "unknown": 1,
    }


def test_last_time_is_before_this_answer_whichever_contact_was_opened_first():
    opened = received(at("09:00"), "A"), received(at("09:00", day=1), "B")
    first, second = (
        responded(at("09:00", day=2), "B", agent_id="ann"),
        responded(at("09:00", day=9), "A", agent_id="ann"),
    )
    told = Memory().feed(*opened, first, second).report("continuity", granularity="day")
    assert [(row["period"], row["as_last_time"], row["unknown"]) for row in told] == [
        ("2026-03-04", 0, 1),
        ("2026-03-11", 1, 0),
    ]


def test_another_contact_is_a_repeat_while_the_first_was_open_then_not_because_it_was_reopened_later():
    first = received(at("09:00"), "A"), resolved(at("10:00"), "A")
    other = received(at("09:00", day=50), "B")
    reopened = event("contact.reopened", at("09:00", day=60), contact_id="A")
    assert Memory().feed(*first, other, reopened).report("repeat_contacts", now=LATER)[0]["repeat_contacts"] == 0
    again = event("contact.reopened", at("09:00", day=49), contact_id="A")
    assert Memory().feed(*first, other, again).report("repeat_contacts", now=LATER)[0]["repeat_contacts"] == 1


def test_who_is_merged_into_another_contact_has_come_twice():
    twin = received(at("09:01"), "B"), event("contact.merged", at("09:30"), contact_id="B", into="A")
    memory = Memory().feed(received(at("09:00"), "A"), *twin, resolved(at("10:00"), "A"))
    assert memory.report("fcr", now=LATER)[0]["settled"] == 0
    assert memory.report("repeat_contacts", now=LATER)[0]["repeat_contacts"] == 1


def test_a_contact_that_was_merged_before_its_first_message_is_heard_of_counts_all_the_same():
    memory = Memory().feed(event("contact.merged", at("08:00"), into="C-9"), received(at("09:00")))
    assert memory.report("repeat_contacts", now=LATER)[0]["count"] == 1
