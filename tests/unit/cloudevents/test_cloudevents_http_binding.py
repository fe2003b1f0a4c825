"""Attributes in headers, data in the body."""

import pytest
from rapport.cloudevents import CloudEvent, MalformedEvent, from_http, to_binary_http
from rapport.cloudevents.media import in_header

LEAST = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/crm", "ce-type": "contact.received"}


def event(body=b"", **headers: str):
    [read] = from_http(LEAST | {name.replace("_", "-"): value for name, value in headers.items()}, body)
    return read


def refused(headers, body=b""):
    with pytest.raises(MalformedEvent) as refusal:
        from_http(LEAST | headers, body)
    return refusal.value.pointer


def test_header_names_are_read_in_any_case_and_foreign_ones_left_alone():
    headers = {name.upper(): value for name, value in LEAST.items()} | {"X-Foo": "bar", "ceid": "no", "Cookie": "é"}
    assert from_http(headers, b"")[0].attributes == {name[3:]: value for name, value in LEAST.items()}


@pytest.mark.parametrize("missing", ["specversion", "id", "source", "type"])
def test_a_required_header_that_is_missing_is_pointed_at(missing):
    with pytest.raises(MalformedEvent) as refusal:
        from_http({name: value for name, value in LEAST.items() if name != f"ce-{missing}"}, b"")
    assert refusal.value.pointer == f"/{missing}"


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("%e2%82%ac", "€"),
        ("%41bc", "Abc"),
        ("100%25", "100%"),
        ("%2541", "%41"),
        ("a b", "a b"),
        ("  padded\t", "padded"),
        ('"quoted"', "quoted"),
        ('"a \\"b\\" \\\\ c"', 'a "b" \\ c'),
        ('"percent %C3%A9"', "percent é"),
        ('a"b c"d', "ab cd"),
        ('"%22"', '"'),
        ("back\\slash", "back\\slash"),
        ("a+b", "a+b"),
    ],
)
def test_a_header_is_unquoted_and_then_percent_decoded_once(header, says):
    assert event(ce_subject=header).attributes["subject"] == says


@pytest.mark.parametrize(
    "header",
    ["100%", "%zz", "%4", "% 41", "%C0%A0", "%ED%A0%80", "%FF", "%C3", "é", "Ã©", '"open', 'a"', '"a\\"', "%0A", "%00"],
)
def test_a_header_that_decodes_to_no_attribute_is_refused(header):
    assert refused({"ce-subject": header}) == "/subject"


def test_an_escaped_control_character_or_noncharacter_is_refused():
    for header in ("a%7Fb", "%C2%85", "%EF%BF%BE", "%EF%B7%90"):
        assert refused({"ce-ext1": header}) == "/ext1"


@pytest.mark.parametrize(
    ("header", "pointer"),
    [
        ("ce-my_ext", "/my_ext"),
        ("ce-my-ext", "/my-ext"),
        ("ce-", "/"),
        ("ce-data", "/data"),
        ("ce-\u212aey", "/\u212aey"),
        ("ce-datacontenttype", "/datacontenttype"),
        ("Ce-Id", "/id"),
    ],
)
def test_a_header_that_can_be_no_attribute_is_refused(header, pointer):
    assert refused({header: "application/json"}) == pointer


def test_two_content_types_are_refused():
    assert refused({"Content-Type": "text/plain", "content-type": "text/plain"}) == "/datacontenttype"


def test_empty_headers_are_refused_where_something_must_be_said():
    assert refused({"ce-id": " "}) == "/id"
    assert refused({"ce-subject": ""}) == "/subject"
    assert refused({"content-type": ""}) == "/datacontenttype"
    assert event(ce_ext1="").attributes["ext1"] == ""


@pytest.mark.parametrize("written", [";", "\t;\tcharset=utf-8", " ; ;a=1"])
def test_a_header_may_write_its_parameters_as_http_lets_it(written):
    whole = b'{"specversion":"1.0","id":"1","source":"/c","type":"t"}'
    assert event(b"1", content_type="application/json" + written).data == 1
    assert event(whole, content_type="application/cloudevents+json" + written).attributes["id"] == "1"
    assert in_header('a/b;x="; ;\t";;') == 'a/b;x="; ;\t"'


@pytest.mark.parametrize(
    "content_type",
    ["text/plain; charset=utf-8; format=flowed", 'multipart/mixed; boundary="a;b"', "text/plain ;a=1 ; b=2"],
)
def test_a_content_type_that_is_a_media_type_as_it_stands_is_kept_to_the_letter(content_type):
    assert event(content_type=f" {content_type}\t").attributes["datacontenttype"] == content_type


@pytest.mark.parametrize("content_type", [";text/plain", " ; text/plain", ";", "text/plain;charset", "text/plain, a/b"])
def test_a_content_type_that_is_no_media_type_however_http_writes_it_is_refused(content_type):
    assert refused({"content-type": content_type}) == "/datacontenttype"


@pytest.mark.parametrize("hostile", ["a\t" + " " * 300_000 + "x", 'a\t"' + '\\"' * 150_000, ';;"' + '"\\' * 150_000])
def test_a_long_hostile_content_type_is_refused_at_once(hostile):
    assert refused({"content-type": hostile}) == "/datacontenttype"


@pytest.mark.parametrize(
    ("content_type", "body", "data"),
    [
        ("application/json", b'{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
        ("application/vnd.x+json; charset=utf-8", b'"\xc3\xa9"', "é"),
        ("application/json;charset=us-ascii", b" 1 ", 1),
        ('application/json; charset="utf\\-8"', b"1", 1),
        ('text/plain; charset="\\u\\t\\f\\-\\8"', "é".encode(), "é"),
        ('text/plain; charset=""', b"x", "x"),
        ("application/json", b"null", None),
        ("application/json", b"", None),
        ("text/plain", "é".encode(), "é"),
        ("text/plain; charset=ISO-8859-1", b"\xe9", "é"),
        ("text/plain; charset=us-ascii", b"\xe9", b"\xe9"),
        ("text/plain; charset=utf-16", b"\xff\xfea\x00", b"\xff\xfea\x00"),
        ("application/xml", b"<a/>", "<a/>"),
        ("image/svg+xml", b"<a/>", "<a/>"),
        ("application/x-log; charset=utf-8", b"x", "x"),
        ("application/octet-stream", b"{}", b"{}"),
        ("image/png", b"\x89PNG", b"\x89PNG"),
        (None, b'{"a": 1}', b'{"a": 1}'),
    ],
)
def test_the_content_type_says_what_the_body_is(content_type, body, data):
    headers = {} if content_type is None else {"content_type": content_type}
    read = event(body, **headers)
    assert read.data == data
    assert read.attributes.get("datacontenttype") == content_type


@pytest.mark.parametrize("body", [b"{", b"NaN", b"[Infinity]", b'"\xff"', b"x", b"1 2", b"\xef\xbb\xbf1", b"[1e999]"])
def test_a_body_that_is_not_the_json_it_claims_to_be_is_refused(body):
    assert refused({"content-type": "application/json"}, body).startswith("/data")


def test_json_in_another_charset_is_refused():
    assert refused({"content-type": "application/json; charset=iso-8859-1"}, b'"\xe9"') == "/datacontenttype"


def test_headers_are_written_in_printable_ascii_without_spaces_and_quotes():
    headers, _ = to_binary_http(
        CloudEvent({"specversion": "1.0", "id": 'a "b" 50%', "source": "/crm", "type": "Euro € 😀~!"})
    )
    assert headers["ce-id"] == "a%20%22b%22%2050%25"
    assert headers["ce-type"] == "Euro%20%E2%82%AC%20%F0%9F%98%80~!"


def test_the_implied_content_type_is_said_aloud():
    attributes = {name[3:]: value for name, value in LEAST.items()}
    assert to_binary_http(CloudEvent(attributes, "x")) == (LEAST | {"content-type": "application/json"}, b'"x"')
    assert to_binary_http(CloudEvent(attributes, b"x")) == (LEAST, b"x")
    assert to_binary_http(CloudEvent(attributes)) == (LEAST, b"")


@pytest.mark.parametrize(
    ("content_type", "data", "pointer"),
    [
        ("text/plain", {}, "/data"),
        ("text/plain; charset=us-ascii", "é", "/data"),
        ("text/plain; charset=utf-16", "é", "/datacontenttype"),
        ("application/json; charset=utf-16", "é", "/datacontenttype"),
        ("application/json", float("inf"), "/data"),
    ],
)
def test_a_body_that_would_belie_its_content_type_is_not_written(content_type, data, pointer):
    attributes = {name[3:]: value for name, value in LEAST.items()} | {"datacontenttype": content_type}
    with pytest.raises(MalformedEvent) as refusal:
        to_binary_http(CloudEvent(attributes, data))
    assert refusal.value.pointer == pointer
