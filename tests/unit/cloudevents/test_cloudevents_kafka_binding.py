"""Attributes in record headers, data in the value; or all of it in the value."""

from typing import Any

import pytest
from rapport.cloudevents import CloudEvent, MalformedEvent, UnsupportedFormat, from_kafka, to_kafka_binary

LEAST = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/crm"), ("ce_type", b"contact.received")]
ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "/crm", "type": "contact.received"}
DOCUMENT = b'{"specversion":"1.0","id":"1","source":"/crm","type":"contact.received","data":{"a":1}}'


def refused(value, headers):
    with pytest.raises(MalformedEvent) as refusal:
        from_kafka(value, headers)
    return refusal.value.pointer


def test_a_binary_record_is_read_with_its_headers_as_plain_utf_8():
    headers = [*LEAST, ("ce_subject", "50%25 é".encode()), ("content-type", b"application/json"), ("trace", b"\xff")]
    event = from_kafka(b'{"a": 1}', headers)
    assert event.attributes == ATTRIBUTES | {"subject": "50%25 é", "datacontenttype": "application/json"}
    assert event.data == {"a": 1}


@pytest.mark.parametrize(
    "content_type",
    [b"application/cloudevents+json", b"application/cloudevents+json; charset=UTF-8", b"Application/CloudEvents+JSON"],
)
def test_a_structured_record_is_read_from_its_value(content_type):
    event = from_kafka(DOCUMENT, [("content-type", content_type), ("ce_id", b"ignored")])
    assert event == CloudEvent(ATTRIBUTES, {"a": 1})


def test_blanks_around_the_content_type_say_nothing():
    assert from_kafka(DOCUMENT, [("content-type", b" application/cloudevents+json\t")]).data == {"a": 1}
    assert from_kafka(b"1", [*LEAST, ("content-type", b"application/json ")]).data == 1


def test_a_batch_and_other_formats_are_not_read_from_kafka():
    for content_type in (b"application/cloudevents-batch+json", b"application/cloudevents+avro"):
        with pytest.raises(UnsupportedFormat):
            from_kafka(b"[]", [("content-type", content_type)])


def test_no_value_is_no_data_but_never_a_structured_event():
    assert from_kafka(None, LEAST).data is None
    assert from_kafka(None, [*LEAST, ("content-type", b"application/json")]).data is None
    assert refused(None, [("content-type", b"application/cloudevents+json")]) == ""


@pytest.mark.parametrize(
    ("header", "pointer"),
    [
        (("ce_id", b"1"), "/id"),
        (("ce_subject", b"\xff"), "/subject"),
        (("ce_subject", b""), "/subject"),
        (("ce_Name", b"x"), "/Name"),
        (("ce_my_ext", b"x"), "/my_ext"),
        (("ce_", b"x"), "/"),
        (("ce_data", b"x"), "/data"),
        (("ce_datacontenttype", b"text/plain"), "/datacontenttype"),
        (("content-type", b"xyz"), "/datacontenttype"),
        (("content-type", b"\xff"), "/datacontenttype"),
        (("content-type", b"application/json"), "/data"),
        (("ce_time", b"now"), "/time"),
    ],
)
def test_what_is_wrong_in_a_record_is_pointed_at(header, pointer):
    assert refused(b"{", [*LEAST, header]) == pointer


def test_two_content_types_are_refused():
    assert refused(b"x", [*LEAST, ("content-type", b"text/plain"), ("content-type", b"text/plain")]) == (
        "/datacontenttype"
    )


def test_a_record_without_headers_is_no_event():
    assert refused(DOCUMENT, []) == "/specversion"


def test_a_header_without_a_value_counts_as_unset():
    unset: Any = None
    assert from_kafka(None, [*LEAST, ("ce_subject", unset)]).attributes == ATTRIBUTES


def test_a_record_is_written_with_plain_utf_8_headers_and_no_value_where_there_is_no_data():
    event = CloudEvent(ATTRIBUTES | {"subject": "50% é", "datacontenttype": "text/plain"}, "é")
    value, headers = to_kafka_binary(event)
    assert value == "é".encode()
    assert headers == [*LEAST, ("ce_subject", "50% é".encode()), ("content-type", b"text/plain")]
    assert to_kafka_binary(CloudEvent(dict(ATTRIBUTES))) == (None, LEAST)
    assert to_kafka_binary(CloudEvent(dict(ATTRIBUTES), {}))[1][-1] == ("content-type", b"application/json")
