"""From a request to its events, each for itself: one that is malformed does not keep the others of its batch out."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import from_json, to_json
from rapport.cloudevents import CloudEvent, MalformedEvent, UnsupportedFormat, from_http
from rapport.runtime.problem import Problem

from intake.domain import Fault, Refusal, Refused, malformed

MAX_EVENTS: Final = 1000
"""Events that one batch may have."""

_STRUCTURED: Final = {"content-type": "application/cloudevents+json"}

Came = CloudEvent | Refused
"""An event, or the refusal of what is none."""


def events_in(headers: Mapping[str, str], content_type: str, body: bytes) -> tuple[list[Came], bool]:
    """The events in a request, and whether they are a batch. 400, 413 or 415 where that can't be told."""
    kind = content_type.partition(";")[0].strip().lower()
    batch = kind.startswith("application/cloudevents-batch")
    if not kind.startswith("application/cloudevents") and kind != "application/json" and (body or kind):
        raise Problem(
            415,
            "send application/cloudevents+json, application/cloudevents-batch+json, "
            "or application/json with the event's attributes in ce- headers",
        )
    try:
        events: list[Came] = [*from_http(headers, body)]
    except UnsupportedFormat as error:
        raise Problem(415, error.reason) from None
    except MalformedEvent as error:
        if not batch or (apart := _one_by_one(body, error)) is None:
            raise Problem(400, str(error), errors=[(error.pointer, error.reason)]) from None
        events = apart
    if len(events) > MAX_EVENTS:
        raise Problem(413, f"a batch has at most {MAX_EVENTS} events, this one has {len(events)}")
    return events, batch


def _one_by_one(body: bytes, error: MalformedEvent) -> list[Came] | None:
    """
    The events of a batch in which at least one is malformed; None where the batch itself is.

    A name that appears twice is found in the whole body only, before anything
    else: that can't be told of each event for itself.
    """
    if error.reason == "appears twice":
        return None
    try:
        document = from_json(body)
    except ValueError:
        return None
    if not isinstance(document, list) or len(document) > MAX_EVENTS:
        return None
    return [_one(members) for members in document]


def _one(members: Any) -> Came:
    try:
        [event] = from_http(_STRUCTURED, to_json(members))
    except MalformedEvent as error:
        name = members.get("id") if isinstance(members, dict) else None
        return Refused(name if isinstance(name, str) else "", Refusal.MALFORMED, (malformed(error),))
    except ValueError:
        return Refused("", Refusal.MALFORMED, (Fault("", "can't be written as JSON"),))
    return event
