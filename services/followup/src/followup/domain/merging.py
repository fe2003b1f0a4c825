"""What two customers know of one contact, put together as if one had heard it all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from rapport.contracts import Data, Event
from rapport.contracts.envelope import OrderKey

from followup.domain.folding import BAD, BAD_OUTCOME, SPEAKS, fold, newest, not_too_many
from followup.domain.state import Contact, CustomerState, NamelessContact

T = TypeVar("T", CustomerState, NamelessContact)


def merged(one: Contact, other: Contact) -> Contact:
    """A contact as it would be, had all that both know been folded into one; it remains to be said who has it."""
    entries = {entry.name: entry for entry in (*other.entries, *one.entries)}
    changed = dict(one.changed)
    for name, said in other.changed.items():
        if name not in changed or changed[name][0] < said[0]:
            changed[name] = said
    latest = one.latest
    for name, key in other.latest.items():
        latest = newest(latest, name, key)
    return Contact(
        entries=not_too_many(sorted(entries.values(), key=lambda entry: entry.key)),
        opened=min((each.opened for each in (one, other) if each.opened), key=lambda said: said[0], default=None),
        changed=changed,
        latest=latest,
        touched_at=max(one.touched_at, other.touched_at),
    )


@dataclass(frozen=True, slots=True)
class Said:
    """What a contact or an event says of its customer: when they were heard, what calls plays off, signs of risk."""

    heard: OrderKey | None = None
    latest: dict[str, OrderKey] = field(default_factory=dict)
    signs: dict[str, OrderKey] = field(default_factory=dict)


def said_on(contact: Contact) -> Said:
    """What the events of a contact themselves say of its customer."""
    heard = max((entry.key for entry in contact.entries if entry.type in SPEAKS), default=None)
    bad = max((entry.key for entry in contact.entries if entry.outcome in BAD), default=None)
    return Said(heard, contact.latest, {BAD_OUTCOME: bad} if bad else {})


def said_by(event: Event[Data], cancelling: frozenset[str]) -> Said:
    """What one event says of its customer."""
    known = fold(CustomerState(id="", partition=0), event, cancelling, frozenset())
    return Said(known.heard, known.latest, known.signs)


def with_said(customer: T, said: Said) -> T:
    """The customer, or who may turn out to be one, with what is said of them."""
    latest, signs = customer.latest, customer.signs
    for name, key in said.latest.items():
        latest = newest(latest, name, key)
    for name, key in said.signs.items():
        signs = newest(signs, name, key)
    heard = max((key for key in (customer.heard, said.heard) if key), default=None)
    return customer.but(heard=heard, latest=latest, signs=signs)


def told_at(contact: Contact) -> OrderKey | None:
    """The newest event of a contact itself that said something of it."""
    keys = [entry.key for entry in contact.entries] + [key for key, _ in contact.changed.values()]
    keys += [key for name, key in contact.latest.items() if name.startswith("contact.")]
    keys += [contact.opened[0]] if contact.opened else []
    return max(keys, default=None)
