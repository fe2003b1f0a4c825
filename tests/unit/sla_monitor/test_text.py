"""The one line of an alert: nobody is said to wait who has been answered, and somebody's words don't fill it."""

import pytest
from rapport.contracts import Data, Event
from sla_monitor.domain.states import CustomerState
from sla_monitor.domain.text import text

from tests.support.sla import at, merged, play, received, responded, targets

UNDER = targets("first_response: {within: 1h}", warn="[50%]")


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (responded("11:30"), "CLEARED · first response · #c-1 · K-1 · e-mail, waited since 09:00 UTC until 11:30"),
        (merged("11:30"), "CLEARED · first response · #c-1 · K-1 · e-mail, waited since 09:00 UTC"),
    ],
)
def test_what_is_over_says_how_long_the_customer_waited(end: Event[Data], says: str):
    played = play([received("09:00"), end], under=UNDER, looks=["10:01"])
    assert text(played.alert(), None, at("11:31")) == f"{says} · owner none"


def test_who_still_waits_when_a_breach_is_withdrawn_is_said_to_wait():
    played = play([received("09:00")], under=UNDER, looks=["10:01"])
    over = played.alert().but(state="cleared")
    assert "e-mail, waiting since 09:00 UTC" in text(over, None, at("10:05"))


def test_a_subject_or_a_name_of_any_length_leaves_a_line_that_chats_and_pagers_take():
    alert = play([received("09:00")], under=UNDER, looks=["10:01"]).alert().but(subject="Invoice " * 2500)
    known = CustomerState(id="K-1", partition=0, name="Rossi " * 3000, tier="gold")
    line = text(alert, known, at("10:13"), {"Acknowledge": "https://sla.example/a/token"})
    assert len(line) < 1000
    assert line.startswith('BREACHED 13 min · first response · #c-1 "Invoice Invoice')
    assert "Invoice…" in line
    assert "… (gold) · e-mail, waiting since 09:00 UTC · owner none" in line
    assert line.endswith("Acknowledge: https://sla.example/a/token")


def test_a_subject_that_turns_the_direction_of_writing_turns_nothing_of_the_line():
    alert = play([received("09:00")], under=UNDER, looks=["10:01"]).alert().but(subject="\u202eeciovnI\u2066\u2028")
    assert '#c-1 "eciovnI"' in text(alert, None, at("10:13"))
