"""The JSON event format and JSON batch format: one document that holds attributes and data together."""

import json
from base64 import b64encode
from binascii import a2b_base64
from typing import Any

from rapport.cloudevents.event import CloudEvent, MalformedEvent, UnsupportedFormat, member
from rapport.cloudevents.media import media_type, parse, render, require_utf8
from rapport.cloudevents.values import CORE, attribute, collect, complete, extension_name

EVENT = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

_INTEGERS = range(-(2**31), 2**31)


def envelope(content_type: str | None) -> str | None:
    """The event format that a content type announces, EVENT or BATCH; None where the message is in binary mode."""
    if content_type is None or not content_type[:23].lower().startswith("application/cloudevents"):
        return None
    try:
        media = media_type(content_type)
    except ValueError as error:
        raise MalformedEvent("", f"the content type {error}") from None
    if media.name not in (EVENT, BATCH):
        kind = "is in a format that is not read here"
        raise UnsupportedFormat("", f"the format {media.name} is not read here", kind)
    require_utf8(media, "")
    return media.name


def read_event(body: bytes) -> CloudEvent:
    """The event that a document in the JSON event format holds."""
    return _event(_document(body), "")


def read_batch(body: bytes) -> list[CloudEvent]:
    """The events that a document in the JSON batch format holds; there may be none."""
    document = _document(body)
    if not isinstance(document, list):
        raise MalformedEvent("", "a batch must be an array of events")
    return [_event(members, f"/{index}") for index, members in enumerate(document)]


def to_structured(event: CloudEvent) -> bytes:
    """The event as one document of type application/cloudevents+json; data that is bytes goes as data_base64."""
    document: dict[str, Any] = collect(event.attributes.items())
    document.update({name: value for name, value in event.typed.items() if document.get(name) == _text(value)})
    data = event.data
    if isinstance(data, bytes):
        document["data_base64"] = b64encode(data).decode()
    elif data is not None:
        _fits(data, document.get("datacontenttype"), "")
        document["data"] = data
    return render(document, "")


def _event(members: Any, base: str) -> CloudEvent:
    if not isinstance(members, dict):
        raise MalformedEvent(base, "must be an object")
    attributes: dict[str, str] = {}
    typed: dict[str, int] = {}
    for name, value in members.items():
        if value.__class__ is str and name != "data" and name != "data_base64":  # noqa: PLR1714 - twice as fast
            attributes[name] = attribute(name, value, base)
        elif name not in ("data", "data_base64"):
            canonical = _canonical(name, value, base)
            if canonical is not None:
                attributes[name], typed[name] = canonical, value
    complete(attributes, base)
    return CloudEvent(attributes, _data(members, attributes.get("datacontenttype"), base), typed)


def _canonical(name: str, value: Any, base: str) -> str | None:
    """The text form of an attribute that JSON does not write as a string; None where null says that it is unset."""
    if name not in CORE:
        extension_name(name, base)
        if isinstance(value, int):  # which a boolean is, too
            if value in _INTEGERS:
                return _text(value)
            raise MalformedEvent(f"{base}/{name}", "is an integer of more than 32 bits")
        if value is not None:
            raise MalformedEvent(f"{base}/{name}", "must be a string, a boolean or an integer")
    elif value is not None:
        raise MalformedEvent(f"{base}/{name}", "must be a string")
    return None


def _text(value: int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _data(members: dict[str, Any], content_type: str | None, base: str) -> Any:
    """
    What the event carries, in whichever member it is.

    Alone, a `data` of null is a payload (JSON format, 3.1.1); beside `data_base64` it is what emitters write for unset.
    """
    encoded = members.get("data_base64")
    if encoded is None:
        data = members.get("data")
        _fits(data, content_type, base)
        return data
    if members.get("data") is not None:
        raise MalformedEvent(f"{base}/data_base64", "can't be there together with data")
    if not isinstance(encoded, str):
        raise MalformedEvent(f"{base}/data_base64", "must be a string")
    try:
        return _unpacked(encoded)
    except ValueError:
        raise MalformedEvent(f"{base}/data_base64", "is not base64 (RFC 4648)") from None


def _unpacked(encoded: str) -> bytes:
    """The bytes that the base64 stands for, or a ValueError; strict mode alone lets padding follow a full group."""
    if len(encoded) % 4 or encoded.endswith("==="):
        raise ValueError
    return a2b_base64(encoded, strict_mode=True)


def _fits(data: Any, content_type: str | None, base: str) -> None:
    """Refuse data that its content type can't mean. No content type means JSON in this format."""
    if data is None or isinstance(data, str) or content_type is None or media_type(content_type).kind == "json":
        return
    raise MalformedEvent(f"{base}/data", "must be a string, since datacontenttype is not JSON")


def _document(body: bytes) -> Any:
    """
    The JSON document, in which no event has a member twice.

    The parser keeps the last of two namesakes, so a document written again has fewer quotes than the one that came
    if any member was lost (an escaped quote counts on both sides, unless it came as a number). Only then is it read
    a second time, slowly, to see whether the loss was in an envelope; inside of `data` it is the sender's affair.
    """
    document, written = parse(body, "")
    if written.count(b'"') != body.count(b'"') or b"\\u0022" in body:
        _refuse_twins(json.loads(body, object_pairs_hook=_Members))
    return document


class _Members(dict[str, Any]):
    """A JSON object that remembers which name came twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twin: str | None = None
        if len(self) != len(pairs):
            seen: set[str] = set()
            self.twin = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]


def _refuse_twins(document: Any) -> None:
    events = enumerate(document) if isinstance(document, list) else [("", document)]
    for index, members in events:
        if isinstance(members, _Members) and members.twin is not None:
            raise MalformedEvent(member(members.twin, f"/{index}" if index != "" else ""), "appears twice")
