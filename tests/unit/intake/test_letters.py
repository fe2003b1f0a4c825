import base64
import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intake.domain import Accepted, Caller, Door, Refused
from intake.letters import Letter, letter_of
from intake.reading import events_in, judged
from intake.records import forwarded, judge, posted_records
from intake.replay import again
from intake.showing import shown
from rapport.contracts import topics
from rapport.runtime.publisher import Outgoing

from tests.support.intake import NOW, data, event

DOOR = Door(Caller(), NOW, timedelta(hours=24))
MODE = ("content-type", b"application/cloudevents+json")


@dataclass
class Record:
    value: bytes | None = None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    topic: str = topics.CONTACT_EVENTS_IN
    partition: int = 3
    offset: int = 41
    timestamp: int = 1_772_442_000_000


@dataclass
class Republished:
    """A dead letter as it comes back out of Kafka."""

    outgoing: Outgoing
    timestamp: int = 0
    key: bytes | None = field(init=False)
    value: bytes | None = field(init=False)
    headers: Any = field(init=False)

    def __post_init__(self) -> None:
        self.key, self.value, self.headers = self.outgoing.key, self.outgoing.value, tuple(self.outgoing.headers)


def written(**changes: Any) -> bytes:
    return json.dumps(event(**changes)).encode()


def letter(record: Record) -> Letter:
    verdict = judge(record, DOOR)
    assert isinstance(verdict, Refused)
    return letter_of(Republished(forwarded(record, verdict, NOW)))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (Record(), "is required"),
        (Record(written()), "is required"),
        (Record(b"\xff\xfe", headers=(MODE,)), "is not JSON"),
        (Record(b"{}", headers=(("ce_id", b"\xff"),)), "is not UTF-8"),
        (Record(written(), b"K-6", (MODE,)), "key_mismatch"),
        (Record(written(), b"\xff", (MODE,)), "key_mismatch"),
        (Record(written(type="customer.erased", data={"customer_id": "K-5"}), None, (MODE,)), "role admin"),
        (Record(written(data=data(ours="x" * 300_000)), None, (MODE,)), "is larger than"),
    ],
)
def test_a_refused_record_is_kept_whole_with_why_and_whence(record: Record, reason: str):
    kept = letter(record)
    assert reason in kept.reason
    assert (kept.key, kept.value, kept.headers) == (record.key, record.value, record.headers)
    assert (kept.topic, kept.partition, kept.offset, kept.service) == (record.topic, 3, 41, "intake")
    assert kept.at == NOW


@pytest.mark.parametrize(
    "record",
    [
        Record(b"x" * (5 << 20), b"K-5", (MODE,)),
        Record(written(), b"K" * (3 << 20), (MODE,)),
        Record(b"{}", b"K-5", (MODE, ("long", b"x" * (3 << 20)))),
    ],
)
def test_of_a_record_too_large_for_any_dead_letter_the_beginning_is_kept(record: Record):
    kept = letter(record)
    assert record.value is not None
    assert record.key is not None
    assert len(kept.value or b"") + len(kept.key or b"") < 2 << 20
    assert record.value.startswith(kept.value or b"?")
    assert record.key.startswith(kept.key or b"?")
    assert (kept.topic, kept.partition, kept.offset, kept.headers) == (record.topic, 3, 41, ())


def test_a_record_with_no_key_or_the_customers_goes_on():
    for key in (None, b"", b"K-5"):
        verdict = judge(Record(written(), key, (MODE,)), DOOR)
        assert isinstance(verdict, Accepted)
        assert forwarded(Record(), verdict, NOW).key == b"K-5"


def test_the_same_refusal_twice_is_the_same_letter_and_another_record_is_another():
    first = letter(Record(b"{}", headers=(MODE,)))
    assert letter(Record(b"{}", headers=(MODE,))).id == first.id
    assert letter(Record(b"{}", headers=(MODE,), offset=42)).id != first.id
    assert letter(Record(b"[]", headers=(MODE,))).id != first.id


def test_events_that_differ_in_their_attributes_alone_are_letters_of_their_own():
    def posted(event_id: str) -> Letter:
        headers = {"ce-specversion": "1.0", "ce-id": event_id, "ce-source": "/crm", "ce-type": "a.b"}
        events, _ = events_in(headers, "application/json", json.dumps(data()).encode())
        [record] = posted_records(judged(events, DOOR), events, NOW)
        return letter_of(Republished(record))

    assert [posted(name).event_id for name in ("e-1", "e-2")] == ["e-1", "e-2"]
    assert len({posted(name).id for name in ("e-1", "e-2", "e-3", "e-1")}) == 3


def test_two_that_are_no_json_for_two_reasons_are_counted_as_one():
    reasons = {letter(Record(body, headers=(MODE,))).reason for body in (b"{", b'{"id": "Rossi', b"[1 2]")}
    assert reasons == {"is not JSON"}
    odd = [Record(b"1", headers=(("content-type", b"application/cloudevents+" + name),)) for name in (b"a", b"b")]
    assert {letter(record).reason for record in odd} == {"is in a format that is not read here"}


def test_source_and_id_are_told_as_far_as_they_can_be_read():
    assert letter(Record(written(type="a.b"), None, (MODE,))).source == "/crm"
    binary = letter(Record(b"{", headers=(("ce_id", b"e-9"), ("ce_source", b"/tel"), ("ce_type", b"x"))))
    assert (binary.event_id, binary.source, binary.event_type) == ("e-9", "/tel", "x")


def test_whom_it_is_about_is_told_in_each_mode():
    structured, binary = b'{"data": {"customer_id": "K-5"}}', b'{"customer_id": "K-5"}'
    for value in (structured, binary):
        assert letter(Record(value, None, (("ce_id", b"e-9"),))).customer_id == "K-5"


@pytest.mark.parametrize("more", [{"x": 1}, {"customer_id": "K-6"}])
def test_whom_it_is_about_is_told_though_the_data_has_a_member_of_that_name(more: dict[str, Any]):
    body = json.dumps({"customer_id": "K-5", "data": more}).encode()
    assert letter(Record(body, None, (("ce_id", b"e-9"),))).customer_id == "K-5"


def test_what_is_no_name_is_none():
    assert letter(Record(b'{"id": 7, "source": ["x"]}', headers=(MODE,))).event_id == ""


@given(
    st.none() | st.binary(max_size=50),
    st.none() | st.binary(max_size=9),
    st.lists(st.tuples(st.text(max_size=9) | st.sampled_from(["rapport-at", "rapport-offset", "ce_id"]), st.binary())),
)
def test_whatever_is_in_the_topic_there_is_a_letter_that_can_beshown(value, key, headers):
    kept = letter_of(Record(value, key, tuple(headers)))
    json.dumps(shown(kept), allow_nan=False)


def test_whose_letter_it_is_can_be_told_from_base64_too():
    packed = base64.b64encode(json.dumps(data(channel="fax")).encode()).decode()
    kept = letter(Record(written(data=None, data_base64=packed), None, (MODE,)))
    assert (kept.customer_id, kept.pointer) == ("K-5", "/data/channel")
    assert letter_of(Record(written(data=None, data_base64="e30"))).customer_id == ""


@pytest.mark.parametrize("packed", ["é", "\u2028", "😀", "e30=é", 7, [], None])
def test_what_is_called_base64_and_is_none_makes_a_letter_like_any_other(packed: Any):
    kept = letter(Record(written(data=[], data_base64=packed), b"K-5", (MODE,)))
    assert kept.customer_id == "K-5"


@pytest.mark.parametrize("number", ["9" * 19, "9" * 5000, "-1", "²", ""])
def test_a_place_that_is_none_is_told_as_none(number: str):
    kept = letter_of(Record(b"{}", headers=(("rapport-partition", number.encode()), ("rapport-offset", b"7"))))
    assert (kept.partition, kept.offset) == (-1, 7)


def test_a_record_in_base64_is_let_in():
    packed = base64.b64encode(json.dumps(data()).encode()).decode()
    assert isinstance(judge(Record(written(data=None, data_base64=packed), b"K-5", (MODE,)), DOOR), Accepted)


def test_a_letter_dated_outside_of_the_calendar_is_dated_by_its_record():
    kept = letter_of(Record(b"{}", headers=(("rapport-at", b"0001-01-01T00:00:00+14:00"),)))
    assert kept.at.year == 2026


@pytest.mark.parametrize("value", [b'{"a": NaN}', b"[" * 190 + b"]" * 190, None])
def test_json_that_others_could_not_read_is_shown_too(value: bytes | None):
    json.dumps(shown(letter_of(Record(value))), allow_nan=False)


def test_what_another_service_could_not_process_goes_back_to_its_topic_as_it_was():
    theirs = letter_of(
        Record(b"{}", b"K-5", (MODE, ("rapport-topic", b"t.sla-events"), ("rapport-reason", b"too new"))), "t."
    )
    assert again(theirs, DOOR) == Outgoing(topics.SLA_EVENTS, b"K-5", b"{}", (MODE,))
    assert isinstance(again(letter_of(Record(b"{}", headers=(("rapport-topic", b"elsewhere"),))), DOOR), str)
