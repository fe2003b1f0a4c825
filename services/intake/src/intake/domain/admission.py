"""Whether an event is let in, and the record that it then becomes on contact-events."""

from dataclasses import replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
from pydantic import ValidationError
from pydantic_core import to_json
from rapport.cloudevents import CloudEvent, MalformedEvent, to_structured
from rapport.cloudevents.media import parse
from rapport.contracts import CONTACT_EVENT_DATA, Event, format_instant
from rapport.erasing import Pseudonyms

from intake.domain.exactness import exactness_faults
from intake.domain.faults import Fault, Refusal, contract_faults
from intake.domain.json_limits import limit_fault
from intake.domain.sense import sense_faults

MAX_EVENT: Final = 256 * 1024
"""Bytes that one event may have, written as structured JSON."""

MAX_NAME: Final = 500
"""Characters that `id` and `source` may have."""

AHEAD: Final = timedelta(minutes=5)
"""How far the sender's clock may be ahead of ours."""

_YEAR_ZERO: Final = "0000"
"""A year of RFC 3339 that Python's calendar has not."""

ERASED: Final = "customer.erased"
_NAMES: Final = Pseudonyms()
"""Those at random, of whoever is erased; here nobody is known again."""
_JSON: Final = "application/json"
_TEXTS: Final = Event.model_fields.keys()
"""Attributes that mean something to us; all but `backfill` are texts, however they came."""
_CANONICAL = (len("2026-03-02T09:00:00Z"), len("2026-03-02T09:00:00.123Z"))
_VALIDATORS: Final = {name: model.__pydantic_validator__ for name, model in CONTACT_EVENT_DATA.items()}


_DEFAULTED: Final = {
    event_type: frozenset(
        name for name, field in model.model_fields.items() if not field.is_required() and field.default is not None
    )
    for event_type, model in CONTACT_EVENT_DATA.items()
}
"""The fields that mean something when they are absent, and have no null of their own."""


class Caller(msgspec.Struct, frozen=True, gc=False):
    """
    Who sends. `sources` are globs of what this caller may speak for.

    `emit` lets everything be sent but the order to forget a person, for which
    `admin` is needed.
    """

    sources: tuple[str, ...] = ("*",)
    emit: bool = True
    admin: bool = False


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """
    `value` is the record's value on contact-events, structured JSON; `key` its key, the customer's id.

    `moment` is when it happened; None for history, which says nothing about the
    clock of its source.
    """

    id: str
    key: str
    value: bytes
    source: str = ""
    moment: datetime | None = None


class Refused(NamedTuple):
    """
    Why not. `faults` has at least one, in words for the sender.

    `kind` is the reason of the first in words that can be kept; empty where it
    is just that.
    """

    id: str
    refusal: Refusal
    faults: tuple[Fault, ...]
    kind: str = ""

    @property
    def lasting(self) -> Fault:
        """The first fault as a dead letter says it: without what the sender wrote, the same for all of its kind."""
        first = self.faults[0]
        return Fault(first.pointer, self.kind or first.reason)


class Trace(NamedTuple):
    """Of which trace a request is a part, as W3C's traceparent and tracestate write it."""

    parent: str
    state: str = ""

    @property
    def attributes(self) -> dict[str, str]:
        return {"traceparent": self.parent, **({"tracestate": self.state} if self.state else {})}


class Door:
    """
    What is the same for all events that arrive together. `trace` is the request's, where they came in one.

    `end` is how the JSON of their records ends; `end_of_traced`, where an event
    has a traceparent of its own.
    """

    __slots__ = ("caller", "end", "end_of_traced", "latest", "live_since", "recorded", "trace")

    def __init__(self, caller: Caller, now: datetime, live_window: timedelta, trace: Trace | None = None) -> None:
        self.caller = caller
        self.latest = now + AHEAD
        self.live_since = now - live_window
        self.recorded = _written(now)
        self.trace = trace.attributes if trace else {}
        self.end_of_traced = _ending(now)
        added = b"".join([b',"%b":%b' % (name.encode(), to_json(text)) for name, text in self.trace.items()])
        self.end = added + self.end_of_traced


@lru_cache(maxsize=8)
def _written(now: datetime) -> str:
    """Many requests come in the same millisecond."""
    return format_instant(now)


@lru_cache(maxsize=8)
def _ending(now: datetime) -> bytes:
    return b',"recordedtime":"%b"}' % _written(now).encode()


def too_large(event_id: str) -> Refused:
    return Refused(event_id, Refusal.TOO_LARGE, (Fault("", f"is larger than {MAX_EVENT} bytes"),))


def admit(event: CloudEvent, door: Door) -> Accepted | Refused:
    """
    The record that the event becomes, or all that keeps it out.

    What this lets in, every consumer can decode: the typed fields have been
    validated, unknown ones are kept as they are. `time` is in UTC cut to
    milliseconds, `recordedtime` is now, and what happened before the live
    window is marked as backfill. Whoever is erased gets their name here, so that
    all services call them the same, and no sender can choose it.
    """
    attributes = event.attributes
    refusal = _forbidden(attributes, door.caller)
    if refusal:
        return Refused(attributes["id"], Refusal.FORBIDDEN, (refusal,))
    faults: list[Fault] = []
    _check_attributes(attributes, faults)
    envelope = _envelope(event, door, faults)
    event_type = attributes["type"]
    data = _given(event_type, opened(event).data)
    validator = _VALIDATORS.get(event_type)
    if validator is None:
        faults.append(Fault("/type", "unknown type"))
    elif not isinstance(data, dict):
        faults.append(_no_object(data))
    else:
        faults += _data_faults(event_type, validator, data)
    if faults:
        return _excess(event) or Refused(attributes["id"], Refusal.CONTRACT, tuple(faults))
    key: str = data["customer_id"]
    envelope["partitionkey"] = key
    if event_type == ERASED:
        envelope["erasedas"] = _NAMES.fresh(key)
    envelope["data"] = data
    value = to_json(envelope)
    if len(value) > MAX_EVENT and (excess := _excess(event)):
        return excess
    if fault_in_data := limit_fault(data, value):
        return Refused(attributes["id"], Refusal.CONTRACT, (fault_in_data,))
    moment = None if "backfill" in envelope else datetime.fromisoformat(envelope["time"])
    return Accepted(attributes["id"], key, value, attributes["source"], moment)


def _excess(event: CloudEvent) -> Refused | None:
    """The refusal of an event past the limit, whatever else is wrong with it: no dead letter could hold it."""
    return too_large(event.attributes["id"]) if len(to_structured(event)) > MAX_EVENT else None


def opened(event: CloudEvent) -> CloudEvent:
    """
    The event, its data as JSON where it came as bytes that are JSON; otherwise as it is.

    The JSON format lets any value travel in base64, and some SDKs send all that
    is bytes to them so.
    """
    if not isinstance(event.data, bytes):
        return event
    try:
        data, _ = parse(event.data, "/data")
    except MalformedEvent:
        return event
    return replace(event, data=data)


@lru_cache(maxsize=4096)
def may_send(source: str, globs: tuple[str, ...]) -> bool:
    """Whether one of the globs covers the source; `*` also matches slashes."""
    return any(fnmatchcase(source, glob) for glob in globs)


def _forbidden(attributes: dict[str, str], caller: Caller) -> Fault | None:
    if not may_send(attributes["source"], caller.sources):
        return Fault("/source", "the key is not allowed to send for this source")
    if attributes["type"] == ERASED:
        return None if caller.admin else Fault("/type", f"{ERASED} needs the role admin")
    return None if caller.emit else Fault("/type", "the key has not the role emit")


def _check_attributes(attributes: dict[str, str], faults: list[Fault]) -> None:
    for name in ("id", "source"):
        if len(attributes[name]) > MAX_NAME:
            fault = Fault(f"/{name}", f"must have at most {MAX_NAME} characters")
            faults.append(fault)
    media = attributes.get("datacontenttype", _JSON)
    if media != _JSON and media.partition(";")[0].strip().lower() != _JSON:
        faults.append(Fault("/datacontenttype", f"must be {_JSON}"))


def _envelope(event: CloudEvent, door: Door, faults: list[Fault]) -> dict[str, Any]:
    """The attributes as the record carries them; what is wrong with them is added to `faults`."""
    attributes = event.attributes
    envelope: dict[str, Any] = attributes.copy()
    for name in event.typed.keys() - _TEXTS:
        envelope[name] = event.typed[name]
    envelope["datacontenttype"] = _JSON
    envelope.pop("backfill", None)
    history = attributes.get("backfill")
    if history == "true":
        envelope["backfill"] = True
    elif history not in (None, "false"):
        faults.append(Fault("/backfill", "must be true or false"))
    moment = _moment(attributes, faults)
    if moment is not None:
        text = attributes["time"]
        envelope["time"] = text if len(text) in _CANONICAL else format_instant(moment)
        if moment > door.latest:
            faults.append(Fault("/time", "future_time"))
        elif moment < door.live_since:
            envelope["backfill"] = True
    if "traceparent" not in attributes:
        envelope |= door.trace
    envelope["recordedtime"] = door.recorded
    return envelope


def _moment(attributes: dict[str, str], faults: list[Fault]) -> datetime | None:
    text = attributes.get("time")
    if text is None:
        faults.append(Fault("/time", "is required"))
    elif text[-1] != "Z" or text.startswith(_YEAR_ZERO):
        faults.append(Fault("/time", "must be between the years 1 and 9999 in UTC"))
    else:
        return datetime.fromisoformat(text)
    return None


def _given(event_type: str, data: Any) -> Any:
    """The data without the nulls that say no more than leaving the field out; a null that clears stays."""
    names = _DEFAULTED.get(event_type)
    if not names or not isinstance(data, dict) or all(data.get(name, "") is not None for name in names):
        return data
    return {name: value for name, value in data.items() if value is not None or name not in names}


def _no_object(data: Any) -> Fault:
    if data is None:
        return Fault("/data", "is required")
    if isinstance(data, bytes):
        return Fault("/data", "must be JSON")
    return Fault("/data", "must be an object")


def _data_faults(event_type: str, validator: Any, data: dict[str, Any]) -> list[Fault]:
    inexact = exactness_faults(event_type, data)
    try:
        validator.validate_python(data)
    except ValidationError as error:
        told = {fault.pointer for fault in inexact}
        return inexact + [fault for fault in contract_faults(error, event_type) if fault.pointer not in told]
    return inexact or sense_faults(event_type, data)
