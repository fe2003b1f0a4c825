"""Retention and churn: who is a customer from when to when."""

from datetime import timedelta
from typing import Any

import pytest
from metrics.domain import CustomerFact
from metrics.domain.history import History
from metrics.domain.presence import stays

from tests.support.metrics import MONDAY, Memory, answered, at, event, received

YEAR = timedelta(days=365)


def bought(day: int, customer: str = "K-1") -> Any:
    made: dict[str, Any] = {"purchase_id": f"P-{customer}-{day}", "amount": "10.00", "currency": "EUR"}
    return event("purchase.made", at("12:00", day), customer_id=customer, **made)


def called(word: str, day: int, customer: str = "K-1") -> Any:
    return event("customer.updated", at("12:00", day), customer_id=customer, lifecycle=word)


def cancelled(day: int, customer: str = "K-1") -> Any:
    return event("subscription.cancelled", at("12:00", day), customer_id=customer)


def days(*history: Any, inactive_after: int = 365, until: int = 1000) -> list[tuple[int, int | None]]:
    """From which day to which they were a customer."""
    memory = Memory().feed(*history)
    held = memory.history("K-1")
    found = stays(held, inactive_after * 86_400_000, _millis(until))
    return [(_day(stay.since), None if stay.until is None else _day(stay.until)) for stay in found]


def _millis(day: int) -> int:
    return int(at("12:00", day).timestamp() * 1000)


def _day(millis: int) -> int:
    return (millis - _millis(0)) // 86_400_000


def test_who_was_never_heard_of_is_no_customer():
    assert stays(History(CustomerFact(id="K-1", partition=0)), 1, _millis(9)) == []


def test_nobody_is_lost_who_is_heard_of_again_in_time():
    assert days(bought(0), bought(300), bought(600), until=900) == [(0, None)]


def test_who_is_not_heard_of_for_too_long_is_lost_then():
    assert days(bought(0), until=365) == [(0, None)]
    assert days(bought(0), until=366) == [(0, 365)]


@pytest.mark.parametrize("leaves", [cancelled(10), called("churned", 10)])
def test_who_has_left_is_not_back_by_writing_but_by_buying(leaves):
    wrote = received(at("12:00", 11))
    assert days(bought(0), leaves, wrote, until=100) == [(0, 10)]
    assert days(bought(0), leaves, wrote, bought(12), until=100) == [(0, 10), (12, None)]


def test_who_was_lost_in_silence_is_back_by_writing():
    assert days(bought(0), received(at("12:00", 400)), until=500) == [(0, 365), (400, None)]


def test_messages_on_one_long_contact_and_answers_to_surveys_are_signs_of_life():
    wrote = [received(at("12:00", day)) for day in range(0, 900, 300)]
    assert days(*wrote, until=960) == [(0, None)]
    assert days(wrote[0], answered(at("12:00", 300), 5, "S-1"), until=600) == [(0, None)]


def test_who_writes_back_to_us_or_answers_a_survey_about_what_we_began_is_heard_of():
    called_them = received(at("12:00", 300), direction="outbound")
    assert days(bought(0), called_them, until=400) == [(0, 365)]
    assert days(bought(0), called_them, received(at("12:00", 302)), until=600) == [(0, None)]
    assert days(bought(0), called_them, answered(at("12:00", 303), 5, "S-1"), until=600) == [(0, None)]


def test_spam_under_a_customers_name_is_no_sign_of_them():
    spam = [received(at("12:00", 300)), event("contact.resolved", at("12:00", 301), outcome="spam")]
    assert days(bought(0), *spam, until=600) == [(0, 365)]


def test_who_never_gave_a_name_is_no_customer():
    memory = Memory().feed(received(at("12:00"), customer_id="anonymous:chat-1"))
    assert memory.report("retention", now=at("12:00", 9), from_="2026-03-01")[0]["at_end"] == 0


def test_who_is_not_called_a_prospect_any_more_may_write():
    cleared = event("customer.updated", at("12:00", 2), lifecycle=None)
    assert days(called("prospect", 1), cleared, received(at("12:00", 3)), until=10) == [(3, None)]


def test_a_prospect_is_a_customer_from_their_first_purchase_on():
    assert days(received(at("12:00", 0)), called("prospect", 1), received(at("12:00", 2)), until=10) == []
    assert days(received(at("12:00", 0)), called("prospect", 1), bought(3), until=10) == [(3, None)]
    assert days(called("prospect", 1), called("active", 4), until=10) == [(4, None)]


def test_retention_is_of_those_who_were_there_at_the_start():
    memory = Memory().feed(
        *(bought(0, "K-1"), bought(0, "K-2"), bought(35, "K-3"), bought(35, "K-4")),
        *(cancelled(40, "K-2"), cancelled(36, "K-4")),
    )
    row = memory.report("retention", now=at("12:00", 100), from_="2026-04-01", to="2026-05-01")[0]
    assert {name: row[name] for name in ("retention", "at_start", "at_end", "new", "lost")} == {
        "retention": 0.5,
        "at_start": 2,
        "at_end": 2,
        "new": 1,
        "lost": 1,
    }
    churn = memory.report("churn", now=at("12:00", 100), from_="2026-04-01", to="2026-05-01")[0]
    assert (churn["churn"], churn["lost"]) == (0.5, 1)


def test_periods_follow_each_other_without_a_gap():
    memory = Memory().feed(bought(0, "K-1"), bought(40, "K-2"), cancelled(70, "K-1"))
    rows = memory.report("retention", now=at("12:00", 120), granularity="month", from_="2026-03-01")
    assert [(row["period"], row["at_start"], row["at_end"], row["new"], row["lost"]) for row in rows] == [
        ("2026-03-01", 0, 1, 1, 0),
        ("2026-04-01", 1, 2, 1, 0),
        ("2026-05-01", 2, 1, 0, 1),
        ("2026-06-01", 1, 1, 0, 0),
    ]


def test_cohorts_are_the_months_in_which_customers_came():
    memory = Memory().feed(bought(0, "K-1"), bought(0, "K-2"), bought(40, "K-3"), cancelled(70, "K-1"))
    rows = memory.report("retention", now=at("12:00", 120), by="cohort", from_="2026-05-01", to="2026-06-01")
    assert [(row["cohort"], row["at_start"], row["at_end"]) for row in rows] == [
        ("2026-03", 2, 1),
        ("2026-04", 1, 1),
    ]


def test_nothing_is_said_of_periods_to_come():
    memory = Memory().feed(bought(0))
    rows = memory.report("retention", now=MONDAY + timedelta(days=2), granularity="month", from_="2026-03-01")
    assert [row["period"] for row in rows] == ["2026-03-01"]
