"""An event without what a person is known by: the figures need none of it, and are the same without."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from rapport.contracts import EVENT_DATA

_WORDS: Final = frozenset(
    {
        *("subject", "reference", "url", "attributes", "comment", "text", "note", "reason", "reasons"),
        *("name", "title", "form_of_address", "timezone", "email", "phone", "address", "account_id"),
        "group",
    }
)
"""Fields that hold a person's name, addresses or words, or words about them, whatever the event."""

_OURS: Final = frozenset({"followup.scheduled", "followup.deferred", "followup.suppressed", "followup.cancelled"})
"""Events whose reason is one of a few words of followup's own, which figures are grouped by."""

NAMES: Final = frozenset({"contact_id", "into", "purchase_id", "survey_id", "followup_id", "alert_id"})
"""Fields that name something, perhaps after the customer."""

_ENVELOPE: Final = (
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "recordedtime",
    "sequence",
    "backfill",
    "causationid",
)
_NAMED: Final = ("id", "source", "causationid")
_BLANK: Final = "erased"
"""Stands where the contract asks for some text."""


def wordless(
    event: Mapping[str, Any], customer_id: str, contact_id: str | None, instead: Callable[[str], str]
) -> dict[str, Any]:
    """
    The event, in structured JSON, as that of the customer and contact given.

    Of its data stay the fields that our version knows and that are no words; of its
    envelope what says which event it is and when. `instead` gives other names
    for what is named after the customer.
    """
    kept = {name: event[name] for name in _ENVELOPE if event.get(name) is not None}
    kept |= {name: instead(kept[name]) for name in _NAMED if name in kept}
    data = event["data"]
    fields = _fields(event["type"])
    said = {name: data[name] if blank is None else blank for name, blank in fields.items() if name in data}
    said |= {name: instead(said[name]) for name in NAMES if isinstance(said.get(name), str)}
    said["customer_id"] = customer_id
    if contact_id is not None:
        said["contact_id"] = contact_id
    return {**kept, "data": said}


@cache
def _fields(event_type: str) -> Mapping[str, str | None]:
    """The fields that stay; those that only stand there, since the contract asks for them, with what they then hold."""
    kind = EVENT_DATA.get(event_type)
    fields: dict[str, str | None] = {}
    for name, field in kind.model_fields.items() if kind else ():
        if name not in _WORDS or (name == "reason" and event_type in _OURS):
            fields[name] = None
        elif field.is_required():
            fields[name] = _BLANK
    return fields
