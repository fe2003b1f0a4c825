"""An example of every event, made from its model: what the documents show and the tests decode."""

from datetime import datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from rapport.contracts import EVENT_DATA, TOPIC_OF, topics

_AT: Final = "2026-03-02T09:00:00Z"
_SAID: Final[dict[str, Any]] = {
    "customer_id": "K-5",
    "contact_id": "4711",
    "into": "4712",
    "channel": "email",
    "agent_id": "agent-7",
    "team": "billing",
    "to": "second line",
    "survey_id": "S-1",
    "purchase_id": "P-9",
    "amount": "19.90",
    "currency": "EUR",
    "score": 4,
    "out_of": 5,
    "rating": 4,
    "site": "reviews.example",
    "network": "mastodon",
    "purpose": "survey",
    "address": "customer@example.net",
}
_ALSO: Final[dict[str, dict[str, Any]]] = {
    "contact.received": {"kind": "complaint", "priority": "high", "subject": "Invoice wrong", "team": "billing"},
    "contact.responded": {"agent_id": "agent-7", "channel": "email"},
    "contact.assigned": {"agent_id": "agent-7", "team": "billing"},
    "contact.reclassified": {"priority": "urgent"},
    "contact.resolved": {"outcome": "solved"},
    "customer.updated": {"name": "Chiara Rossi", "language": "it", "timezone": "Europe/Rome", "tier": "gold"},
}


def example(event_type: str) -> dict[str, Any]:
    """The event as its structured JSON says it."""
    ours = TOPIC_OF[event_type] != topics.CONTACT_EVENTS
    return {
        "specversion": "1.0",
        "id": "crm-1",
        "source": "/rapport/example" if ours else "/crm",
        "type": event_type,
        "time": _AT,
        "datacontenttype": "application/json",
        "data": {**_required(EVENT_DATA[event_type]), **_ALSO.get(event_type, {})},
    }


def _required(model: type[BaseModel]) -> dict[str, Any]:
    return {name: _value(name, field) for name, field in model.model_fields.items() if field.is_required()}


def _value(name: str, field: FieldInfo) -> Any:
    return _SAID[name] if name in _SAID else _of(field.annotation, name)


def _of(kind: Any, name: str) -> Any:
    origin = get_origin(kind)
    if origin is Annotated:
        return _of(get_args(kind)[0], name)
    if origin is Literal:
        return get_args(kind)[0]
    if origin in {Union, UnionType}:
        return _of(next(one for one in get_args(kind) if one is not NoneType), name)
    if origin in {list, tuple, set, frozenset}:
        return []
    if origin is dict or kind is dict:
        return {}
    return _plain(kind, name)


def _plain(kind: Any, name: str) -> Any:
    if not isinstance(kind, type):
        return name
    if issubclass(kind, BaseModel):
        return _required(kind)
    if issubclass(kind, datetime | AwareDatetime):
        return _AT
    if issubclass(kind, bool):
        return True
    return 1 if issubclass(kind, int | float) else name
