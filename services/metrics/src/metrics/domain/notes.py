"""The compact log of a contact: of each event its place in the order, and what deciding needs of it."""

from collections.abc import Callable, Mapping
from typing import Any

from rapport.contracts import Data, Event
from rapport.contracts.contact_events import (
    ContactAbandoned,
    ContactAssigned,
    ContactEscalated,
    ContactMerged,
    ContactReceived,
    ContactReclassified,
    ContactReopened,
    ContactResolved,
    ContactResponded,
)

from metrics.domain.kept import Note

LONGEST_LOG = 500
"""Past this many events the older half is folded for good, and what is dated before it is too late."""


_RECEIVED = ("channel", "kind", "priority", "topic", "region", "location", "team", "language", "product")
_RECLASSIFIED = ("kind", "priority", "topic", "region", "location", "team", "product", "language")


def _given(data: Data, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(data, name)) is not None}


def _agent(data: Data, names: tuple[str, ...]) -> dict[str, Any]:
    what = _given(data, names)
    agent = getattr(data, "agent_id", None)
    if agent is not None:
        what["agent"] = agent
    return what


def _handled(data: ContactResponded | ContactResolved, names: tuple[str, ...]) -> dict[str, Any]:
    what = _agent(data, names)
    if data.handle_seconds is not None:
        what["handled"] = int(data.handle_seconds * 1000 + 0.5)
    return what


def _received(data: ContactReceived) -> dict[str, Any]:
    what = _agent(data, _RECEIVED)
    if data.purchase_id is not None:
        what["purchase"] = data.purchase_id
    if data.direction == "outbound":
        what["outbound"] = True
    return what


def _abandoned(data: ContactAbandoned) -> dict[str, Any]:
    return {} if data.waited_seconds is None else {"waited": int(data.waited_seconds * 1000 + 0.5)}


_WHAT: Mapping[type[Data], Callable[[Any], dict[str, Any]]] = {
    ContactReceived: _received,
    ContactResponded: lambda data: _handled(data, ("language",)),
    ContactAssigned: lambda data: _agent(data, ("team",)),
    ContactReclassified: lambda data: _given(data, _RECLASSIFIED),
    ContactResolved: lambda data: _handled(data, ("outcome",)),
    ContactEscalated: lambda _: {},
    ContactReopened: lambda _: {},
    ContactMerged: lambda _: {},
    ContactAbandoned: _abandoned,
}


def is_noted(event: Event[Data]) -> bool:
    """
    Whether a contact's figures depend on this event at all.

    An automated answer counts for nothing but the journal, and what we caused
    ourselves (a survey that we sent, the answer to it) is no customer contact.
    """
    data = event.data
    if isinstance(data, ContactResponded):
        return not data.automated
    if isinstance(data, ContactReceived):
        return event.causationid is None
    return type(data) in _WHAT


def note_of(event: Event[Data], order: tuple[int, int, str, int, str]) -> Note:
    return Note(*order, event.type, _WHAT[type(event.data)](event.data))
