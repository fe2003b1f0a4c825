"""The HTTP protocol binding: three ways of putting events into a request, told apart by its content type."""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote_to_bytes

from rapport.cloudevents.event import CloudEvent, MalformedEvent, member
from rapport.cloudevents.json_format import EVENT, envelope, read_batch, read_event
from rapport.cloudevents.media import decode, encode, in_header, unquoted
from rapport.cloudevents.values import attribute, collect

_PREFIX = "ce-"
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_QUOTED = re.compile(_STRING)
_BALANCED = re.compile(rf'[^"]*+(?>(?:{_STRING}[^"]*+)*)')  # atomic, see media.py
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


def from_http(headers: Mapping[str, str], body: bytes) -> list[CloudEvent]:
    """
    The events in an HTTP message: one, or as many as a batch holds.

    Raises MalformedEvent at the first thing that the specification forbids; UnsupportedFormat, a kind of it,
    where the content type is a CloudEvents format other than JSON.
    """
    content_type: str | None = None
    metadata: list[tuple[str, str]] = []
    for header, value in headers.items():
        name = header.lower()
        if name == "content-type":
            if content_type is not None:
                raise MalformedEvent("/datacontenttype", "appears twice")
            content_type = in_header(value)
        elif name.startswith(_PREFIX):
            metadata.append((name[3:] if header.isascii() else header[3:], value))
    match envelope(content_type):
        case None:
            return [_binary(content_type, metadata, body)]
        case str(name) if name == EVENT:
            return [read_event(body)]
        case _:
            return read_batch(body)


def to_binary_http(event: CloudEvent) -> tuple[dict[str, str], bytes]:
    """The headers and the body that carry the event in binary mode; JSON without a content type is given its own."""
    attributes = collect(event.attributes.items())
    content_type = attributes.pop("datacontenttype", None)
    body = encode(event.data, content_type)
    headers = {f"{_PREFIX}{name}": quote(value, safe=_VISIBLE) for name, value in attributes.items()}
    content_type = content_type_of(event, content_type)
    if content_type is not None:
        headers["content-type"] = content_type
    return headers, body


def content_type_of(event: CloudEvent, stated: str | None) -> str | None:
    """The content type to send in binary mode: the stated one, or what the JSON format implied by leaving it out."""
    implied = stated is None and event.data is not None and not isinstance(event.data, bytes)
    return "application/json" if implied else stated


def _binary(content_type: str | None, metadata: list[tuple[str, str]], body: bytes) -> CloudEvent:
    for name, _ in metadata:
        if name == "datacontenttype":
            raise MalformedEvent("/datacontenttype", "must be told by the Content-Type header alone")
    attributes = collect((name, _unescaped(name, value)) for name, value in metadata)
    if content_type is not None:
        attributes["datacontenttype"] = attribute("datacontenttype", content_type)
    return CloudEvent(attributes, decode(body, content_type))


def _unescaped(name: str, value: str) -> str:
    """
    What a header's value says: double quotes undone, then one round of percent-decoding (HTTP binding, 3.1.3.2).

    A space that was not escaped is taken, since older versions of the binding sent it so.
    """
    value = value.strip(" \t")
    if not value.isascii():
        raise MalformedEvent(member(name), "holds bytes outside of ASCII that are not percent-encoded")
    if '"' in value:
        if _BALANCED.fullmatch(value) is None:
            raise MalformedEvent(member(name), "has a double quote that is never closed")
        value = _QUOTED.sub(lambda part: unquoted(part[0]), value)
    if "%" not in value:
        return value
    if _BAD_ESCAPE.search(value):
        raise MalformedEvent(member(name), "has a percent sign without two hexadecimal digits")
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise MalformedEvent(member(name), "is not UTF-8 once percent-decoded") from None
