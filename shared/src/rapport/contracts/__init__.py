"""
Every event of the platform, one module per topic; what `docs/events.md` is generated from.

A record on a topic of ours is one CloudEvent in structured JSON. `decode` turns
its bytes into a typed event in one pass; `encode` is its inverse for events that
we tell. Both are pure.
"""

from rapport.contracts.contact_events import CONTACT_EVENT_DATA, ContactData
from rapport.contracts.envelope import (
    Data,
    Event,
    Identity,
    UndecodableEvent,
    cut_to_milliseconds,
    format_instant,
    identity,
    identity_of,
    natural_order,
)
from rapport.contracts.registry import EVENT_DATA, TOPIC_OF, decode, encode, tell

__all__ = [
    "CONTACT_EVENT_DATA",
    "EVENT_DATA",
    "TOPIC_OF",
    "ContactData",
    "Data",
    "Event",
    "Identity",
    "UndecodableEvent",
    "cut_to_milliseconds",
    "decode",
    "encode",
    "format_instant",
    "identity",
    "identity_of",
    "natural_order",
    "tell",
]
