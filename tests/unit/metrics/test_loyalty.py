"""Tiers by the purchases of a rolling year: what gives them, what takes them, and that no order of arrival matters."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics.domain import CustomerFact, Figures
from metrics.domain.deadlines import millis
from metrics.domain.loyalty import MILLION, Loyalty, Purchase, Return, points_at, steps, untold, worth
from rapport.contracts import Data, Event

from tests.support.metrics import Memory, at, event, received

YEAR = timedelta(days=365)
RULES = Loyalty({"EUR": MILLION, "USD": 900_000}, ((100, "silver"), (1000, "gold")), YEAR // timedelta(milliseconds=1))


def bought(when: datetime, amount: str, purchase: str, currency: str = "EUR", **more: Any) -> Event[Data]:
    return event("purchase.made", when, purchase_id=purchase, amount=amount, currency=currency, **more)


def returned(when: datetime, amount: str, purchase: str) -> Event[Data]:
    return event("purchase.returned", when, purchase_id=purchase, amount=amount)


def told(memory: Memory) -> list[tuple[str | None, str | None, int, datetime]]:
    return [(e.data.previous, e.data.tier, e.data.points, e.time) for e in memory.told]


def after(*events: Event[Data], now: datetime) -> Memory:
    return Memory(loyalty=RULES).feed(*events, now=now)


def test_purchases_that_reach_a_tier_s_points_give_it_as_of_the_one_that_did():
    memory = after(bought(at("09:00"), "60", "P-1"), bought(at("10:00"), "40.00", "P-2"), now=at("11:00"))
    assert told(memory) == [(None, "silver", 100, at("10:00"))]


def test_a_currency_has_its_own_rate_and_one_that_is_not_named_gives_no_points():
    events = (bought(at("09:00"), "111.12", "P-1", "USD"), bought(at("09:00"), "5000", "P-2", "JPY"))
    assert told(after(*events, now=at("11:00"))) == [(None, "silver", 100, at("09:00"))]


def test_what_comes_back_takes_its_points_and_the_tier_with_them():
    events = (bought(at("09:00"), "1000", "P-1"), returned(at("12:00"), "950", "P-1"))
    assert told(after(*events, now=at("13:00"))) == [
        (None, "gold", 1000, at("09:00")),
        ("gold", None, 50, at("12:00")),
    ]


def test_more_than_was_bought_can_not_come_back():
    memory = after(
        bought(at("08:00"), "100", "P-1"),
        bought(at("09:00"), "30", "P-2"),
        returned(at("12:00"), "500", "P-2"),
        now=at("13:00"),
    )
    assert told(memory) == [(None, "silver", 100, at("08:00"))]


def test_a_purchase_counts_for_a_year_and_its_end_is_told_when_it_comes():
    memory = after(bought(at("09:00"), "100", "P-1"), now=at("09:01"))
    memory.look(at("09:00") + YEAR - timedelta(milliseconds=1))
    assert len(memory.told) == 1
    memory.look(at("09:00") + YEAR)
    assert told(memory)[1:] == [("silver", None, 0, at("09:00") + YEAR)]
    assert [one.sequence for one in memory.told] == ["1", "2"]


def test_a_purchase_heard_of_late_moves_the_instant_and_says_so():
    late = after(bought(at("12:00"), "100", "P-2"), bought(at("09:00"), "100", "P-1"), now=at("13:00"))
    assert told(late) == [(None, "silver", 100, at("12:00")), (None, "silver", 100, at("09:00"))]
    assert [one.backfill for one in late.told] == [False, True], "they were silver before it was heard of"


def test_what_was_told_and_is_not_so_any_more_is_told_again_as_of_then():
    memory = after(bought(at("09:00"), "100", "P-1"), returned(at("08:30"), "1", "P-1"), now=at("13:00"))
    assert told(memory) == [(None, "silver", 100, at("09:00")), (None, None, 99, at("09:00"))]


def test_what_changes_the_past_alone_is_told_as_history_also_where_it_takes_a_tier_away_there():
    memory = after(
        bought(at("08:00"), "100", "P-1"),
        returned(at("10:00"), "100", "P-1"),
        bought(at("12:00"), "200", "P-2"),
        returned(at("09:00"), "1", "P-1"),
        now=at("13:00"),
    )
    assert told(memory)[-1] == ("silver", None, 99, at("09:00"))
    assert [one.backfill for one in memory.told] == [False, False, False, True]


def test_a_purchase_told_twice_is_one_and_its_newer_word_holds():
    memory = after(bought(at("10:00"), "90", "P-1"), bought(at("09:00"), "5000", "P-1"), now=at("13:00"))
    assert told(memory) == []


def test_history_is_told_once_when_it_is_over_and_as_history():
    memory = after(
        bought(at("09:00"), "100", "P-1", backfill=True),
        bought(at("10:00"), "900", "P-2", backfill=True),
        now=at("13:00"),
    )
    assert memory.told == []
    memory.look(at("13:00"))
    assert [(one.data.tier, one.backfill) for one in memory.told] == [("silver", True), ("gold", True)]


def test_what_happens_while_history_comes_is_told_after_it_and_as_news():
    old, new = bought(at("09:00"), "100", "P-1", backfill=True), bought(at("12:00"), "900", "P-2")
    memory = after(old, new, now=at("13:00"))
    assert memory.told == []
    memory.look(at("13:00"))
    assert [(one.data.tier, one.backfill) for one in memory.told] == [("silver", True), ("gold", False)]


def test_other_rules_hold_from_now_on_and_leave_what_was_told():
    memory = after(bought(at("09:00"), "500", "P-1"), now=at("10:00"))
    strict = Loyalty(RULES.points, ((600, "silver"),), RULES.window, "strict")
    memory.domain = Figures(strict)
    memory.feed(bought(at("11:00"), "10", "P-2"), now=at("11:00", day=1))
    assert told(memory)[1:] == [("silver", None, 510, at("11:00", day=1))]
    assert not memory.told[-1].backfill
    memory.feed(bought(at("12:00", day=1), "90", "P-3"), now=at("12:00", day=1))
    assert told(memory)[2:] == [(None, "silver", 600, at("12:00", day=1))]


def test_a_contact_of_before_any_tier_has_the_first_that_stands_whatever_was_told_and_taken_back():
    for order in ((0, 1), (1, 0)):
        words = (bought(at("10:00"), "600", "P-1"), bought(at("11:00"), "10", "P-1"))
        memory = Memory(loyalty=RULES).feed(received(at("09:00")), *(words[n] for n in order), now=at("12:00"))
        memory.feed(*memory.told)
        assert memory.fact().profile.tier is None


@pytest.mark.parametrize("rules", [None, RULES])
def test_nobody_without_a_name_has_a_tier_nor_anybody_where_there_are_no_rules(rules: Loyalty | None):
    memory = Memory(loyalty=rules) if rules else Memory()
    who = "anonymous:7" if rules else "K-1"
    memory.feed(bought(at("09:00"), "5000", "P-1", customer_id=who), now=at("10:00"))
    assert memory.told == []


def test_what_a_customer_is_worth_is_margin_else_amount_less_what_came_back_by_currency():
    order = (0, -1, "", 0, "n")
    purchases = {
        "P-1": Purchase(order, 100 * MILLION, "EUR", 20 * MILLION),
        "P-2": Purchase(order, 50 * MILLION, "EUR"),
        "P-3": Purchase(order, 7 * MILLION, "USD"),
    }
    back = [Return(1, "P-1", 25 * MILLION), Return(1, "P-2", 60 * MILLION)]
    assert worth(purchases, back) == {
        "EUR": (2, 15 * MILLION, 75 * MILLION),
        "USD": (1, 7 * MILLION, 0),
    }


HOURS = st.integers(0, 24 * 800)
LIVES = st.lists(
    st.one_of(
        st.tuples(st.just("bought"), HOURS, st.integers(0, 600), st.integers(0, 9)),
        st.tuples(st.just("returned"), HOURS, st.integers(0, 600), st.integers(0, 9)),
    ),
    max_size=12,
)


def _events(life: Iterable[tuple[str, int, int, int]]) -> list[Event[Data]]:
    make = {"bought": bought, "returned": returned}
    return [make[kind](at("00:00") + timedelta(hours=hour), str(amount), f"P-{n}") for kind, hour, amount, n in life]


@given(LIVES, st.randoms(use_true_random=False))
def test_whatever_the_order_of_arrival_what_was_told_last_of_an_instant_is_what_the_purchases_say(life, chance):
    now, memory = at("00:00") + timedelta(days=900), Memory(loyalty=RULES)
    events = _events(life)
    chance.shuffle(events)
    memory.feed(*events, now=now)
    sorted_ = after(*sorted(events, key=lambda e: e.order), now=now)
    standing = _standing(memory)
    assert standing == _standing(sorted_)


def _standing(memory: Memory) -> list[tuple[datetime, str | None]]:
    """The changes of tier that what was told amounts to."""
    newest = {one.time: one.data.tier for one in sorted(memory.told, key=lambda e: int(e.sequence or 0))}
    changes: list[tuple[datetime, str | None]] = []
    for when, tier in sorted(newest.items()):
        if tier != (changes[-1][1] if changes else None):
            changes.append((when, tier))
    return changes


@given(LIVES, HOURS)
def test_points_are_the_sum_over_the_purchases_that_count_and_what_is_left_of_them(life, hour):
    memory = Memory().feed(*_events(life))
    fact = memory.kept[CustomerFact].get("K-1", CustomerFact(id="K-1", partition=0))
    assert isinstance(fact, CustomerFact)
    when = millis(at("00:00") + timedelta(hours=hour))
    total = 0
    for name, one in fact.purchases.items():
        back = sum(r.amount for r in fact.returns.values() if r.purchase == name and r.at <= when)
        if one.order[0] <= when < one.order[0] + RULES.window:
            total += max(0, one.amount - back)
    assert points_at(fact.purchases, fact.returns.values(), RULES, when) == total // MILLION
    found = steps(fact.purchases, fact.returns.values(), RULES)
    assert untold(found, {step.at: step.tier for step in found}, when) == []
