"""Who gets a slot that there is only one of."""

import pytest
from rapport.contracts import Data, Event

from tests.support.followup import Story, at, event, profile, received, resolved

PLAYS = """
plays:
  - {name: news, on: {type: purchase.made}, priority: 1, steps: [{after: 1h, do: message, template: welcome}]}
  - {name: care, on: {type: purchase.delivered}, priority: 9, steps: [{after: 1h, do: message, template: welcome}]}
  - {name: survey, on: {type: contact.resolved}, priority: 9, steps: [{after: 1d, do: survey, patience: 2d}]}
budget: {max: 2 per 30d, gap: 3d, per: {csat: 1 per 30d}}
consent: {default: {survey: true, marketing: true}}
senders: {default: {from: "care@example.org", url: "smtp://localhost"}}
"""


def bought(when: str, kind: str = "made") -> Event[Data]:
    more: dict[str, str] = {"amount": "5", "currency": "EUR"} if kind == "made" else {}
    return event(f"purchase.{kind}", at(when), purchase_id=f"P-{when}", **more)


def sent(told: Story) -> list[str]:
    plays = {one.id: one.play for one in told.customer().followups.values()}
    return [plays[name] for name, _ in told.sends]


def happened(told: Story) -> list[tuple[str, str]]:
    return [line for line in told.lines if line[0] in {"followup.sent", "followup.owed"}]


@pytest.mark.parametrize("woken", ["0 11:00", "0 12:30", "1 09:00"])
def test_whenever_we_look_the_slot_is_for_what_matters_more(woken):
    both = (profile(), bought("0 10:00"), bought("0 11:00", "delivered"))
    told = Story(PLAYS).take_in(*both).look(at(woken)).until("20 00:00")
    assert sent(told) == ["care", "news"]


def test_what_has_run_out_of_patience_keeps_no_slot():
    solved = (received("0 08:00"), resolved("0 09:00"))
    told = Story(PLAYS).take_in(profile(), *solved, bought("3 08:00")).look(at("4 09:00"))
    assert sent(told) == ["news"]


def test_what_can_not_go_itself_keeps_no_slot_from_others():
    first = (received("0 08:00", "C-1"), resolved("0 09:00", "C-1"))
    second = (received("8 08:00", "C-2"), resolved("8 09:00", "C-2"))
    told = Story(PLAYS).play((profile(), *first, *second, bought("8 10:00")), "8 12:00")
    assert sent(told) == ["survey", "news"]


CARE_FIRST = """
plays:
  - {name: news, on: {type: purchase.made}, priority: 1, steps: [{after: 1h, do: message, template: welcome}]}
  - {name: care, on: {type: purchase.delivered}, priority: 9, steps: [{after: 4d, do: check_in, purpose: marketing}]}
consent: {default: {marketing: true}}
senders: {default: {from: "care@example.org", url: "smtp://localhost"}}
"""


def test_a_slot_is_kept_for_when_what_matters_more_may_go_not_for_a_quiet_day():
    plays = CARE_FIRST + "budget: {max: 1 per 4d}\nquiet: {days: [sun], spread: 0s}\n"
    told = Story(plays).play((profile(), bought("2 10:00", "delivered"), bought("2 11:00")), "20 00:00")
    assert happened(told) == [("followup.sent", "2 12:00"), ("followup.owed", "7 00:00")]


def test_of_two_that_matter_more_each_is_kept_a_slot_where_the_other_leaves_it_one():
    plays = CARE_FIRST + "budget: {max: 2 per 5d, gap: 2d}\n"
    care = (bought("0 10:00", "delivered"), bought("0 10:30", "delivered"))
    told = Story(plays).play((profile(), *care, bought("0 11:00")), "20 00:00")
    assert happened(told) == [
        ("followup.sent", "0 12:00"),
        ("followup.owed", "4 10:00"),
        ("followup.owed", "6 10:00"),
    ]
