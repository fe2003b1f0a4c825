"""
What becomes of an erased customer's events: they stay, without a word of theirs, as those of a random name.

What is held is rewritten beside the daily work (`metrics.domain.rewriting`);
what comes late is never kept as it came.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Final

from pydantic_core import from_json
from rapport.contracts import Data, Event, decode
from rapport.contracts.contact_events import ContactReceived, CustomerErased
from rapport.decision import Decision, Index, Ref, State, States, Touch
from rapport.erasing import OURS, Period, Periods, Pseudonyms, is_anonymous, is_erased

from metrics.domain import customer, journal
from metrics.domain.deadlines import millis
from metrics.domain.decide import Figures
from metrics.domain.journal import text_of
from metrics.domain.nameless import joined, nameless_contact, nameless_customer, parted
from metrics.domain.naming import identity_of
from metrics.domain.states import ContactFact, CustomerFact, JournalEntry
from metrics.domain.wordless import wordless

_WHY: Final = "erased"


class Erasure(Periods, State, frozen=True, kw_only=True):
    """
    That a customer was erased, under a name made of the id, and what the id is replaced by.

    The id itself is held only until all is rewritten. `again` says that somebody
    else has the id now; `behind` counts what came late and matters for contacts.
    """

    collection: ClassVar[str] = "erasures"
    indexes: ClassVar[tuple[Index, ...]] = (Index(("erasing",), only={"erasing": True}),)

    periods: tuple[Period, ...]
    customer_id: str | None = None
    again: bool = False
    behind: int = 0

    def index(self) -> dict[str, Any]:
        return {"erasing": True} if self.customer_id is not None or self.behind else {}

    def leads_to(self) -> Iterable[Ref]:
        return [Ref(CustomerFact, period.name) for period in self.periods]

    def name_of(self, fact: ContactFact, customer_id: str) -> str | None:
        """What the erased customer is called whose contact it is: who had the id when it began. None for others'."""
        if fact.customer_id in self.names:
            return fact.customer_id
        if fact.customer_id != customer_id or fact.named is None:
            return None
        return self.name_at(fact.named[1][0] if fact.opened_at is None else fact.opened_at)


class Forgetful:
    """The domain of metrics, which knows no erased customer by their id, whatever comes and however late."""

    def __init__(self, figures: Figures, pseudonyms: Pseudonyms) -> None:
        self._figures = figures
        self.pseudonyms = pseudonyms

    def touches(self, event: Event[Data]) -> Iterable[Touch]:
        yield from self._figures.touches(event)
        customer_id, contact_id = _about(event)
        if customer_id is None:
            return
        if is_erased(customer_id):
            yield Ref(CustomerFact, customer_id)
        else:
            yield Ref(Erasure, self.pseudonyms.key_of(customer_id))
        if isinstance(event.data, CustomerErased):
            yield from (Ref(CustomerFact, one) for one in (customer_id, event.erasedas) if one)
        if contact_id is not None:
            yield Ref(ContactFact, contact_id)
            if _may_be_renamed(contact_id, customer_id):
                yield Ref(ContactFact, self.pseudonyms.other(contact_id))

    def on_event(self, event: Event[Data], partition: int, states: States, now: datetime) -> Decision[Any]:
        """
        What Figures decides; of an erased customer, about the event as it may be kept.

        Theirs is what is dated up to the erasure, what is about their contacts, and
        what services tell of them afterwards. All else under the id is somebody new.
        """
        customer_id, contact_id = _about(event)
        is_known = states.get(JournalEntry, identity_of(event)) is not None
        if is_known or customer_id is None:
            return self._figures.on_event(event, partition, states, now)
        fact = self._contact(customer_id, contact_id, states)
        if is_erased(customer_id):
            return self._taken_as(event, customer_id, partition, None, fact, states, now)
        erasure = states.get(Erasure, self.pseudonyms.key_of(customer_id))
        name = _whose(event, customer_id, erasure, fact)
        if name is not None:
            return self._taken_as(event, name, partition, erasure, fact, states, now)
        if isinstance(event.data, CustomerErased):
            return self._erase(event, customer_id, partition, erasure, states)
        decision = self._figures.on_event(event, partition, states, now)
        if erasure is None or erasure.again:
            return decision
        return replace(decision, states=(*decision.states, erasure.but(again=True)))

    def touches_on_clock(self, state: State) -> Iterable[Touch]:
        return self._figures.touches_on_clock(state)

    def on_clock(self, state: State, states: States, now: datetime) -> Decision[Any]:
        return self._figures.on_clock(state, states, now)

    def _contact(self, customer_id: str, contact_id: str | None, states: States) -> ContactFact | None:
        """The contact that an event is about, whatever it is called now."""
        if contact_id is None:
            return None
        fact = states.get(ContactFact, contact_id)
        if fact is not None or not _may_be_renamed(contact_id, customer_id):
            return fact
        return states.get(ContactFact, self.pseudonyms.other(contact_id))

    def _taken_as(
        self,
        event: Event[Data],
        name: str,
        partition: int,
        erasure: Erasure | None,
        fact: ContactFact | None,
        states: States,
        now: datetime,
    ) -> Decision[Any]:
        """What Figures decides about the event as one of `name`'s, without words; the contact is rewritten with it."""
        customer_id, contact_id = _about(event)
        instead = partial(self.pseudonyms.instead, customer_id=customer_id or "")
        seen, gone = fact, tuple[Ref, ...]()
        owner = erasure.name_of(fact, customer_id or "") if erasure and fact else fact and fact.customer_id
        begins = owner is None and fact is not None and _begins(event, fact)
        if fact is not None and (begins or name == owner):
            seen = nameless_contact(fact, name, instead(fact.id), instead)
            gone = (Ref(ContactFact, fact.id),) if seen.id != fact.id else ()
        contact_id = seen.id if seen else contact_id and instead(contact_id)
        kept = self._kept(event, name, contact_id)
        whose = dict.fromkeys([name, *([seen.customer_id] if seen else [])])
        refs: list[Ref] = [Ref(JournalEntry, identity_of(kept)), *(Ref(CustomerFact, one) for one in whose)]
        refs += [Ref(ContactFact, contact_id)] if contact_id else []
        known: list[State | None] = [*(states.get(CustomerFact, one) for one in whose), seen]
        view = States()
        view.loaded(refs, [state for state in known if state])
        decision = _entered(event, self._figures.on_event(kept, partition, view, now))
        changed: list[State] = [*decision.states]
        if gone and seen and not any(isinstance(state, ContactFact) for state in changed):
            changed.append(seen)
        if erasure is not None and (begins or customer.says_who(event)):
            everything = {"customer_id": customer_id} if begins else {}
            changed.append(erasure.but(behind=erasure.behind + 1, **everything))
        return replace(decision, states=tuple(changed), gone=gone)

    def _erase(
        self,
        event: Event[Data],
        customer_id: str,
        partition: int,
        known: Erasure | None,
        states: States,
    ) -> Decision[Any]:
        """From here on the customer has another name, and nothing comes in under the old one; the rest follows."""
        until, name = millis(event.time), self.pseudonyms.name_in(event, customer_id)
        erasure = known or Erasure(id=self.pseudonyms.key_of(customer_id), partition=partition, periods=())
        erasure = erasure.but(periods=erasure.and_until(until, name), customer_id=customer_id, again=False)
        if known is not None and not known.again:
            kept = self._kept(event, erasure.periods[-1].name)
            return _entered(event, journal.taken(kept, partition, (erasure,), why=_WHY))
        old, told = (states.get(CustomerFact, one) if one else None for one in (customer_id, event.erasedas))
        theirs, others = parted(old or CustomerFact(id=customer_id, partition=partition), until)
        new = nameless_customer(theirs, name, partial(self.pseudonyms.instead, customer_id=customer_id))
        counts = customer.recounted(new, old)
        if told is not None and told.id == name:  # by a service that had heard of the erasure before us
            joint = joined(new, told)
            counts += (*customer.recounted(None, told), *customer.recounted(joint, new))
            new = joint
        changed: tuple[State, ...] = (erasure, new)
        if others is not None:
            changed = (erasure.but(again=True), new, others)
            counts += customer.recounted(others, None)
        taken = journal.taken(self._kept(event, name), partition, changed, counts, why=_WHY)
        gone = (Ref(CustomerFact, customer_id),) if old is not None and others is None else ()
        return _entered(event, replace(taken, gone=gone))

    def _kept(self, event: Event[Data], name: str, contact_id: str | None = None) -> Event[Data]:
        """The event as it may be kept: of `name`, without words; nothing is named after what has another name now."""
        customer_id, told = _about(event)
        old = told if is_erased(customer_id) and told != contact_id else customer_id
        instead = partial(self.pseudonyms.instead, customer_id=old or "")
        return decode(json.dumps(wordless(from_json(text_of(event)), name, contact_id, instead)).encode())


def _entered(event: Event[Data], decision: Decision[Any]) -> Decision[Any]:
    """The decision with its journal entry under the identity that the event came with."""
    entry, *others = decision.states
    return replace(decision, states=(entry.but(id=identity_of(event)), *others))


def _may_be_renamed(contact_id: str, customer_id: str) -> bool:
    """Whether a contact of this customer's may have another name now, which has not their id in it."""
    return customer_id in contact_id or is_anonymous(customer_id) or is_erased(customer_id)


def _about(event: Event[Data]) -> tuple[str | None, str | None]:
    return getattr(event.data, "customer_id", None), getattr(event.data, "contact_id", None)


def _begins(event: Event[Data], fact: ContactFact) -> bool:
    """Whether a message from before an erasure is of a contact of which only what somebody new might say was known."""
    return isinstance(event.data, ContactReceived) and fact.customer_id == event.data.customer_id


def _whose(event: Event[Data], customer_id: str, erasure: Erasure | None, fact: ContactFact | None) -> str | None:
    """What the erased customer is called whose event it is, if it is one's; `fact` is of the contact it is about."""
    if fact is not None and is_erased(fact.customer_id) and is_anonymous(customer_id):
        return fact.customer_id
    if erasure is None:
        return None
    if fact is not None and (name := erasure.name_of(fact, customer_id)):
        return name
    if name := erasure.name_at(millis(event.time)):
        return name
    about_nobody_new = not erasure.again and _about(event)[1] is None
    return erasure.periods[-1].name if about_nobody_new and event.source.startswith(OURS) else None
