"""What is read late, backwards or once more long after: history neither blocks a survey for ever nor is it ignored."""

import pytest
from rapport.contracts import Data, Event

from tests.support.followup import Story, at, profile, received, resolved

HELPED = (profile(), received("50 08:00"), resolved("50 10:00"))


def past(when: str, kind=received, came: str = "49 00:00"):
    """An event of another contact that came as history."""
    return kind(when, "C-0", backfill=True, recordedtime=at(came))


def asked(*before: Event[Data]) -> tuple[int, list[str]]:
    """How many surveys go out after `before`, which come in this order, and why one doesn't."""
    told = Story()
    told.now = at("49 00:00")
    told.take_in(*before).play(HELPED, "60 00:00")
    return len(told.of("survey.sent")), [one.reason for one in told.of("followup.suppressed")]


def test_history_that_is_read_from_its_end_leaves_nothing_open():
    assert asked(past("-20 10:00", resolved), past("-20 08:00")) == (1, [])
    assert asked(past("-20 08:00"), past("-20 10:00", resolved)) == (1, [])


def test_an_old_event_that_comes_again_opens_no_contact_that_was_closed_and_forgotten():
    told = Story().take_in(received("0 08:00", "C-0"), resolved("0 10:00", "C-0", outcome="declined"))
    told.now = at("49 00:00")
    told.take_in(profile("48 00:00"))
    assert set(told.customer().contacts) == set()
    told.take_in(past("0 08:00")).play(HELPED, "60 00:00")
    assert len(told.of("survey.sent")) == 1
    told.take_in(profile("100 00:00"))
    assert set(told.customer().contacts) == {"C-1"}, "somebody still has to call about it"


@pytest.mark.parametrize(
    "waiting",
    [
        past("45 08:00"),
        received("0 08:00", "C-0"),
        received("40 08:00", "C-0"),
    ],
    ids=["recent history", "for long", "for days"],
)
def test_whoever_waits_for_an_answer_is_not_asked(waiting):
    assert asked(waiting) == (0, ["contact_open"])


def test_a_customer_who_writes_on_an_old_contact_waits_for_an_answer():
    assert asked(past("-20 08:00"), received("48 08:00", "C-0")) == (0, ["contact_open"])
