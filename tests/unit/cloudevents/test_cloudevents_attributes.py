"""What attributes may hold, read through the JSON format."""

import json
from typing import Any

import pytest
from rapport.cloudevents import MalformedEvent, from_http, to_structured

STRUCTURED = {"Content-Type": "application/cloudevents+json"}
LEAST = {"specversion": "1.0", "id": "1", "source": "/crm", "type": "contact.received"}


def read(**members: Any):
    [event] = from_http(STRUCTURED, json.dumps(LEAST | members).encode())
    return event.attributes


def refused(**members: Any):
    with pytest.raises(MalformedEvent) as refusal:
        read(**members)
    return refusal.value.pointer


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
@pytest.mark.parametrize("value", [None, "", 1, True, 1.5, {}, []])
def test_what_is_required_must_be_there_as_a_string_that_says_something(name, value):
    assert refused(**{name: value}) == f"/{name}"


@pytest.mark.parametrize("name", ["subject", "time", "dataschema", "datacontenttype"])
def test_what_is_optional_may_be_null_but_neither_empty_nor_another_type(name):
    assert name not in read(**{name: None})
    wrong: list[Any] = ["", 1, False, [], {}, 0.5]
    for value in wrong:
        assert refused(**{name: value}) == f"/{name}"


@pytest.mark.parametrize("version", ["1", "1.0.2", "1.1", "0.3", " 1.0", "1.0 "])
def test_no_other_version_is_read(version):
    assert refused(specversion=version) == "/specversion"


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("2018-04-05T17:31:00Z", "2018-04-05T17:31:00Z"),
        ("2018-04-05T17:31:00.123456789Z", "2018-04-05T17:31:00.123456789Z"),
        ("2018-04-05T17:31:00.500Z", "2018-04-05T17:31:00.5Z"),
        ("2018-04-05T17:31:00.000Z", "2018-04-05T17:31:00Z"),
        ("2018-04-05t17:31:00z", "2018-04-05T17:31:00Z"),
        ("2018-04-05T17:31:00-00:00", "2018-04-05T17:31:00Z"),
        ("2018-04-05T17:31:00.25+05:30", "2018-04-05T12:01:00.25Z"),
        ("2018-12-31T20:00:00-05:00", "2019-01-01T01:00:00Z"),
        ("2020-02-29T00:00:00Z", "2020-02-29T00:00:00Z"),
        ("2000-02-29T23:59:59+23:59", "2000-02-29T00:00:59Z"),
        ("0099-01-31T00:00:00Z", "0099-01-31T00:00:00Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2017-01-01T00:59:60.5+01:00", "2017-01-01T00:00:00.5Z"),
        ("0000-02-29T00:00:00+00:00", "0000-02-29T00:00:00+00:00"),
        ("0001-01-01T00:00:00+01:00", "0001-01-01T00:00:00+01:00"),
        ("9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59-01:00"),
    ],
)
def test_equal_instants_become_equal_times(written, canonical):
    assert read(time=written)["time"] == canonical
    assert read(time=canonical)["time"] == canonical


@pytest.mark.parametrize(
    "time",
    [
        "2018-04-05",
        "2018-04-05T17:31:00",
        "2018-04-05 17:31:00Z",
        "2018-04-05T17:31:00.Z",
        "2018-04-05T17:31:00,5Z",
        "2018-04-05T17:31Z",
        "2018-04-05T17:31:00+0100",
        "2018-04-05T17:31:00+24:00",
        "2018-04-05T17:31:00+01:60",
        "2018-04-05T24:00:00Z",
        "2018-04-05T17:60:00Z",
        "2018-04-05T17:31:61Z",
        "2018-04-31T17:31:00Z",
        "2019-02-29T17:31:00Z",
        "1900-02-29T17:31:00Z",
        "2018-00-05T17:31:00Z",
        "2018-13-05T17:31:00Z",
        "2018-04-00T17:31:00Z",
        "18-04-05T17:31:00Z",
        "+2018-04-05T17:31:00Z",
        "2018-04-05T17:31:00Z\n",
        " 2018-04-05T17:31:00Z",
        "٢٠١٨-04-05T17:31:00Z",
        "2016-12-31T22:59:60Z",
        "2016-12-30T23:59:60Z",
        "2016-12-31T23:59:60+01:00",
        "9999-12-31T23:59:60Z",
        "1522949460",
    ],
)
def test_what_is_no_rfc_3339_time_is_refused(time):
    assert refused(time=time) == "/time"


@pytest.mark.parametrize(
    "source",
    [
        "https://github.com/cloudevents",
        "mailto:cncf-wg-serverless@lists.cncf.io",
        "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
        "1-555-123-4567",
        "/sensors/tn-1234567/alerts",
        "//authority/path",
        "//user:secret@[2001:db8::7]:8080/x?y#z",
        "http://[v1.fe80::a+en1]/",
        "http://",
        "file:///etc/hosts",
        "?query",
        "#fragment",
        "a/b:c",
        "./a:b",
        "caf%C3%A9",
        "x:",
        "/",
        "/a//b",
    ],
)
def test_a_source_is_any_uri_reference(source):
    assert read(source=source)["source"] == source


@pytest.mark.parametrize(
    "source",
    [
        "a b",
        " /crm",
        "café",
        "%zz",
        "//host%/a",
        "%4",
        "1a:b",
        ":b",
        "a#b#c",
        "http://[1::2::3]/",
        "http://[::1",
        "http://host:port/",
        "http://a@b@c/",
        "<x>",
        'a"b',
        "a\\b",
        "{x}",
        "a^b",
        "a|b",
        "/x\n",
        "[x]",
    ],
)
def test_a_source_that_is_no_uri_reference_is_refused(source):
    assert refused(source=source) == "/source"


def test_a_long_hostile_source_is_refused_at_once():
    assert refused(source="a" * 200_000 + "%") == "/source"
    assert refused(source="//" + "%41" * 60_000 + "@" + ":" * 10 + " ") == "/source"


@pytest.mark.parametrize("schema", ["https://example.com/s?v=1", "urn:x:y", "tag:a,2020:b"])
def test_a_schema_is_an_absolute_uri(schema):
    assert read(dataschema=schema)["dataschema"] == schema


@pytest.mark.parametrize("schema", ["/s", "//host/s", "s", "https://example.com/s#part", "https://a b", "#s"])
def test_a_schema_without_a_scheme_or_with_a_fragment_is_refused(schema):
    assert refused(dataschema=schema) == "/dataschema"


@pytest.mark.parametrize(
    "media",
    [
        "text/plain",
        "application/vnd.api+json; charset=utf-8",
        'text/plain;charset="utf-8"',
        'multipart/mixed; boundary="a \\"b"; x=y',
        "APPLICATION/JSON",
    ],
)
def test_a_content_type_is_a_media_type(media):
    assert read(datacontenttype=media)["datacontenttype"] == media


@pytest.mark.parametrize(
    "media",
    [
        "xyz",
        "text/",
        "/plain",
        "text/plain;",
        "text/plain; charset",
        "text/plain; charset=",
        "text /plain",
        "text/pl ain",
        "text/plain/x",
        "text/plain charset=utf-8",
        " text/plain",
        "text/plain ",
        "téxt/plain",
        'text/plain; a="b',
        "text/plain;\tcharset=utf-8",
    ],
)
def test_a_content_type_that_is_no_media_type_is_refused(media):
    assert refused(datacontenttype=media) == "/datacontenttype"


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        (0, "0"),
        (-(2**31), "-2147483648"),
        (2**31 - 1, "2147483647"),
        (True, "true"),
        (False, "false"),
        ("", ""),
        ("10", "10"),
        ("😀 é \u202e", "😀 é \u202e"),
    ],
)
def test_an_extension_is_kept_in_its_canonical_text(value, canonical):
    assert read(ext1=value)["ext1"] == canonical


def test_an_extension_is_written_in_json_as_it_came_as_long_as_it_says_the_same():
    [event] = from_http(STRUCTURED, json.dumps({**LEAST, "ext1": 7, "ext2": True, "ext3": "7", "ext4": 1}).encode())
    event.attributes["ext4"] = "2"
    written = json.loads(to_structured(event))
    assert [written[f"ext{n}"] for n in (1, 2, 3, 4)] == [7, True, "7", "2"]


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 1.5, 1.0, {}, [], {"a": 1}, ["x"]])
def test_an_extension_of_no_attribute_type_is_refused(value):
    assert refused(ext1=value) == "/ext1"


@pytest.mark.parametrize("value", ["1e2", "1.0", "-1E0", "1e400"])
def test_a_number_with_more_than_an_integer_part_is_no_integer(value):
    body = json.dumps(LEAST)[:-1] + f', "ext1": {value}}}'
    with pytest.raises(MalformedEvent, match="ext1"):
        from_http(STRUCTURED, body.encode())


def test_a_null_extension_is_unset():
    assert "ext1" not in read(ext1=None)


@pytest.mark.parametrize(
    ("name", "pointer"),
    [
        ("Ext", "/Ext"),
        ("my_ext", "/my_ext"),
        ("my-ext", "/my-ext"),
        ("", "/"),
        ("é", "/é"),
        ("a/b~c", "/a~1b~0c"),
        ("ID", "/ID"),
        ("x ", "/x "),
        ("٣", "/٣"),
        ("x\n", "/x\n"),
    ],
)
@pytest.mark.parametrize("value", ["text", 1, None])
def test_a_name_of_other_characters_is_refused(name, pointer, value):
    assert refused(**{name: value}) == pointer


def test_a_name_of_any_length_and_of_digits_only_is_taken():
    assert read(**{"a" * 40: "x", "42": "y"}).keys() > {"a" * 40, "42"}


@pytest.mark.parametrize("bad", ["\x00", "\n", "\x1f", "\x7f", "\x85", "\x9f", "\ufdd0", "\ufffe", "\U0001ffff"])
@pytest.mark.parametrize("name", ["id", "type", "subject", "ext1"])
def test_control_characters_and_noncharacters_are_refused(name, bad):
    assert refused(**{name: f"a{bad}b"}) == f"/{name}"


def test_a_surrogate_is_taken_only_in_a_pair():
    assert read(subject="\U0001f600")["subject"] == "😀"
    body = json.dumps(LEAST | {"subject": "x\ud83dy"}).encode()
    with pytest.raises(MalformedEvent):
        from_http(STRUCTURED, body)
