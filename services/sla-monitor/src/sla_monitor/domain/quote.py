"""When to expect an answer: the policy that a contact would get, and its deadlines, before it exists."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rapport.contracts import EVENT_DATA, tell

from sla_monitor.domain.customers import relevant
from sla_monitor.domain.fold import fold
from sla_monitor.domain.log import entry, to_millis
from sla_monitor.domain.policy import CUSTOMER_FIELDS
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.states import CustomerState, Entry

_NOBODY: Final = "quote"


@dataclass(frozen=True, slots=True)
class Quoted:
    target: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Quote:
    """What would be promised; `policy` is None where none would match."""

    policy: str | None
    policy_version: int
    calendar: str | None
    deadlines: tuple[Quoted, ...]


def quote(
    attributes: Mapping[str, Any], at: datetime, book: PolicyBook, customer: CustomerState | None = None
) -> Quote:
    """
    The quote for a contact with these fields that arrives at that instant.

    Fields are those of contact.received and customer.updated, attributes also as
    `attributes.x`; pydantic's ValidationError names what is wrong with them.
    """
    about = {k: v for k, v in attributes.items() if k in CUSTOMER_FIELDS and k not in _BOTH}
    free = {k: v for k, v in attributes.items() if k.startswith("attributes.")}
    opening = {k: v for k, v in attributes.items() if k not in about and k not in free}
    data = {"channel": "other", "customer_id": _NOBODY, **opening, "contact_id": _NOBODY}
    received = EVENT_DATA["contact.received"].model_validate(data)
    first = entry(tell("contact.received", received, source=_NOBODY, id=_NOBODY, time=at), book.asked)
    first = first._replace(facts={**first.facts, **free})
    told = [Entry(to_millis(at), -1, "", -1, _NOBODY, "customer.updated", about)] if about else []
    known = [asked for change in (customer.changes if customer else ()) if (asked := relevant(change, book.asked))]
    folding = fold([*(e for e in known if e.millis <= first.millis), *told, first], book, at)
    version = folding.version or book.in_force(at)
    return Quote(
        policy=folding.rule.name if folding.rule else None,
        policy_version=version.number,
        calendar=folding.calendar,
        deadlines=tuple(Quoted(c.target, c.due_at) for c in folding.clocks if c.spec_or_promise and c.due_at),
    )


_BOTH: Final = frozenset({"region", "language"})
"""Fields that contacts and customers share: the contact's own wins."""
