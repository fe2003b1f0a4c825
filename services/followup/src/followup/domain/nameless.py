"""
Whose a contact is that was told of under `anonymous:…`: one customer's, in whatever order its names are heard.

Somebody known has it before nobody does; of several the one whom the newest event of it names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rapport.contracts import ContactData, Data, Event
from rapport.contracts.envelope import OrderKey
from rapport.decision import States
from rapport.erasing import is_anonymous, is_erased

from followup.domain.draft import Draft, Rules, check_in_of
from followup.domain.folding import is_no_contact
from followup.domain.merging import Said, merged, said_by, said_on, told_at, with_said
from followup.domain.planning import cancel_by, end, follow_clock, follow_contact
from followup.domain.rule_book import RuleBook
from followup.domain.state import CheckIn, CustomerState, Followup, Message, NamelessContact, SurveyLink

_NEVER: Final[tuple[()]] = ()


@dataclass(frozen=True, slots=True)
class Whose:
    """
    Who an event concerns: the customer as `known`, and with all that `others` held of the contact that it is about.

    Where that is nameless, `nameless` is how it is found, and `named` the newest event that names them.
    """

    customer: CustomerState
    known: CustomerState | None
    others: tuple[CustomerState, ...] = ()
    nameless: NamelessContact | None = None
    named: OrderKey | None = None

    def name(self, customer: CustomerState) -> CustomerState:
        """The customer with the contact as theirs, after the event is folded in."""
        contact = customer.contacts.get(self.nameless.id) if self.nameless else None
        if self.nameless is None or contact is None or contact.named == self.named:
            return customer
        return customer.but(contacts={**customer.contacts, self.nameless.id: contact.but(named=self.named)})


def whose(
    event: Event[Data], known: CustomerState | None, partition: int, states: States, now: datetime
) -> Whose | None:
    """
    Whom an event concerns that names a customer, perhaps `known`.

    None where it names nobody, and the contact is an erased customer's.
    """
    data: Any = event.data
    customer_id, contact_id = data.customer_id, getattr(data, "contact_id", None)
    named = Whose(known or CustomerState(id=customer_id, partition=partition), known)
    nameless = states.get(NamelessContact, contact_id) if contact_id is not None else None
    if contact_id is None or (nameless is None and not is_anonymous(customer_id)):
        return named
    if nameless is not None and is_erased(nameless.customer_id):
        return None if is_anonymous(customer_id) else named
    found = _holding(customer_id, contact_id, nameless, states)
    holders = [one for one in found if not one.erased]
    if found and not holders and nameless is None:
        return None
    keys = {one.id: _named(one, contact_id) for one in holders}
    if nameless is not None:
        keys.setdefault(nameless.customer_id, _NEVER)
    if isinstance(data, ContactData) and event.type.startswith("contact.") and not is_no_contact(event):
        keys[customer_id] = max(keys.get(customer_id, _NEVER), event.order)
    elif not keys:
        keys[customer_id] = _NEVER
    owner = max(keys, key=lambda name: (not is_anonymous(name), keys[name], name))
    if is_anonymous(owner) and not is_anonymous(customer_id):
        return named
    others = tuple(one for one in holders if one.id != owner)
    known = states.get(CustomerState, owner)
    customer = known or CustomerState(id=owner, partition=partition)
    for other in others:
        customer = taken_over(customer, other, contact_id)
    if nameless is not None and nameless.customer_id != owner:
        customer = with_said(customer, Said(nameless.heard, nameless.latest, nameless.signs))
    nameless = nameless or NamelessContact(id=contact_id, partition=partition, customer_id=owner, since=now)
    return Whose(customer, known, others, nameless.but(customer_id=owner), keys[owner] or None)


def taken_over(customer: CustomerState, other: CustomerState, contact_id: str) -> CustomerState:
    """The customer with what another held of a contact: what was said on it, what follows it, and its slots."""
    followups = {one.id: one for one in about(other, contact_id)}
    customer = customer.but(
        followups={**customer.followups, **followups},
        slots=(*customer.slots, *(slot for slot in other.slots if slot.followup_id in followups)),
        sequence=max(customer.sequence, other.sequence),
    )
    contact = other.contacts.get(contact_id)
    if contact is None:
        return customer
    mine = customer.contacts.get(contact_id)
    contact = merged(mine, contact) if mine else contact
    return with_said(customer.but(contacts={**customer.contacts, contact_id: contact}), said_on(contact))


def without(customer: CustomerState, contact_id: str, rules: Rules, event: Event[Data]) -> Draft:
    """The customer without a contact that is another's; nobody known who has none is not missed when silent."""
    gone = {one.id for one in about(customer, contact_id)}
    rest = customer.but(
        contacts={name: one for name, one in customer.contacts.items() if name != contact_id},
        followups={name: one for name, one in customer.followups.items() if name not in gone},
        slots=tuple(slot for slot in customer.slots if slot.followup_id not in gone),
    )
    nobody = is_anonymous(rest.id) and not rest.contacts
    draft = Draft(rest.but(heard=None) if nobody else rest, rules, event)
    for followup in list(rest.followups.values()) if nobody else ():
        if followup.silent == "quiet":
            end(draft, followup, "customer_known", event.order)
    return draft


def settle(draft: Draft, found: Whose, event: Event[Data], states: States, book: RuleBook) -> None:
    """Bring what was begun under other names in line with whose it is, and let these have it no more."""
    if found.nameless is None:
        return
    nameless = found.nameless
    if is_anonymous(nameless.customer_id) and not event.type.startswith("contact."):
        nameless = with_said(nameless, said_by(event, draft.rules.cancelling))
    if nameless != states.get(NamelessContact, nameless.id):
        draft.write(nameless)
    if not found.others:
        return
    for other in found.others:
        follow_clock(draft, other, event)
        rest = without(other, nameless.id, draft.rules, event).decision()
        for state in rest.states:
            draft.write(state)
        draft.events += rest.events
    _follow_words(draft, nameless, book)
    begun = [one.id for other in found.others for one in about(other, nameless.id)]
    for state in rewritten(begun, draft.customer, states):
        if (type(state), state.id) not in draft.written:
            draft.write(state)


def _follow_words(draft: Draft, nameless: NamelessContact, book: RuleBook) -> None:
    """What is planned stands as if all that was said under other names had been said of the customer."""
    contact = draft.customer.contacts.get(nameless.id)
    if contact:
        follow_contact(draft, nameless.id, book)
    for said in (contact.latest if contact else {}, nameless.latest):
        for name, key in said.items():
            cancel_by(draft, name, key, nameless.id)
    for name, key in draft.customer.at_large.items():
        cancel_by(draft, name, key, None)


def rewritten(
    followup_ids: Iterable[str], customer: CustomerState, states: States
) -> Iterable[CheckIn | Message | SurveyLink]:
    """The calls, messages and links of follow-ups that are this customer's now."""
    theirs = set(followup_ids)
    for name in theirs:
        followup = customer.followups.get(name)
        if followup and followup.do == "check_in" and followup.status in {"owed", "done"}:
            yield check_in_of(followup, customer)
    written: list[Message | SurveyLink] = [*states.of(Message), *states.of(SurveyLink)]
    for one in written:
        if one.id in theirs and one.customer_id != customer.id:
            yield one.but(customer_id=customer.id)


def forgotten(nameless: NamelessContact, name: str) -> NamelessContact:
    """The contact as an erased customer's, by the name that they have now."""
    return nameless.but(customer_id=name, latest={}, signs={}, heard=None)


def about(customer: CustomerState, contact_id: str) -> list[Followup]:
    return [one for one in customer.followups.values() if one.contact_id == contact_id]


def _holding(
    customer_id: str, contact_id: str, nameless: NamelessContact | None, states: States
) -> list[CustomerState]:
    """Those who hold something of the contact; where it is nameless for the first time, whoever does."""
    if nameless is None:
        return [one for one in states.of(CustomerState) if contact_id in one.contacts]
    found = [states.get(CustomerState, name) for name in dict.fromkeys([nameless.customer_id, customer_id])]
    return [one for one in found if one is not None and (contact_id in one.contacts or about(one, contact_id))]


def _named(customer: CustomerState, contact_id: str) -> tuple[()] | OrderKey:
    contact = customer.contacts.get(contact_id)
    return (contact.named or told_at(contact) or _NEVER) if contact else _NEVER
