"""From a request to its events: what is too long is refused unread."""

import json
from datetime import timedelta

import pytest
from intake import reading
from intake.domain import MAX_EVENT, Caller, Door, Refusal, Refused, Trace
from intake.records import posted_records

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
    verdict = reading.judged(document, DOOR)
    assert isinstance(verdict, Refused)
    assert (verdict.id, verdict.refusal) == (name, Refusal.TOO_LARGE)


def test_a_document_that_violates_the_contract_is_kept_byte_for_byte():
    document = json.dumps(event(data=data(channel="pigeon", attributes={"price": 1.50})), indent=1).encode() + b"\n"
    [letter] = posted_records([reading.judged(document, DOOR)], [document], NOW)
    assert (letter.topic, letter.value) == ("dead-letters", document)
