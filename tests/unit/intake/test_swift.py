"""The short way in lets in nothing that the long way would not, and says the same."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intake.domain import Accepted, Caller, Door, Trace, admit, swift, wave_through
from msgspec.structs import replace
from rapport.cloudevents import MalformedEvent, from_http
from rapport.contracts import CONTACT_EVENT_DATA

from tests.support.intake import NOW, STRUCTURED, data, event
from tests.unit.intake.test_admission import FULL

DOOR = Door(Caller(), NOW, timedelta(hours=24), Trace("00-" + "a" * 32 + "-" + "b" * 16 + "-01", "us=1,them=2"))


def the_long_way(raw: bytes, door: Door = DOOR) -> Accepted | None:
    try:
        [came] = from_http({"content-type": STRUCTURED}, raw)
    except MalformedEvent:
        return None
    verdict = admit(came, door)
    return verdict if isinstance(verdict, Accepted) else None


def alone(raw: bytes, door: Door = DOOR) -> Accepted | None:
    [verdict] = wave_through([raw], door)
    return verdict


def agree(raw: bytes, door: Door = DOOR) -> bool:
    """Whether the short way took it; fails where the long way would not have, or would have said something else."""
    short = alone(raw, door)
    if short is None:
        return False
    long = the_long_way(raw, door)
    assert long is not None
    assert replace(short, value=b"") == replace(long, value=b"")
    assert json.loads(short.value) == json.loads(long.value)
    assert len(json.loads(short.value, object_pairs_hook=list)) == len(json.loads(short.value)), "a member comes twice"
    return True


def written(**changes: Any) -> bytes:
    return json.dumps(event(**changes)).encode()


def test_an_event_as_most_are_travels_on_as_the_bytes_it_came_as():
    raw = (
        b'{"specversion":"1.0","id":"e-1","source":"/crm","type":"contact.resolved","time":"2026-03-02T08:59:00Z",'
        b' "data" : {"customer_id":"K-5","contact_id":"C-77","handle_seconds":12.50,"own":{"very":["own",1e2]}} }'
    )
    accepted = alone(raw)
    assert accepted is not None
    assert accepted.value.startswith(raw[:-1])
    assert agree(raw)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"datacontenttype": "application/json"},
        {"subject": "C-77", "sequence": "7", "causationid": "x"},
        {"traceparent": "00-" + "c" * 32 + "-" + "d" * 16 + "-00"},
        {"time": "2026-03-02T08:59:00.123Z"},
        {"time": "2019-01-31T08:59:00Z"},
        {"time": "2019-01-31T08:59:00Z", "backfill": True},
        {"backfill": True},
        {"data": data(subject='a "quoted" \\ word', attributes={"deep": [[{"a": [1]}]]})},
        {"data": data(customer_id='K "5" é\n')},
        {"data": data(reference="12345678901234567890")},
    ],
)
def test_what_needs_no_change_takes_the_short_way(changes: dict[str, Any]):
    assert agree(written(**changes))


@pytest.mark.parametrize(
    "raw",
    [
        written(time="2026-03-02T09:59:00+01:00"),
        written(time="2026-03-02T08:59:00.500000Z"),
        written(time="2026-03-02T08:59:00.000Z"),
        written(time="2026-02-30T08:59:00Z"),
        written(time="2026-03-02T09:05:01Z"),
        written(backfill=False),
        written(backfill="true"),
        written(partitionkey="K-6"),
        written(recordedtime="2026-03-02T08:00:00Z"),
        written(comexample="kept"),
        written(datacontenttype="application/json; charset=utf-8"),
        written(id="é"),
        written(id=""),
        written(source="not a uri"),
        written(type="customer.erased", data={"customer_id": "K-5"}),
        written(data=data(sentiment="1")),
        written(data=data(sentiment=True)),
        written(data=data(own=2**63)),
        written(data=data(own=json.loads("[" * 40 + "]" * 40))),
        written(data=data(subject="x" * 300_000)),
        written(type="contact.merged", data=data(into="C-77")),
        written(type="review.posted", data=FULL["review.posted"] | {"rating": 6}),
        written(type="customer.updated", data={"customer_id": "K-5", "timezone": "Mars/Base"}),
        written().replace(b'"id"', b'"id": "e-0", "id"'),
        written().replace(b'"id"', b'"\\u0069d": "e-0", "id"'),
        written().replace(b'"contact_id"', b'"customer_id": "K-6", "contact_id"'),
        written().replace(b'"Broken again"', b'"\\u0022", "customer_id": "K-6", "a": "\\u0022"'),
        written().replace(b'"Broken again"', b"1e999"),
        written().replace(b'"Broken again"', b'"\\ud800"'),
        written().replace(b'"Broken again"', b'"\xff"'),
        written().replace(b'"subject"', b'"sub\\u0000ject"'),
        written().replace(b'"subject"', b'"subject": null, "subject"'),
        written().replace(b'"source"', b'"subject": null, "source"'),
        b"[" + written() + b"]",
        written() + b"," + written(),
        written() + b"x",
        b"",
        b"{}",
    ],
)
def test_what_is_wrong_or_has_to_be_changed_takes_the_long_way(raw: bytes):
    assert alone(raw) is None


@pytest.mark.parametrize("event_type", sorted(CONTACT_EVENT_DATA.keys() - {"customer.erased"}))
def test_every_type_takes_the_short_way_when_it_is_as_the_contract_has_it(event_type: str):
    assert agree(written(type=event_type, data=FULL[event_type]))


def test_who_may_not_send_is_not_waved_through():
    for caller in (Caller(sources=("/shop",)), Caller(emit=False, admin=True)):
        assert alone(written(), Door(caller, NOW, timedelta(hours=24))) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = sorted({name for model in CONTACT_EVENT_DATA.values() for name in model.model_fields} | {"own"})
likely = st.sampled_from(
    (
        *(
            "email",
            "question",
            "urgent",
            "inbound",
            "survey",
            "csat",
            "solved",
            "customer",
            "19.90",
            "EUR",
            "2026-03-02",
            "C-77",
            "Europe/Rome",
        ),
        *("", "é" * 200, "é" * 201, "x" * 20_000, "x" * 20_001, "2026-03-02T09:00:00Z"),
        *(-1, -1.5, 0, 1, 1.0, 5, 10**7, 10**7 + 1, 1e8),
    )
)
datas = st.dictionaries(st.sampled_from(fields), json_values | likely, max_size=4).map(
    lambda extra: {**data(), **extra}
)
attributes = st.dictionaries(
    st.sampled_from(
        ["subject", "sequence", "traceparent", "backfill", "time", "datacontenttype", "id", "source", "own"]
    ),
    st.text(max_size=6) | st.booleans() | st.sampled_from(["2026-03-02T08:00:00Z", "application/json", "/crm/é", "x"]),
    max_size=2,
)
twins = st.sampled_from([b"", b'"id": "x", ', b'"data": {}, ', b'"own": 1, ', b'"subject": "\\u0022\\u0022", '])


@settings(max_examples=200)
@given(st.sampled_from(sorted(CONTACT_EVENT_DATA)), datas, attributes, twins, st.sampled_from(["ascii", "utf-8"]))
def test_whatever_the_short_way_takes_the_long_way_takes_too_and_says_the_same(
    kind: str, said: dict[str, Any], extra: dict[str, Any], twin: bytes, charset: str
):
    raw = json.dumps({**event(type=kind), **extra, "data": said}, ensure_ascii=charset == "ascii").encode(
        "utf-8", "replace"
    )
    agree(raw.replace(b"{", b"{" + twin, 1))


@settings(max_examples=200)
@given(st.data())
def test_a_document_with_a_few_bytes_changed_is_judged_alike(change: st.DataObject):
    raw = bytearray(
        written(datacontenttype="application/json", subject="a", data=data(sentiment=0.5, own=[1, {"a": 2}]))
    )
    for _ in range(change.draw(st.integers(1, 4))):
        place = change.draw(st.integers(0, len(raw) - 1))
        raw[place : place + change.draw(st.integers(0, 2))] = change.draw(
            st.sampled_from([*b'"{}[]:,\\0 9', 0xC3])
        ).to_bytes()
    agree(bytes(raw))


documents = st.sampled_from(
    [
        written(),
        written(id="2", datacontenttype="application/json", data=data(reference="12345678901234567890")),
        written(id="3", data=data(own=2**63)),
        written(id="4", data=data(own=[[[]]])),
        written(id="5", data=data(own=json.loads("[" * 40 + "]" * 40))),
        written(id="6", colour="red"),
        written(id="7").replace(b'"contact_id"', b'"customer_id": "K-6", "contact_id"'),
        written(id="8", type="customer.erased", data={"customer_id": "K-5"}),
        written() + b"," + written(),
        b"{",
        b"",
    ]
)


@given(st.lists(documents, max_size=6), st.sampled_from([1, 500, 1 << 20]))
def test_documents_are_judged_together_as_each_would_be_alone(raws: list[bytes], together: int):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(swift, "_TOGETHER", together)
        assert wave_through(raws, DOOR) == [alone(raw) for raw in raws]
