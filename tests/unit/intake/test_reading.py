"""From a request to its events: what is too long is refused unread."""

import json
from datetime import timedelta

import pytest
from intake import reading
from intake.customers import Named, filled_in
from intake.domain import MAX_EVENT, Caller, Door, Refusal, Refused, Trace
from intake.records import posted_records
from rapport.cloudevents import CloudEvent, from_kafka

from tests.support.intake import NOW, data, event

DOOR = Door(Caller(), NOW, timedelta(hours=24), Trace("00-" + "a" * 32 + "-" + "b" * 16 + "-01", "us=1,them=2"))


@pytest.mark.parametrize(
    ("document", "name"),
    [
        (b'{"id":"e-1","data":[' + b"[]," * MAX_EVENT + b"[]]}", "e-1"),
        (b'{"data":{},"id":7' + b" " * MAX_EVENT + b"}", ""),
        (b"[" * MAX_EVENT * 2, ""),
        (b'{"id":"' + b"\xff" * MAX_EVENT + b'"}', ""),
    ],
    ids=["a million small arrays", "a number as its id", "no end of brackets", "no UTF-8"],
)
def test_a_document_that_is_too_long_is_refused_under_its_name_and_not_taken_apart(
    monkeypatch: pytest.MonkeyPatch, document: bytes, name: str
):
    def taken_apart(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(reading, "from_http", taken_apart)
    monkeypatch.setattr("json.loads", taken_apart)
    [verdict] = reading.judged([document], DOOR)
    assert isinstance(verdict, Refused)
    assert (verdict.id, verdict.refusal) == (name, Refusal.TOO_LARGE)


def test_a_document_that_violates_the_contract_is_kept_byte_for_byte():
    document = json.dumps(event(data=data(channel="pigeon", attributes={"price": 1.50})), indent=1).encode() + b"\n"
    [letter] = posted_records(reading.judged([document], DOOR), [document], NOW)
    assert (letter.topic, letter.value) == ("dead-letters", document)


def in_binary_mode(**changes: object) -> tuple[CloudEvent, bytes]:
    """An event whose attributes are in headers, and its body."""
    body = b'{"contact_id": "C-1", "channel": "pigeon",  "price": 1.50, "name": "\\u00e9"}'
    headers = {"content-type": "application/json; charset=utf-8", "ce-colour": "r%C3%B6d"}
    headers |= {f"ce-{name}": str(value) for name, value in event(data=None, **changes).items()}
    [came], _ = reading.events_in(headers, headers["content-type"], body)
    assert isinstance(came, CloudEvent)
    return came, body


def test_in_binary_mode_its_body_is_kept_byte_for_byte_and_its_attributes_beside_it():
    came, body = in_binary_mode()
    [letter] = posted_records(reading.judged([came], DOOR), [came], NOW)
    assert (letter.topic, letter.value) == ("dead-letters", body)
    again = from_kafka(letter.value, [one for one in letter.headers if not one[0].startswith("rapport-")])
    assert (again.attributes, again.data) == (came.attributes, came.data)
    assert again.attributes["colour"] == "r\u00f6d"


def test_one_whose_customer_was_filled_in_is_kept_with_the_customer():
    came, _ = in_binary_mode()
    filled = filled_in(came, {"C-1": Named("K-5", 0)})
    [letter] = posted_records(reading.judged([filled], DOOR), [filled], NOW)
    assert json.loads(letter.value or b"")["data"]["customer_id"] == "K-5"
