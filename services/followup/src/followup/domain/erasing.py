"""
What becomes of a customer who was erased: another name, under which nobody is written to, and none of their words.

What comes late about them is let pass; what is dated later under their id is somebody new's.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from pydantic_core import from_json
from rapport.contracts import Data, Event
from rapport.decision import Decision, Ref, State, States
from rapport.erasing import OURS, Erased, Pseudonyms, is_anonymous, is_erased

from followup.domain import nameless
from followup.domain.draft import Draft, Rules, check_in_of
from followup.domain.planning import end
from followup.domain.state import (
    CheckIn,
    Contact,
    CustomerState,
    Message,
    NamelessContact,
    Posting,
    SurveyLink,
)

T = TypeVar("T")

_WHY = "erased"
OF_ERASED = "of somebody who was erased"


def erase(
    event: Event[Data], customer_id: str, partition: int, pseudonyms: Pseudonyms, rules: Rules, states: States
) -> Decision[Any]:
    """
    From here on the customer has another name; what is planned is called off, and told under it.

    What was said of the id as of later than the erasure is somebody else's, and stays.
    """
    place, until = pseudonyms.place_of(customer_id), event.order[0]
    kept, known = states.get(CustomerState, place), states.get(CustomerState, customer_id)
    before = (kept and kept.erasure) or Erased()
    if is_erased(customer_id) or before.name_at(until):
        return Decision(why="erased already")
    erased = before.renewed(until, pseudonyms.name_in(event, customer_id), customer_id)
    home = kept.partition if kept else known.partition if known else partition
    remembered = CustomerState(id=place, partition=home, erasure=erased)
    name = erased.periods[-1].name
    if known is None:
        nobody = CustomerState(id=name, partition=home, erased=True)
        return Decision((remembered,) if name in before.names else (remembered, nobody), why=_WHY)
    theirs, later = parted(known, until)
    draft = Draft(forgotten(theirs, name), rules, event)
    for followup in list(draft.customer.followups.values()):
        end(draft, followup, _WHY, event.order)
    _forget_words(draft, customer_id, later, states)
    made = draft.decision(_WHY)
    if later is None:
        return replace(made, states=(*made.states, remembered), gone=(Ref(CustomerState, customer_id),))
    others = Draft(later, rules).decision().states
    return replace(made, states=(*made.states, remembered.but(erasure=erased.but(again=True)), *others))


def parted(customer: CustomerState, until: int) -> tuple[CustomerState, CustomerState | None]:
    """What was said of a customer up to an instant (milliseconds), and what was said later, if anything was."""

    def after(stamped: Mapping[str, T]) -> dict[str, T]:
        return {name: said for name, said in stamped.items() if _millis(said) > until}

    contacts = {name: one for name, one in customer.contacts.items() if _began(one) > until}
    followups = {name: one for name, one in customer.followups.items() if one.trigger_key[0] > until}
    nobody = CustomerState(id=customer.id, partition=customer.partition, sequence=customer.sequence)
    later = nobody.but(
        profile=after(customer.profile),
        consent=after(customer.consent),
        consent_to_calls=after(customer.consent_to_calls),
        consent_elsewhere={name: some for name, said in customer.consent_elsewhere.items() if (some := after(said))},
        earned_tier=customer.earned_tier if customer.earned_tier and _millis(customer.earned_tier) > until else None,
        contacts=contacts,
        followups=followups,
        slots=tuple(slot for slot in customer.slots if slot.followup_id in followups),
        firsts=after(customer.firsts),
        latest=after(customer.latest),
        at_large=after(customer.at_large),
        signs=after(customer.signs),
        heard=customer.heard if customer.heard and customer.heard[0] > until else None,
    )
    if later == nobody:
        return customer, None
    theirs = customer.but(
        contacts={name: one for name, one in customer.contacts.items() if name not in contacts},
        followups={name: one for name, one in customer.followups.items() if name not in followups},
        slots=tuple(slot for slot in customer.slots if slot.followup_id not in followups),
    )
    return theirs, later


def _millis(said: Any) -> int:
    """When that was said: an event's place in the order, or what such an event said."""
    key = said[0]
    return int(key if isinstance(key, int) else key[0])


def _began(contact: Contact) -> int:
    keys = [entry.key for entry in contact.entries] + [key for key, _ in contact.changed.values()]
    keys += [*contact.latest.values(), *([contact.opened[0]] if contact.opened else [])]
    return min((key[0] for key in keys), default=0)


def forgotten(customer: CustomerState, name: str) -> CustomerState:
    """What was done with whom we know nothing of any more: follow-ups, slots, and which contacts were theirs."""
    return CustomerState(
        id=name,
        partition=customer.partition,
        erased=True,
        contacts={contact_id: Contact(touched_at=one.touched_at) for contact_id, one in customer.contacts.items()},
        followups={
            followup_id: one.but(note=None, trigger_key=(*one.trigger_key[:4], ""))
            for followup_id, one in customer.followups.items()
        },
        slots=customer.slots,
        sequence=customer.sequence,
    )


def _forget_words(draft: Draft, customer_id: str, later: CustomerState | None, states: States) -> None:
    """Links and calls under the customer's name, without the comments of answers and the notes of calls."""
    name, others = draft.customer.id, later.followups if later else {}
    for link in states.of(SurveyLink):
        if link.customer_id == customer_id and link.id not in others:
            answer = link.answer.but(comment=None) if link.answer else None
            draft.write(link.but(customer_id=name, answer=answer))
    for call in states.of(CheckIn):
        if call.customer_id == customer_id and call.id not in others:
            followup = draft.customer.followups.get(call.id)
            draft.write(check_in_of(followup, draft.customer) if followup else call.but(customer_id=name, note=None))
    for contact in states.of(NamelessContact):
        if contact.customer_id == customer_id and not (later and contact.id in later.contacts):
            draft.write(nameless.forgotten(contact, name))


def let_pass(
    event: Event[Data], kept: CustomerState, known: CustomerState | None, rules: Rules, states: States
) -> Decision[Any] | None:
    """
    What follows from an event about one who had the id and was erased; None where it is somebody's who has it now.

    Theirs is what is dated up to the erasure, what is about their contacts, and what a service tells
    of nobody's contact while nobody else has the id: it had not heard of the erasure. Nothing is kept of it
    but that the contact is theirs.
    """
    erased, contact_id = kept.erasure or Erased(), getattr(event.data, "contact_id", None)
    theirs = [one for name in erased.names if (one := states.get(CustomerState, name))]
    if any(contact_id in one.contacts for one in theirs):
        return Decision(why=OF_ERASED)
    name = erased.name_at(event.order[0])
    if name is None:
        passing = contact_id is None and known is None and not erased.again and event.source.startswith(OURS)
        return Decision(why=OF_ERASED) if passing else None
    if contact_id is None or (known is not None and contact_id in known.contacts):
        return Decision(why=OF_ERASED)
    [whose] = (one for one in theirs if one.id == name)
    whose = whose.but(contacts={**whose.contacts, contact_id: Contact(touched_at=event.time)})
    found = states.get(NamelessContact, contact_id)
    if found is None or not is_anonymous(found.customer_id) or is_erased(found.customer_id):
        return Decision((whose,), why=OF_ERASED)
    return _forget_nameless(event, whose, found, rules, states)


def _forget_nameless(
    event: Event[Data], whose: CustomerState, found: NamelessContact, rules: Rules, states: States
) -> Decision[Any]:
    """A contact that nobody had a name for turns out to be an erased customer's: what is known of it goes, too."""
    contact = nameless.forgotten(found, whose.id)
    holder = states.get(CustomerState, found.customer_id)
    if holder is None:
        return Decision((whose, contact), why=OF_ERASED)
    begun = nameless.about(holder, found.id)
    draft = Draft(forgotten(nameless.taken_over(whose, holder, found.id), whose.id), rules, event)
    for followup in nameless.about(draft.customer, found.id):
        end(draft, followup, _WHY, event.order)
    for state in nameless.rewritten((one.id for one in begun), draft.customer, states):
        said = state.answer if isinstance(state, SurveyLink) else None
        draft.write(state.but(answer=said.but(comment=None)) if said else state)
    rest = nameless.without(holder, found.id, rules, event).decision()
    made = draft.decision(OF_ERASED)
    return replace(made, states=(*made.states, contact, *rest.states), events=(*made.events, *rest.events))


def with_the_id(decision: Decision[Any], kept: CustomerState | None) -> Decision[Any]:
    """The decision about somebody whose id was an erased customer's; from now on they have it."""
    if kept is None or kept.erasure is None or kept.erasure.again or not decision.states:
        return decision
    return replace(decision, states=(*decision.states, kept.but(erasure=kept.erasure.but(again=True))))


def customer_of(message: Message, states: States) -> CustomerState | None:
    """Whose message it is, by whatever name they have now."""
    theirs = (one for one in states.of(CustomerState) if message.id in one.followups)
    return next(theirs, None) or states.get(CustomerState, message.customer_id)


def renamed(kind: type[Message | Posting], ids: Iterable[str], erased: Erased, states: States) -> Decision[Any]:
    """Those of these that are an erased customer's, by their name; doing so twice changes nothing."""
    changed: list[State] = []
    for one in (states.get(kind, name) for name in ids):
        if isinstance(one, Message):
            changed += _message(one, erased, states)
        elif isinstance(one, Posting):
            changed += _posting(one, erased)
    return Decision(tuple(changed), why=_WHY)


def _message(message: Message, erased: Erased, states: States) -> list[State]:
    if message.customer_id != erased.customer_id:
        return []
    customer = customer_of(message, states)
    if customer is not None and customer.id in erased.names:
        return [message.but(customer_id=customer.id)]
    name = erased.name_at(int(message.first_at.timestamp() * 1000)) if message.id not in _followups(customer) else None
    return [message.but(customer_id=name)] if name else []


def _followups(customer: CustomerState | None) -> Mapping[str, Any]:
    return customer.followups if customer else {}


def _posting(posting: Posting, erased: Erased) -> list[State]:
    """An answer that intake has not got yet goes there under the name, without its comment; a wish not at all."""
    if not posting.event:
        return []
    event = from_json(posting.event)
    data = event["data"]
    name = erased.name_at(int(datetime.fromisoformat(event["time"]).timestamp() * 1000))
    if data["customer_id"] != erased.customer_id or name is None:
        return []
    if event["type"] == "consent.changed":
        return [posting.but(status="taken", event="", reason=None)]
    said = {**{key: value for key, value in data.items() if key != "comment"}, "customer_id": name}
    return [posting.but(event=json.dumps({**event, "partitionkey": name, "data": said}, ensure_ascii=False))]
