"""The forecast: what will be missed if nobody acts."""

from rapport.contracts import Data, Event
from sla_monitor.domain.outlook import coming

from tests.support.sla import at, play, promised, received, responded, targets, waiting, when

TEXT = targets("first_response: {within: 4h}, resolution: {within: 8h, pause_on: [customer]}")


def forecast(*events: Event[Data], until: str = "Tue 17:00", now: str = "10:00") -> list[tuple[str, str]]:
    played = play(events, under=TEXT)
    found = coming(played.contact, played.domain.book, at(now), at(until))
    return sorted((due.target, when(due.at)) for due in found)


def test_what_will_be_missed_by_then_is_foretold_with_its_instant():
    assert forecast(received("09:00")) == [("first_response", "13:00"), ("resolution", "17:00")]
    assert forecast(received("09:00"), until="13:00") == [("first_response", "13:00")]
    assert forecast(received("09:00"), until="12:59") == []


def test_what_is_answered_missed_already_or_paused_is_no_forecast():
    assert forecast(received("09:00"), responded("09:30")) == [("resolution", "17:00")]
    assert forecast(received("09:00"), now="13:30") == [("resolution", "17:00")]
    assert forecast(received("09:00"), responded("09:30"), waiting("09:45")) == []


def test_a_promise_will_be_broken_too():
    assert ("promise", "11:00") in forecast(received("09:00"), promised("09:10", by="11:00"))
