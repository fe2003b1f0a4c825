"""What a policy asks for is known of every contact, however much else is told of it, and by whatever it is chosen."""

from typing import Any

import pytest
from rapport.contracts import Data, Event

from tests.support.sla import OFFICE, customer, play, received, reclassified

MANY = {f"field_{at:03}": at for at in range(100)}


def matching(match: str) -> str:
    return f"""{OFFICE}policies:
  - {{name: wanted, match: {match}, calendar: office, targets: {{first_response: {{within: 1h}}}}}}
"""


@pytest.mark.parametrize(
    "attributes",
    [
        {**MANY, "zone": "north"},
        {**MANY, "zone": [*(f"place {at}" for at in range(100)), "north"]},
        {"zone": ["north", "x" * 1000, {"nested": True}]},
    ],
)
def test_an_attribute_that_a_policy_asks_for_is_found_among_any_number_of_others(attributes: dict[str, Any]):
    under = matching("{attributes.zone: [north, east]}")
    assert play([received("09:00", attributes=attributes)], under=under).contact.policy == "wanted"
    later = [received("09:00"), reclassified("09:30", attributes=attributes)]
    assert play(later, under=under).contact.policy == "wanted"


def test_what_nobody_asks_for_does_not_make_a_contact_long():
    [opening] = play([received("09:00", attributes=MANY)], under=matching("{attributes.zone: north}")).contact.log
    assert len(opening.facts) == 32 + 1


def test_a_field_that_is_not_there_has_no_value_not_even_one_of_that_name():
    assert play([received("09:00")], under=matching('{topic: "None"}')).contact.policy is None


CLIMBING = (
    OFFICE
    + """
policies:
  - name: only
    calendar: office
    targets: {first_response: {within: 1h}}
    page: now
    escalation: {by: BY, map: {gold: best, "true": best, "3": best}, default: rest}
escalations: {best: [{after: 0m, notify: [lead]}], rest: [{after: 0m, notify: [desk]}]}
receivers: {lead: {url: "webhook:https://example.org/lead"}, desk: {url: "webhook:https://example.org/desk"}}
"""
)


@pytest.mark.parametrize(
    ("by", "events"),
    [
        ("tier", [customer("08:00", tier="gold"), received("09:00")]),
        ("tier", [received("09:00"), customer("09:30", tier="gold")]),
        ("purchase_id", [received("09:00", purchase_id="gold")]),
        ("attributes.vip", [received("09:00", attributes={"vip": True})]),
        ("attributes.level", [received("09:00", attributes={"level": 3.0})]),
    ],
)
def test_an_escalation_is_chosen_by_a_field_for_which_no_policy_is_matched(by: str, events: list[Event[Data]]):
    played = play(events, under=CLIMBING.replace("BY", by), looks=["10:01"])
    assert [one.receiver for one in played.notifications] == ["lead"]
