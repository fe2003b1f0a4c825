"""What follows from an event: its journal entry, the facts that change, and what is added to the hourly rows."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from rapport.contracts import Data, Event
from rapport.decision import Counted, Decision, Match, Ref, State, States, Touch

from metrics.domain import contact, customer, journal, tiers
from metrics.domain.loyalty import NO_LOYALTY, Loyalty
from metrics.domain.naming import identity_of
from metrics.domain.states import ContactFact, CustomerFact, JournalEntry


class Figures:
    """
    The domain of metrics: every event is kept in the journal and folded into the fact of its contact or customer.

    `loyalty` are the rules by which purchases give a tier.
    """

    def __init__(self, loyalty: Loyalty = NO_LOYALTY) -> None:
        self._loyalty = loyalty

    def touches(self, event: Event[Data]) -> Iterable[Touch]:
        yield Ref(JournalEntry, identity_of(event))
        customer_id: str | None = getattr(event.data, "customer_id", None)
        if contact.is_about_figures(event):
            yield Ref(ContactFact, _contact_id(event))
        elif not _is_about_customer(event):
            return
        if customer_id is not None:
            yield Ref(CustomerFact, customer_id)
            if customer.says_who(event):
                yield Match(ContactFact, "customer_id", customer_id)

    def on_event(self, event: Event[Data], partition: int, states: States, now: datetime) -> Decision[Any]:
        """
        The event in the journal, and what it changes.

        The figures depend on which events there are, never on the order or the
        number of times in which they came.
        """
        known = states.get(JournalEntry, identity_of(event))
        if known is not None:
            return journal.again(known, event, now)
        if contact.is_about_figures(event):
            return _fold_contact(event, partition, states)
        if tiers.is_about_purchases(event):
            return self._fold_purchase(event, partition, states, now)
        if _is_about_customer(event):
            return _fold_customer(event, partition, states)
        return journal.taken(event, partition, why="kept; no figure depends on it")

    def touches_on_clock(self, state: State) -> Iterable[Touch]:  # noqa: ARG002 - a customer is looked at alone
        return ()

    def on_clock(self, state: State, states: States, now: datetime) -> Decision[Any]:  # noqa: ARG002 - likewise
        """A purchase counts no more, or history has been read to its end."""
        assert isinstance(state, CustomerFact)  # noqa: S101 - nothing else wakes
        new, events = tiers.announced(state, self._loyalty, now, None)
        return Decision((new,), events, why="tier")

    def _fold_purchase(self, event: Event[Data], partition: int, states: States, now: datetime) -> Decision[Any]:
        customer_id: str = getattr(event.data, "customer_id", "")
        held = states.get(CustomerFact, customer_id) or CustomerFact(id=customer_id, partition=partition)
        new, events = tiers.announced(tiers.after_purchase(held, event), self._loyalty, now, event)
        return journal.taken(event, partition, (new,), events=events)


STRANGER: Final = CustomerFact(id="", partition=0)
"""Of whom nothing has been told."""


def _contact_id(event: Event[Data]) -> str:
    found: str = event.data.contact_id  # type: ignore[attr-defined] # only asked of events about a contact
    return found


def _is_about_customer(event: Event[Data]) -> bool:
    return customer.is_about_customer(event) or tiers.is_about_purchases(event)


def _fold_contact(event: Event[Data], partition: int, states: States) -> Decision[Any]:
    contact_id = _contact_id(event)
    old = states.get(ContactFact, contact_id)
    order = event.order
    if old is not None and contact.is_too_late(old, event, order):
        return journal.taken(event, partition, fate="too_late", why="dated before what is folded for good")
    fact = old or ContactFact(id=contact_id, partition=partition, backfill=event.backfill)
    told = contact.told(fact, event, order)
    customer_id: str = told.get("customer_id", fact.customer_id)
    new = contact.derived(fact, states.get(CustomerFact, customer_id) or STRANGER, told)
    return journal.taken(event, partition, (new,), contact.recounted(new, old))


def _fold_customer(event: Event[Data], partition: int, states: States) -> Decision[Any]:
    customer_id: str = getattr(event.data, "customer_id", "")
    old = states.get(CustomerFact, customer_id)
    held = old or CustomerFact(id=customer_id, partition=partition)
    if customer.is_counted(event):
        new = customer.after_counted(held, event)
        return journal.taken(event, partition, (new,), customer.recounted(new, old))
    new = customer.after_update(held, event)
    changed: list[State] = [new]
    counts: list[Counted] = [*customer.recounted(new, old)]
    for fact in states.of(ContactFact):
        if fact.customer_id != customer_id:
            continue
        if new.profile_at(fact.opened_at) != fact.profile:
            again = contact.derived(fact, new)
            changed.append(again)
            counts += contact.recounted(again, fact)
    return journal.taken(event, partition, tuple(changed), tuple(counts))
