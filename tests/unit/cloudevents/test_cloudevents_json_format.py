"""One document for the whole event, or an array of them."""

import json
from typing import Any

import pytest
from rapport.cloudevents import CloudEvent, MalformedEvent, UnsupportedFormat, from_http, to_structured

STRUCTURED = {"content-type": "application/cloudevents+json; charset=UTF-8"}
BATCHED = {"CONTENT-TYPE": "Application/CloudEvents-Batch+JSON"}
LEAST = {"specversion": "1.0", "id": "1", "source": "/crm", "type": "contact.received"}
HEAD = b'{"specversion":"1.0","id":"1","source":"/crm","type":"t"'


def event(**members: Any):
    [read] = from_http(STRUCTURED, json.dumps(LEAST | members).encode())
    return read


def refused(body, headers=None):
    with pytest.raises(MalformedEvent) as refusal:
        from_http(headers or STRUCTURED, body)
    return refusal.value.pointer


@pytest.mark.parametrize("content_type", [None, "application/json", "text/json; x=y", "application/problem+JSON"])
@pytest.mark.parametrize("data", [{"a": [1, None, 2.5]}, "just a string", '{"not": "parsed"}', 7, True, [], ""])
def test_json_data_is_taken_as_it_stands_and_so_is_data_without_a_content_type(content_type, data):
    assert event(datacontenttype=content_type, data=data).data == data


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/octet-stream", "text/xjson"])
def test_data_of_another_content_type_must_be_a_string(content_type):
    assert event(datacontenttype=content_type, data="<a/>").data == "<a/>"
    assert event(datacontenttype=content_type, data=None).data is None
    wrong: list[Any] = [{}, [], 1, False]
    for data in wrong:
        assert refused(json.dumps(LEAST | {"datacontenttype": content_type, "data": data}).encode()) == "/data"


def test_data_base64_is_bytes_whatever_the_content_type_says():
    assert event(data_base64="AAH/").data == b"\x00\x01\xff"
    assert event(data_base64="", datacontenttype="image/png").data == b""
    assert event(data_base64="e30=", datacontenttype="application/json").data == b"{}"
    assert event(data_base64=None).data is None
    assert event(data_base64=None, data=1).data == 1


@pytest.mark.parametrize(
    "wrong",
    [
        *("TWE", "TWE==", "TWFu=", "TWFu==", "TWFu====", "TWE=TWE=", "TW E=", "TWE=\n", "-_8=", "=", "====", "é", "T"),
        *(5, {}, []),
    ],
)
def test_what_is_no_base64_is_refused(wrong):
    assert refused(json.dumps(LEAST | {"data_base64": wrong}).encode()) == "/data_base64"


def test_null_beside_the_other_form_of_data_is_none():
    assert event(data=None, data_base64="TWE=").data == b"Ma"


@pytest.mark.parametrize("data", ["", "x", {}])
def test_data_comes_in_one_form_only(data):
    assert refused(json.dumps(LEAST | {"data": data, "data_base64": "TWE="}).encode()) == "/data_base64"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        HEAD,
        HEAD + b"}}",
        HEAD + b"},",
        HEAD + b',"data":NaN}',
        HEAD + b',"data":[-Infinity]}',
        HEAD + b',"data":01}',
        HEAD + b',"data":"\xff"}',
        HEAD + b',"data":"\xed\xa0\x80"}',
        HEAD + b',"data":"\\ud800"}',
        HEAD + b',"data":"a\nb"}',
        HEAD + b",}",
        HEAD + b"} // so",
        b"\xef\xbb\xbf" + HEAD + b"}",
        (HEAD + b"}").decode().encode("utf-16"),
        HEAD + b',"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        HEAD + b',"data":' + b"9" * 10_000 + b"}",
    ],
)
def test_what_is_not_json_is_refused_as_a_whole(body):
    assert refused(body) == ""


@pytest.mark.parametrize("body", [b"null", b"[]", b'"x"', b"1", b"[" + HEAD + b"}]"])
def test_one_event_is_an_object(body):
    assert refused(body) == ""


def test_a_number_too_large_to_hold_is_refused_where_it_stands():
    assert refused(HEAD + b',"data":{"a":[1,-1e400]}}') == "/data/a/1"
    assert event(data={"Infinity": "NaN"}).data == {"Infinity": "NaN"}


@pytest.mark.parametrize(
    ("twin", "pointer"),
    [
        (b',"id":"2"}', "/id"),
        (b',"\\u0069d":"1"}', "/id"),
        (b',"x1":"a","x1":null}', "/x1"),
        (b',"data":1,"data":1}', "/data"),
        (b',"data":{"subject":"a"},"subject":"b","subject":"b"}', "/subject"),
        (b',"id":"","data":"\\u0022\\u0022\\u0022\\u0022"}', "/id"),
        (b',"x1":"\\"","x1":"\\u0022"}', "/x1"),
    ],
)
def test_no_member_appears_twice(twin, pointer):
    assert refused(HEAD + twin) == pointer
    assert refused(b"[" + HEAD + b"}," + HEAD + twin + b"]", BATCHED) == f"/1{pointer}"


@pytest.mark.parametrize(
    "data",
    [
        b'{"id":"1","id":"2"}',
        b'{"source":"\\"id\\"","specversion":"\\u0022"}',
        b'["id","data",{"data":{"type":"id"}}]',
        b'"\\u0022id\\u0022"',
    ],
)
def test_what_data_holds_never_counts_as_an_attribute_twice(data):
    [read] = from_http(STRUCTURED, HEAD + b',"data":' + data + b"}")
    assert read.data == json.loads(data)


def test_a_batch_is_an_array_of_events_and_may_be_empty():
    assert from_http(BATCHED, b"[]") == []
    events = from_http(BATCHED, json.dumps([LEAST, LEAST | {"id": "2", "data": 5}]).encode())
    assert [(read.attributes["id"], read.data) for read in events] == [("1", None), ("2", 5)]


@pytest.mark.parametrize(
    ("batch", "pointer"),
    [
        (LEAST, ""),
        ([LEAST, LEAST, None], "/2"),
        ([LEAST, [LEAST]], "/1"),
        ([LEAST, LEAST, LEAST, LEAST | {"source": ""}], "/3/source"),
        ([LEAST, LEAST | {"specversion": "0.3"}], "/1/specversion"),
        ([LEAST | {"data": 1, "data_base64": "TWE="}], "/0/data_base64"),
        ([LEAST | {"data": 1, "datacontenttype": "text/plain"}], "/0/data"),
    ],
)
def test_a_wrong_event_in_a_batch_is_pointed_at(batch, pointer):
    assert refused(json.dumps(batch).encode(), BATCHED) == pointer


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents",
        "application/cloudevents+avro",
        "application/cloudevents+xml; charset=utf-8",
        "application/cloudevents-batch",
        "application/cloudevents-batch+xml",
        "application/cloudevents+jsonp",
    ],
)
def test_another_event_format_is_told_apart_from_a_wrong_event(content_type):
    with pytest.raises(UnsupportedFormat):
        from_http({"content-type": content_type}, HEAD + b"}")


@pytest.mark.parametrize("parameters", ["; charset=utf-16", '; charset="ISO-8859-1"', "; charset", "=;"])
def test_the_envelope_is_utf_8_under_a_proper_content_type(parameters):
    assert refused(HEAD + b"}", {"content-type": f"application/cloudevents+json{parameters}"}) == ""


def test_headers_beside_a_structured_event_change_nothing():
    assert from_http(STRUCTURED | {"ce-id": "other", "ce-Bad_Name": "x"}, HEAD + b"}")[0].attributes["id"] == "1"


def test_bytes_are_written_as_base64_and_nothing_as_no_data():
    assert json.loads(to_structured(CloudEvent(dict(LEAST), b"Ma")))["data_base64"] == "TWE="
    assert json.loads(to_structured(CloudEvent(dict(LEAST)))) == LEAST


@pytest.mark.parametrize(
    ("attributes", "data", "pointer"),
    [
        ({"id": ""}, None, "/id"),
        ({"Name": "x"}, None, "/Name"),
        ({"data": "x"}, None, "/data"),
        ({"datacontenttype": "text/plain"}, {}, "/data"),
        ({}, {"a": float("nan")}, "/data/a"),
        ({}, [float("inf")], "/data/0"),
        ({}, {"a": "\ud800"}, ""),
        ({}, object(), ""),
    ],
)
def test_nothing_is_written_that_would_not_be_read(attributes, data, pointer):
    with pytest.raises(MalformedEvent) as refusal:
        to_structured(CloudEvent(LEAST | attributes, data))
    assert refusal.value.pointer == pointer
