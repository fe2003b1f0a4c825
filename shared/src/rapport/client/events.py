"""Events made from the models of the contract, so that a wrong field is found where it is written."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from rapport.contracts import format_instant
from rapport.contracts.contact_events import CONTACT_EVENT_DATA, CustomerData
from rapport.runtime.clock import SystemClock

Event = Mapping[str, Any]
"""A CloudEvent as its structured JSON says it."""

_TYPE_OF: Final = {model: event_type for event_type, model in CONTACT_EVENT_DATA.items()}


def event(
    data: CustomerData,
    *,
    source: str,
    id: str | None = None,  # noqa: A002 - CloudEvents' own name
    time: datetime | None = None,
    more: Mapping[str, Any] | None = None,
    **extensions: str | int | bool,
) -> dict[str, Any]:
    """
    The CloudEvent that says this; its type is that of the model.

    `id` should be one that your system has for what happened: then saying it
    again is known for the same. Without one it is random. `time` is when it
    happened, now by default; `more` are fields of yours, `extensions` CloudEvents
    attributes such as `sequence` or `traceparent`. Only fields that were given
    are sent, so a None that was given clears. ValueError for a `time` without a
    zone: which one was meant depends on where the program runs.
    """
    if time is not None and time.tzinfo is None:
        raise ValueError(f"time {time.isoformat()} has no zone: give one, such as datetime.now(UTC)")
    return {
        "specversion": "1.0",
        "id": id or str(uuid.uuid4()),
        "source": source,
        "type": _TYPE_OF[type(data)],
        "time": format_instant(time or SystemClock().now()),
        "datacontenttype": "application/json",
        **extensions,
        "data": {**(more or {}), **data.model_dump(mode="json", exclude_unset=True)},
    }
