"""All types of event, and bytes to events and back."""

from datetime import datetime
from functools import reduce
from operator import or_
from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError, create_model

from rapport.contracts import topics
from rapport.contracts.contact_events import CONTACT_EVENT_DATA
from rapport.contracts.envelope import Data, Event, UndecodableEvent, cut_to_milliseconds
from rapport.contracts.followup_events import FOLLOWUP_EVENT_DATA
from rapport.contracts.metrics_events import METRICS_EVENT_DATA
from rapport.contracts.sla_events import SLA_EVENT_DATA

_DATA_OF_TOPIC: Final[dict[str, dict[str, type[Data]]]] = {
    topics.CONTACT_EVENTS: {**CONTACT_EVENT_DATA},
    topics.SLA_EVENTS: SLA_EVENT_DATA,
    topics.FOLLOWUP_EVENTS: FOLLOWUP_EVENT_DATA,
    topics.METRICS_EVENTS: METRICS_EVENT_DATA,
}

EVENT_DATA: Final[dict[str, type[Data]]] = {
    event_type: data for types in _DATA_OF_TOPIC.values() for event_type, data in types.items()
}
TOPIC_OF: Final[dict[str, str]] = {event_type: topic for topic, types in _DATA_OF_TOPIC.items() for event_type in types}


def _typed(event_type: str, data: type[Data]) -> Any:
    return create_model(f"{data.__name__}Event", __base__=Event[data], type=(Literal[event_type], ...))  # type: ignore[arg-type, valid-type]


_MODEL: Final[dict[str, Any]] = {event_type: _typed(event_type, data) for event_type, data in EVENT_DATA.items()}
_union: Any = Annotated[reduce(or_, _MODEL.values()), Field(discriminator="type")]
_ANY: Final[TypeAdapter[Event[Data]]] = TypeAdapter(_union)  # one pass over the bytes, in Rust

_TOLD: Final = {
    "id",
    "source",
    "type",
    "time",
    "partitionkey",
    "sequence",
    "backfill",
    "causationid",
    "traceparent",
    "tracestate",
    "data",
}
"""The fields that an event of ours has beyond its defaults."""


def decode(value: bytes | None) -> Event[Data]:
    """The event in a record of ours; `UndecodableEvent` names the first field that is wrong."""
    if value is None:
        raise UndecodableEvent("", "the record has no value")
    try:
        event = _ANY.validate_json(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"].startswith("union_tag"):
            raise UndecodableEvent("/type", "missing, or no type that this version knows") from None
        steps = [str(step) for step in first["loc"] if step not in EVENT_DATA]
        raise UndecodableEvent("/" + "/".join(steps) if steps else "", first["msg"]) from None
    event.came_as(value)
    return event


def encode(event: Event[Data]) -> bytes:
    """One CloudEvent in structured JSON."""
    return event.__pydantic_serializer__.to_json(event, exclude_none=True)


def tell(
    event_type: str,
    data: Data,
    *,
    source: str,
    id: str,  # noqa: A002 - CloudEvents' own name
    time: datetime,
    sequence: int | None = None,
    backfill: bool = False,
    cause: Event[Data] | None = None,
    trace: str | None = None,
) -> Event[Data]:
    """
    An event of ours. `cause` is the event that it follows from: its trace and, as causationid, its id.

    `trace` is the traceparent of what time alone has made true, or somebody has done.

    Its envelope is put together as it is, since the types here say what pydantic would
    check; that takes 2 µs instead of 10, and a breach tells three events.
    """
    if not isinstance(data, EVENT_DATA[event_type]):
        raise TypeError(f"{event_type} does not say {type(data).__name__}")
    if time.tzinfo is None:
        raise ValueError(f"the time of {id} has no zone")
    fields = {
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": event_type,
        "time": cut_to_milliseconds(time),
        "subject": None,
        "datacontenttype": "application/json",
        "partitionkey": getattr(data, "customer_id", None),
        "causationid": cause.id if cause else None,
        "recordedtime": None,
        "sequence": None if sequence is None else str(sequence),
        "traceparent": cause.traceparent if cause else trace,
        "tracestate": cause.tracestate if cause else None,
        "erasedas": None,
        "backfill": backfill,
        "data": data,
    }
    model: type[Event[Data]] = _MODEL[event_type]
    event = model.__new__(model)
    for name, value in (
        ("__dict__", fields),
        ("__pydantic_fields_set__", _TOLD.copy()),
        ("__pydantic_extra__", {}),
        ("__pydantic_private__", None),
    ):
        object.__setattr__(event, name, value)
    return event
