"""What customers have brought in, what they complained of after a sale, and how many of those asked answered."""

from typing import Any

import pytest

from tests.support.metrics import Memory, answered, at, event, received

LATER = at("12:00", 400)


def bought(day: int, amount: str, customer: str = "K-1", **data: Any) -> Any:
    made = {"purchase_id": f"P-{customer}-{day}", "amount": amount, "currency": "EUR", **data}
    return event("purchase.made", at("12:00", day), customer_id=customer, **made)


def returned(day: int, purchase: str, amount: str) -> Any:
    return event("purchase.returned", at("12:00", day), purchase_id=purchase, amount=amount)


def complained(day: int, contact: str = "C-1", **data: Any) -> Any:
    return received(at("13:00", day), contact, kind="complaint", **data)


def test_value_is_margin_else_amount_less_returns_by_currency():
    memory = Memory().feed(
        bought(0, "100.00"),
        bought(1, "80.00", margin="20.00"),
        bought(2, "7.00", "K-2"),
        bought(3, "5.00", currency="USD"),
        returned(5, "P-K-1-0", "40.00"),
    )
    euros, dollars = memory.report("cltv", now=LATER)
    assert (euros["currency"], euros["customers"], euros["total"], euros["mean"]) == ("EUR", 2, 87, 43.5)
    assert euros["p99"] == pytest.approx(80, rel=0.01)
    assert (dollars["currency"], dollars["total"]) == ("USD", 5)


def test_percentiles_of_value_are_within_one_percent_whatever_the_unit():
    (dinars,) = Memory().feed(bought(0, "0.125", currency="KWD")).report("cltv", now=LATER)
    assert dinars["p50"] == pytest.approx(0.125, rel=0.01)


def test_value_is_of_all_that_was_up_to_the_end_asked_for():
    memory = Memory().feed(bought(0, "100.00"), bought(9, "50.00"), returned(12, "P-K-1-0", "100.00"))
    assert [memory.report("cltv", now=LATER, to=day)[0]["total"] for day in ("2026-03-05", "2026-03-12")] == [100, 150]
    assert memory.report("cltv", now=LATER)[0]["total"] == 50


def test_a_complaint_within_thirty_days_counts_against_the_last_purchase_before_it():
    memory = Memory().feed(
        bought(0, "10.00", agent_id="ann", product="tv"),
        bought(5, "10.00", agent_id="bob", product="radio"),
        complained(6),
        complained(35, "C-2"),
    )
    rows = memory.report("after_sale", now=LATER, by="agent,product")
    assert [(row["agent"], row["product"], row["complaints"], row["purchases"]) for row in rows] == [
        ("ann", "tv", 0, 1),
        ("bob", "radio", 1, 1),
    ]


def test_a_complaint_that_names_its_purchase_is_about_that():
    memory = Memory().feed(
        bought(0, "10.00", agent_id="ann"), bought(5, "10.00", agent_id="bob"), complained(6, purchase_id="P-K-1-0")
    )
    rows = memory.report("after_sale", now=LATER, by="agent")
    assert [(row["agent"], row["share"]) for row in rows] == [("ann", 1), ("bob", 0)]


def test_returns_stand_beside_complaints_and_young_sales_are_provisional():
    memory = Memory().feed(bought(0, "10.00"), returned(3, "P-K-1-0", "10.00"))
    row = memory.report("after_sale", now=at("12:00", 30))[0]
    assert (row["returned"], row["provisional"]) == (1, 1)
    assert memory.report("after_sale", now=at("12:01", 30))[0]["provisional"] == 0


def sent(survey_id: str, day: int = 0, *, days: int = 7, **data: Any) -> Any:
    about: dict[str, Any] = {
        "survey": "csat",
        "followup_id": f"fu-{survey_id}",
        "channel": "email",
        "expires_at": at("12:00", day + days),
    }
    return event("survey.sent", at("12:00", day), survey_id=survey_id, **about, **data)


def rate(*history: Any, now: Any = LATER) -> dict[str, Any]:
    row = Memory().feed(*history).report("response_rate", now=now)[0]
    return {name: row[name] for name in ("response_rate", "answers", "sent", "bounced", "pending")}


def test_who_did_not_answer_in_time_has_not_answered():
    history = sent("S-1"), sent("S-2", 1), answered(at("15:00"), 5, "S-1")
    assert rate(*history) == {"response_rate": 0.5, "answers": 1, "sent": 2, "bounced": 0, "pending": 0}


def test_who_still_has_time_is_not_counted_yet():
    assert rate(sent("S-1"), now=at("11:59", 7)) == {
        "response_rate": None,
        "answers": 0,
        "sent": 0,
        "bounced": 0,
        "pending": 1,
    }


def test_what_came_back_reached_nobody():
    bounced = event("message.bounced", at("12:01", 4), address="a@example.org")
    history = sent("S-1", contact_id="C-1"), sent("S-2", 4), sent("S-3", 5), answered(at("15:00", 5), 5, "S-3")
    assert rate(bounced, *history) == {"response_rate": 0.5, "answers": 1, "sent": 3, "bounced": 1, "pending": 0}


def test_a_survey_stands_on_the_day_it_was_sent_under_what_its_contact_is():
    memory = Memory().feed(
        received(at("09:00"), channel="phone"),
        sent("S-1", contact_id="C-1"),
        answered(at("15:00", 3), 5, "S-1", contact_id="C-1"),
    )
    row = memory.report("response_rate", now=LATER, by="channel,survey", granularity="day")[0]
    assert (row["period"], row["channel"], row["survey"], row["answers"]) == ("2026-03-02", "phone", "csat", 1)


@pytest.mark.parametrize("about", [{}, {"contact_id": "C-1"}, {"contact_id": "C-2"}])
def test_an_answer_is_found_whatever_contact_it_names(about):
    assert (
        rate(received(at("09:00")), sent("S-1", contact_id="C-1"), answered(at("15:00"), 5, "S-1", **about))["answers"]
        == 1
    )
    assert rate(sent("S-1"), answered(at("15:00"), 5, "S-1", **about))["answers"] == 1


def test_a_complaint_about_a_purchase_that_nobody_knows_is_about_no_other():
    memory = Memory().feed(bought(0, "10.00"), complained(1, purchase_id="P-other"))
    assert memory.report("after_sale", now=LATER)[0]["complaints"] == 0
