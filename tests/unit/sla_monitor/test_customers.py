"""What is learnt of a customer late, and whom it reaches."""

import pytest
from rapport.contracts import Data, Event
from rapport.decision import Match
from sla_monitor.domain.states import ContactState

from tests.support.sla import OFFICE, customer, desk, play, received, resolved, responded, tier_changed

TIERS = f"""{OFFICE}policies:
  - {{name: plat, match: {{tier: platinum}}, calendar: office, targets: {{first_response: {{within: 1h}}}}}}
  - {{name: rest, calendar: office, targets: {{first_response: {{within: 4h}}}}}}
"""


@pytest.mark.parametrize("news", [tier_changed("08:00", "platinum"), customer("08:00", tier="platinum")])
def test_what_comes_late_about_a_customer_reaches_contacts_that_are_closed_already(news: Event[Data]):
    events = [received("09:00"), responded("11:00"), resolved("12:00")]
    straight = play([news, *events], under=TIERS)
    late = play(events, under=TIERS)
    late.take(news, now="13:00")
    assert straight.contact.told == {k: told._replace(revision=0) for k, told in late.contact.told.items()}
    assert late.told() == [("sla.met", "11:00"), ("sla.corrected", "10:00")]
    assert late.contact.policy == "plat"


def test_a_contact_whose_log_has_been_cut_learns_nothing_more():
    played = play([received("09:00"), responded("11:00"), resolved("12:00")], under=TIERS, looks=["+40 09:00"])
    assert (played.contact.recalls, "recalls" in played.contact.index()) == (False, False)
    played.take(tier_changed("08:00", "platinum"), now="+40 10:00")
    assert played.told() == [("sla.met", "11:00")]


def test_of_a_customers_closed_contacts_only_so_many_are_looked_for_and_none_for_a_name_alone():
    domain = desk(TIERS).domain
    asked = [touch for touch in domain.touches(tier_changed("08:00", "gold")) if isinstance(touch, Match)]
    assert [(one.kind, one.where, one.most) for one in asked] == [
        (ContactState, (("open", True),), 0),
        (ContactState, (("open", False), ("recalls", True)), 100),
    ]
    assert not any(isinstance(touch, Match) for touch in domain.touches(customer("08:00", name="Rossi")))
