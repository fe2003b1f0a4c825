"""Whose clock and calendar a customer lives by is often learnt after what is planned by it."""

from typing import Any

import pytest
from rapport.contracts import Data, Event

from tests.support.followup import Story, profile, resolved, said

PLAYS = """
plays:
  - name: call
    on: {type: contact.resolved}
    steps:
      - {after: 3w, at: next 10:00, do: check_in}
      - {after: 2 business days, do: check_in}
      - {after: 1d, do: check_in}
  - name: silent
    on: {silent: {resolved_unconfirmed: 10d}}
    steps: [{after: 0m, at: next 08:00, do: check_in}]
timezone: Europe/Berlin
regions: {us: {timezone: America/New_York, country: US}}
"""


def planned(*events: Event[Data]) -> dict[str, str]:
    told = Story(PLAYS).take_in(*events)
    return {f"{one.play} {one.step}": said(one.due_at) for one in told.customer().followups.values()}


@pytest.mark.parametrize(
    "fields", [{"timezone": "America/New_York"}, {"region": "us"}, {"region": "us", "timezone": "America/Chicago"}]
)
def test_what_is_planned_by_the_clock_follows_the_customers(fields):
    who, what = profile("0 00:00", **fields), resolved("3 10:00")
    assert planned(what, who) == planned(who, what)
    assert planned(what, who) != planned(what)


def test_what_has_moved_is_told_once_more_and_done_then():
    told = Story(PLAYS).play((resolved("3 10:00"), profile("4 00:00", timezone="America/New_York")), "60 00:00")
    assert [(one, due) for one, due in steps(told, "followup.scheduled") if one in (0, 2)] == [
        (0, "25 09:00"),
        (2, "4 10:00"),
        (0, "24 14:00"),
    ]
    assert steps(told, "followup.owed") == [(2, "4 10:00"), (1, "7 13:00"), (0, "24 14:00")]
    assert len({one.id for one in told.told}) == len(told.told)


def steps(told: Story, kind: str) -> list[tuple[Any, str]]:
    """What was told of the steps of the play `call`, and when they are due."""
    return [(one.step, said(one.due_at)) for one in told.of(kind) if one.play == "call"]


def test_what_says_nothing_of_where_they_are_moves_nothing():
    assert planned(resolved("3 10:00"), profile("4 00:00", timezone="Europe/Berlin")) == planned(resolved("3 10:00"))
