"""What holds of every event, and of every message that is none."""

import json
from contextlib import suppress
from datetime import UTC, timedelta, timezone

from hypothesis import example, given
from hypothesis import strategies as st
from rapport.cloudevents import (
    CloudEvent,
    MalformedEvent,
    from_http,
    from_kafka,
    to_binary_http,
    to_kafka_binary,
    to_structured,
)

STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCHED = {"content-type": "application/cloudevents-batch+json"}
CORE = ("specversion", "id", "source", "type", "subject", "time", "dataschema", "datacontenttype", "data")

characters = st.characters(
    codec="utf-8",
    exclude_categories=["Cc", "Cs"],
    exclude_characters=[chr(code) for code in range(0xFDD0, 0xFDF0)]
    + [chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF)],
)
texts = st.text(characters)
words = st.text(characters, min_size=1)
names = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True).filter(lambda name: name not in CORE)
references = st.from_regex(r"(https?://[a-z.]{1,9}(:[0-9]{1,4})?)?(/[a-z0-9%~_=-]*)+(#[a-z]*)?", fullmatch=True).map(
    lambda reference: reference.replace("%", "%41")
)
instants = st.datetimes(timezones=st.just(UTC)).map(
    lambda moment: (
        moment.isoformat().replace("+00:00", "").rstrip("0").rstrip(".") + "Z"
        if moment.microsecond
        else moment.isoformat().replace("+00:00", "Z")
    )
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(CORE) | texts, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def events(draw):
    attributes = {"specversion": "1.0", "id": draw(words), "source": draw(references), "type": draw(words)}
    optional = {"subject": words, "time": instants, "dataschema": st.just("urn:x:y?z")}
    attributes |= draw(st.fixed_dictionaries({}, optional=optional))
    attributes |= draw(st.dictionaries(names, texts, max_size=4))
    content_type, data = draw(
        st.tuples(st.sampled_from(["application/json", "a/b+json; charset=utf-8"]), json_values)
        | st.tuples(st.sampled_from(["text/plain", "application/xml; charset=utf-8"]), words)
        | st.tuples(st.sampled_from([None, "image/png"]), st.binary(min_size=1))
        | st.tuples(st.sampled_from([None, "image/png", "text/plain", "application/json"]), st.none())
    )
    if content_type is not None:
        attributes["datacontenttype"] = content_type
    return CloudEvent(attributes, data)


@given(event=events())
def test_a_structured_event_reads_back_as_it_was(event):
    assert from_http(STRUCTURED, to_structured(event)) == [event]
    assert from_kafka(to_structured(event), [("content-type", b"application/cloudevents+json")]) == event


@given(batch=st.lists(events(), max_size=4))
def test_a_batch_reads_back_as_it_was(batch):
    assert from_http(BATCHED, b"[" + b",".join(map(to_structured, batch)) + b"]") == batch


@given(event=events())
def test_a_binary_http_message_reads_back_as_it_was(event):
    headers, body = to_binary_http(event)
    assert all(0x21 <= ord(character) <= 0x7E for name in headers for character in name)
    assert all(value.isascii() for value in headers.values())
    assert from_http(headers, body) == [event]


@given(event=events())
def test_a_binary_kafka_record_reads_back_as_it_was(event):
    assert from_kafka(*to_kafka_binary(event)) == event


@given(event=events(), escaped=st.booleans(), indent=st.none() | st.integers(0, 3))
def test_how_the_json_is_written_makes_no_difference(event, escaped, indent):
    body = json.dumps(json.loads(to_structured(event)), ensure_ascii=escaped, indent=indent).encode()
    assert from_http(STRUCTURED, body) == [event]


@given(event=events(), value=json_values, index=st.integers(0, 50))
def test_a_second_member_of_any_name_is_refused_whatever_both_hold(event, value, index):
    members = list(json.loads(to_structured(event)).items())
    name = members[index % len(members)][0]
    body = "{" + ",".join(f"{json.dumps(key)}:{json.dumps(item)}" for key, item in [*members, (name, value)]) + "}"
    with_twin = MalformedEvent("", "")
    try:
        from_http(STRUCTURED, body.encode())
    except MalformedEvent as refusal:
        with_twin = refusal
    assert with_twin.pointer == f"/{name}"


@given(
    moment=st.datetimes(
        timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
    ).filter(lambda moment: 1 < moment.year < 9999)
)
def test_the_same_instant_in_any_zone_is_the_same_time(moment):
    members = {"specversion": "1.0", "id": "1", "source": "s", "type": "t"}
    here, there = (
        from_http(STRUCTURED, json.dumps(members | {"time": at.isoformat()}).encode())
        for at in (moment, moment.astimezone(UTC))
    )
    assert here == there


rubbish = st.text() | st.text(st.sampled_from('"\\% \t;=/+:#?[]%c3a9')) | st.sampled_from(["1.0", "a", "/"])
contents = rubbish | st.sampled_from(
    [
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
        "application/json",
        "text/plain; charset=us-ascii",
        "text/plain; charset=hex",
    ]
)
envelopes = st.dictionaries(st.sampled_from([*CORE, "data_base64", "x"]) | st.text(), json_values | rubbish)
bodies = (
    st.binary()
    | envelopes.map(lambda members: json.dumps(members).encode())
    | st.lists(envelopes).map(lambda batch: json.dumps(batch).encode())
    | st.builds(bytes.join, st.just(b""), st.lists(st.sampled_from([b'"', b"{", b"}", b"[", b"id", b":", b",", b"\\"])))
)


@given(
    headers=st.dictionaries(
        st.sampled_from([f"ce-{name}" for name in CORE]) | st.text() | st.text().map("ce-".__add__), rubbish
    ),
    content_type=contents,
    body=bodies,
)
@example(headers={}, content_type="application/cloudevents+json", body=b"[" * 100_000)
def test_rubbish_over_http_is_malformed_and_nothing_worse(headers, content_type, body):
    with suppress(MalformedEvent):
        for event in from_http(headers | {"content-type": content_type}, body):
            assert from_http(STRUCTURED, to_structured(event)) == [event]


@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from([f"ce_{name}" for name in CORE]) | st.text() | st.text().map("ce_".__add__),
            st.binary() | rubbish.map(lambda text: text.encode(errors="replace")),
        )
    ),
    content_type=contents.map(lambda text: text.encode(errors="replace")),
    value=st.none() | bodies,
)
def test_rubbish_in_kafka_is_malformed_and_nothing_worse(headers, content_type, value):
    with suppress(MalformedEvent):
        event = from_kafka(value, [*headers, ("content-type", content_type)])
        assert from_http(STRUCTURED, to_structured(event)) == [event]
