"""The Kafka protocol binding: attributes in record headers (binary) or everything in the value (structured)."""

from collections.abc import Sequence

from rapport.cloudevents.event import CloudEvent, MalformedEvent, UnsupportedFormat, member
from rapport.cloudevents.http_binding import content_type_of
from rapport.cloudevents.json_format import BATCH, envelope, read_event
from rapport.cloudevents.media import decode, encode
from rapport.cloudevents.values import attribute, collect

_PREFIX = "ce_"


def from_kafka(value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> CloudEvent:
    """
    The event in a Kafka record. Headers are UTF-8 and not percent-encoded; one without a value counts as unset.

    Raises MalformedEvent at the first thing that the specification forbids; UnsupportedFormat, a kind of it,
    for a batch, which the binding has not, and for a format other than JSON.
    """
    content_type: str | None = None
    metadata: list[tuple[str, str]] = []
    for header, raw in headers:
        if raw is None:
            continue
        if header.startswith(_PREFIX):
            metadata.append((header[3:], _text(header[3:], raw)))
        elif header.lower() == "content-type":
            if content_type is not None:
                raise MalformedEvent("/datacontenttype", "appears twice")
            content_type = _text("datacontenttype", raw).strip(" \t")
    form = envelope(content_type)
    if form is None:
        return _binary(content_type, metadata, value)
    if form == BATCH:
        raise UnsupportedFormat("", "a Kafka record holds one event, never a batch")
    return read_event(value or b"")


def to_kafka_binary(event: CloudEvent) -> tuple[bytes | None, list[tuple[str, bytes]]]:
    """The value and the headers that carry the event in binary mode; no data is no value, which compaction deletes."""
    attributes = collect(event.attributes.items())
    content_type = attributes.pop("datacontenttype", None)
    body = encode(event.data, content_type)
    headers = [(f"{_PREFIX}{name}", value.encode()) for name, value in attributes.items()]
    content_type = content_type_of(event, content_type)
    if content_type is not None:
        headers.append(("content-type", content_type.encode()))
    return (None if event.data is None else body), headers


def _binary(content_type: str | None, metadata: list[tuple[str, str]], value: bytes | None) -> CloudEvent:
    for name, _ in metadata:
        if name == "datacontenttype":
            raise MalformedEvent("/datacontenttype", "must be told by the content-type header alone")
    attributes = collect(metadata)
    if content_type is not None:
        attributes["datacontenttype"] = attribute("datacontenttype", content_type)
    return CloudEvent(attributes, decode(value or b"", content_type))


def _text(name: str, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise MalformedEvent(member(name), "is not UTF-8") from None
