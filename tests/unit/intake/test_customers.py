"""Whose a contact is, by what has been said of it."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intake.customers import Named, filled_in, learned
from rapport.cloudevents import CloudEvent

MORNING, NOON = "2026-03-02T09:00:00Z", "2026-03-02T12:00:00.25Z"


def said(event_type: str = "contact.received", time: str = MORNING, **data: Any) -> tuple[str, str, Any]:
    return event_type, time, data


def came(event_type: str = "contact.responded", **data: Any) -> CloudEvent:
    return CloudEvent({"type": event_type, "time": NOON}, data)


def owners(*events: tuple[str, str, Any]) -> dict[str, str]:
    return {name: named.customer_id for name, named in learned(events).items()}


def test_what_an_event_says_of_its_contact_is_remembered():
    assert owners(said(contact_id="C", customer_id="K")) == {"C": "K"}
    assert owners(said(contact_id="C"), said(customer_id="K"), said(contact_id=7, customer_id="K")) == {}


def test_somebody_known_beats_an_anonymous_one_whenever_either_is_heard_of():
    known = said(contact_id="C", customer_id="K-5", time=MORNING)
    nobody = said(contact_id="C", customer_id="anonymous:77", time=NOON)
    assert owners(known, nobody) == owners(nobody, known) == {"C": "K-5"}


def test_of_two_customers_the_one_named_of_the_later_moment_holds():
    events = [said(contact_id="C", customer_id=f"K-{n}", time=f"2026-03-02T09:00:00.{n}Z") for n in (1, 2, 3)]
    assert {owners(*order)["C"] for order in permutations(events)} == {"K-3"}


def test_a_merged_contact_and_the_one_that_goes_on_have_the_same_customer():
    assert owners(said("contact.merged", contact_id="C", into="D", customer_id="K")) == {"C": "K", "D": "K"}
    known = {"D": Named("K", 0)}
    assert filled_in(came("contact.merged", contact_id="C", into="D"), known).data["customer_id"] == "K"
    assert "customer_id" not in filled_in(came(contact_id="C", into="D"), known).data


@pytest.mark.parametrize(
    "data", [{"contact_id": "X"}, {"contact_id": "C", "customer_id": "other"}, {}, {"contact_id": 5}]
)
def test_nobody_is_made_up_and_nobody_replaced(data: dict[str, Any]):
    event = came(**data)
    assert filled_in(event, {"C": Named("K", 0)}) is event


def test_the_customer_is_filled_in_and_all_else_is_kept():
    filled = filled_in(came(contact_id="C", ours=[1]), {"C": Named("K", 0)})
    assert filled.data == {"customer_id": "K", "contact_id": "C", "ours": [1]}
    assert filled_in(CloudEvent({"type": "contact.responded"}, "text"), {}).data == "text"


def test_null_for_the_customer_is_as_good_as_leaving_it_out():
    filled = filled_in(came(contact_id="C", customer_id=None), {"C": Named("K", 0)})
    assert filled.data == {"customer_id": "K", "contact_id": "C"}
    unknown = came(contact_id="X", customer_id=None)
    assert filled_in(unknown, {"C": Named("K", 0)}) is unknown


names = st.sampled_from(["K-1", "K-2", "anonymous:1", "anonymous:2"])
times = st.sampled_from([f"2026-03-02T09:00:0{n}Z" for n in range(4)])


@given(
    st.lists(st.tuples(names, times), unique_by=lambda one: one[1]).flatmap(
        lambda s: st.tuples(st.just(s), st.permutations(s))
    )
)
def test_the_order_of_arrival_makes_no_difference(both):
    first, second = (
        owners(*(said(contact_id="C", customer_id=name, time=time) for name, time in order)) for order in both
    )
    assert first == second
