"""
What was booked by an instant: which entries of the journal were, and the facts that these alone make.

An event is booked when intake took it in. One of ours is when it became true, and never before
the event that it follows from: a verdict that a late answer led to is as late as the answer. Nor is
it before anything was booked of its contact.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from rapport.contracts import Data, Event, Identity, decode
from rapport.erasing import OURS

from metrics.domain import contact, customer, tiers
from metrics.domain.decide import STRANGER
from metrics.domain.notes import LONGEST_LOG
from metrics.domain.states import ContactFact, CustomerFact, JournalEntry

NOBODY: Collection[Identity] = frozenset()


def told_late(entries: Iterable[JournalEntry], cut: datetime, known: Collection[Identity] = NOBODY) -> set[Identity]:
    """
    Which of our own events are dated before `cut` and follow from what was booked later.

    The entries are all of one contact or customer; `known` are such of others. What is dated
    after an event of ours is no reason for it: it only had us look.
    """
    since: dict[str, datetime] = {}
    waiting: list[JournalEntry] = []
    for entry in entries:
        if entry.recorded >= cut or entry.id in known:
            since[entry.event_id] = min(entry.time, since.get(entry.event_id, entry.time))
        elif entry.cause is not None and entry.recorded == entry.time:
            waiting.append(entry)
    found: set[Identity] = set()
    while more := [entry for entry in waiting if entry.cause in since and since[entry.cause] <= entry.time]:
        for entry in more:
            since.setdefault(entry.event_id, entry.time)
        found.update(entry.id for entry in more)
        waiting = [entry for entry in waiting if entry.id not in found]
    return found


def contact_of(
    contact_id: str, entries: Sequence[JournalEntry], customers: Mapping[str, CustomerFact]
) -> ContactFact | None:
    """
    The fact of a contact out of its entries, and what is known of customers; None where they say nothing of it.

    Nor is there one of which only we speak: its history came later, and what we said of it is dated by that.
    """
    if all(entry.source.startswith(OURS) for entry in entries):
        return None
    fact: ContactFact | None = None
    for event in _in_order(entries):
        if contact.is_about_figures(event):
            held = fact or ContactFact(id=contact_id, partition=0)
            fact = held.but(**contact.told(held, event, event.order))
            if len(fact.log) > LONGEST_LOG:
                fact = contact.derived(fact, None)
    return fact and contact.derived(fact, customers.get(fact.customer_id, STRANGER))


def customer_of(customer_id: str, entries: Iterable[JournalEntry]) -> CustomerFact | None:
    """The fact of a customer out of those entries that are about no contact; None where they say nothing of them."""
    fact: CustomerFact | None = None
    for event in _in_order(entries):
        held = fact or CustomerFact(id=customer_id, partition=0)
        if tiers.is_about_purchases(event):
            fact = tiers.after_purchase(held, event)
        elif customer.is_counted(event):
            fact = customer.after_counted(held, event)
        elif customer.is_about_customer(event):
            fact = customer.after_update(held, event)
    return fact


def is_same_to_contacts(one: CustomerFact | None, other: CustomerFact | None) -> bool:
    """Whether contacts of a customer have the same figures whichever of these the customer is."""
    first, second = one or STRANGER, other or STRANGER
    return all(getattr(first, name) == getattr(second, name) for name in ("tiers", "audiences", "language"))


def _in_order(entries: Iterable[JournalEntry]) -> list[Event[Data]]:
    return sorted((decode(entry.text.encode()) for entry in entries), key=lambda event: event.order)
