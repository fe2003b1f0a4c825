"""From a request to its events, each for itself: one that is malformed does not keep the others of its batch out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from pydantic_core import from_json
from rapport.cloudevents import CloudEvent, MalformedEvent, UnsupportedFormat, from_http
from rapport.cloudevents.json_format import BATCH, EVENT, envelope
from rapport.runtime.problem import Problem
from starlette.requests import Request

from intake.domain import (
    MAX_EVENT,
    Accepted,
    Door,
    Refusal,
    Refused,
    Trace,
    admit,
    malformed,
    slices,
    too_large,
    wave_through,
)

MAX_EVENTS: Final = 1000
"""Events that one batch may have."""

_STRUCTURED: Final = {"content-type": EVENT}
_UNSUPPORTED: Final = (
    "send application/cloudevents+json, application/cloudevents-batch+json, "
    "or application/json with the event's attributes in ce- headers"
)
_slices: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


@dataclass(slots=True)
class InBinaryMode(CloudEvent):
    """An event whose data is the body of its request, byte for byte."""

    body: bytes = b""

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The headers that say the rest of it in Kafka's binary mode."""
        names = {"datacontenttype": "content-type"}
        return [(names.get(name, f"ce_{name}"), value.encode()) for name, value in self.attributes.items()]


Came = CloudEvent | bytes
"""An event, or the JSON document that is one if all is well."""


def events_in(headers: Mapping[str, str], content_type: str, body: bytes) -> tuple[Sequence[Came], bool]:
    """The events in a request, and whether they are a batch. 400, 413 or 415 where that can't be told."""
    try:
        mode = envelope(content_type)
        if mode == EVENT:
            return [body], False
        if mode == BATCH:
            return _of_a_batch(body), True
        kind = content_type.partition(";")[0].strip().lower()
        if kind != "application/json" and (body or kind):
            raise Problem(415, _UNSUPPORTED)
        return _in_binary_mode(headers, body), False
    except UnsupportedFormat as error:
        raise Problem(415, error.reason) from None
    except MalformedEvent as error:
        raise not_an_event(error) from None


def trace_of(request: Request) -> Trace:
    """Of which trace the request is a part; a layer around every application has noted that."""
    state = request.scope["state"]
    return Trace(state["traceparent"], state["tracestate"])


def _in_binary_mode(headers: Mapping[str, str], body: bytes) -> list[CloudEvent]:
    """The event; whoever sent a whole one under the wrong name is told the right one."""
    try:
        [event] = from_http(headers, body)
    except MalformedEvent as error:
        meant = None if any(name.startswith("ce-") for name in headers) else _meant(body)
        if meant is None:
            raise
        hint = f"is required in a header ce-specversion; an event that is all in the body has Content-Type: {meant}"
        raise MalformedEvent(error.pointer, hint) from None
    return [InBinaryMode(event.attributes, event.data, event.typed, body)]


def _meant(body: bytes) -> str | None:
    """The content type that would have been right for this body, if one would."""
    try:
        document = from_json(body)
    except ValueError:
        return None
    if isinstance(document, list):
        return BATCH if document and all(isinstance(one, dict) and "specversion" in one for one in document) else None
    return EVENT if isinstance(document, dict) and "specversion" in document else None


def judged(events: Sequence[Came], door: Door) -> list[Accepted | Refused]:
    """The verdict on each event."""
    documents = [came for came in events if isinstance(came, bytes) and len(came) <= MAX_EVENT]
    if len(documents) == len(events):
        waved = wave_through(documents, door)
        return [verdict or _admitted(came, door) for verdict, came in zip(waved, documents, strict=True)]
    if len(events) == 1:
        return [_admitted(events[0], door)]
    return [verdict for came in events for verdict in judged([came], door)]


def _admitted(came: Came, door: Door) -> Accepted | Refused:
    if not isinstance(came, bytes):
        return admit(came, door)
    if len(came) > MAX_EVENT:
        return too_large(_name_of_long(came))
    try:
        [event] = from_http(_STRUCTURED, came)
    except MalformedEvent as error:
        return Refused(_name(came), Refusal.MALFORMED, (malformed(error),))
    return admit(event, door)


def _name(document: bytes) -> str:
    """The id that a malformed event bears, so that its sender can tell which one it was; may be none."""
    try:
        members = json.loads(document)
        name = members.get("id") if isinstance(members, dict) else None
        return name.encode().decode() if isinstance(name, str) else ""
    except (ValueError, RecursionError):
        return ""


class _Named(msgspec.Struct):
    id: str = ""


_named: Final = msgspec.json.Decoder(_Named).decode


def _name_of_long(document: bytes) -> str:
    """The same of one too long to be taken apart: a million small arrays in it would hold up everybody else."""
    try:
        return _named(document).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def not_an_event(error: MalformedEvent) -> Problem:
    return Problem(400, str(error), errors=[(error.pointer, error.reason)])


def _of_a_batch(body: bytes) -> list[Came]:
    """
    The documents that the batch holds, each as it stands there; no batch is refused with its reason.

    What one reader of JSON gives up on altogether is cut by another: so an event
    with half of an emoji in it is refused alone.
    """
    try:
        documents = _slices(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        events: list[Came] = [*(slices(body, MAX_EVENTS + 1) or from_http({"content-type": BATCH}, body))]
    else:
        events = [bytes(document) for document in documents]
    if len(events) > MAX_EVENTS:
        raise Problem(413, f"a batch has at most {MAX_EVENTS} events")
    return events
