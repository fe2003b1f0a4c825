"""What an event says about a customer, folded in so that neither order nor repetition of arrival matters."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from rapport.contracts import TOPIC_OF, ContactData, Data, Event
from rapport.contracts.contact_events import (
    ConsentChanged,
    ContactReceived,
    ContactResolved,
    ContactResponded,
    CustomerUpdated,
    MessageBounced,
    MessageComplained,
    SurveyAnswered,
)
from rapport.contracts.envelope import OrderKey
from rapport.contracts.matching import leaves
from rapport.contracts.metrics_events import CustomerTierChanged
from rapport.contracts.topics import CONTACT_EVENTS

from followup.domain.addresses import address_key
from followup.domain.plays import TEXT_CHANNELS, Plays
from followup.domain.state import Contact, CustomerState, Entry, Followup, Spoken, Stamped, Value

RESOLVED = "contact.resolved"
_OPENS_OR_CLOSES = {
    "contact.received",
    "contact.resolved",
    "contact.confirmed",
    "contact.reopened",
    "contact.merged",
    "contact.abandoned",
}
SPEAKS = {
    "contact.received",
    "contact.reopened",
    "contact.confirmed",
    "purchase.made",
    "survey.answered",
    "review.posted",
    "mention.posted",
}
_LOW = {"csat": 2, "nps": 6, "ces": 3}
BAD = {"declined", "no_response"}
BAD_OUTCOME = "bad_outcome"
_NO_REOPENING = {"spam", "duplicate"}
_FIELDS = ("channel", "kind", "priority", "topic", "region", "location", "team", "language", "product", "agent_id")
CONTACT_FIELDS = frozenset(_FIELDS) | {"direction", "subject", "reference", "answered_by"}
"""What is kept of a contact, besides the attributes that some play asks for."""
_CONSENTS = {None: "consent", "email": "consent", "phone": "consent_to_calls"}
_MOST_ENTRIES = 200
_MOST_SUBJECT = 200
KEPT_CLOSED = timedelta(days=30)
"""How long a contact that is closed is kept after the last word of it came."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """
    A stretch during which a contact counts as done.

    Its first word says since when, the newest that tells an outcome says with which;
    it is `live` if any word of it was. `ended_by` is the type of the event that
    opened it again.
    """

    key: OrderKey
    outcome: str | None
    live: bool
    confirmed: bool = False
    ended: OrderKey | None = None
    ended_by: str | None = None

    def covers(self, key: OrderKey) -> bool:
        return self.key <= key and (self.ended is None or key < self.ended)


@dataclass(slots=True)
class Standing:
    """What the openings and closings of a contact come to."""

    status: str = "unknown"
    resolutions: list[Resolution] = field(default_factory=list)

    def over(self, key: OrderKey) -> Resolution | None:
        """The resolution in force at an event's place in the order."""
        return next((one for one in self.resolutions if one.covers(key)), None)

    def end(self, entry: Entry, status: str) -> None:
        if self.status == "resolved":
            self.correct(ended=entry.key, ended_by=entry.type)
        self.status = status

    def resolve(self, entry: Entry) -> None:
        if self.status == "resolved":
            last = self.resolutions[-1]
            self.correct(outcome=entry.outcome or last.outcome, live=last.live or entry.live)
        else:
            self.resolutions.append(Resolution(entry.key, entry.outcome, entry.live))
            self.status = "resolved"

    def correct(self, **fields: Any) -> None:
        """Say more of the last resolution."""
        self.resolutions[-1] = replace(self.resolutions[-1], **fields)


def is_caused_by_us(event: Event[Data]) -> bool:
    """
    Whether a contact event only follows from what we did, such as the answer to a survey of ours.

    What other services of the platform conclude carries a cause as well, for
    tracing; it is news all the same.
    """
    return event.causationid is not None and TOPIC_OF[event.type] == CONTACT_EVENTS


def is_no_contact(event: Event[Data]) -> bool:
    """Whether it only looks like a message on a contact: what we caused ourselves."""
    return isinstance(event.data, ContactReceived) and event.causationid is not None


def is_from_us(data: Data) -> bool:
    """Whether it is a message of ours to the customer, which is no word of theirs."""
    return isinstance(data, ContactReceived) and data.direction == "outbound"


def standing(contact: Contact) -> Standing:
    """
    The contact's status and resolutions, by the order of its events.

    A message from the customer opens a resolved contact again, as a reopening does, unless it
    was spam or a duplicate. What was merged into another contact stays closed.
    """
    result = Standing()
    for entry in contact.entries:
        match entry.type:
            case _ if result.status == "merged":
                break
            case "contact.received" | "contact.reopened":
                silenced = result.status == "resolved" and result.resolutions[-1].outcome in _NO_REOPENING
                if not silenced:
                    result.end(entry, "open")
            case "contact.resolved":
                result.resolve(entry)
            case "contact.confirmed" if result.status == "resolved":
                result.correct(confirmed=True)
            case "contact.merged":
                result.end(entry, "merged")
            case "contact.abandoned" if result.status in {"open", "unknown"}:
                result.status = "abandoned"
    return result


def anything_open(customer: CustomerState) -> bool:
    return any(_is_open(contact) for contact in customer.contacts.values())


def _is_open(contact: Contact) -> bool:
    """Whether somebody waits for an answer; of what is known from old history alone, nobody knows the end."""
    return standing(contact).status == "open" and not all(entry.old for entry in contact.entries)


def fold(
    customer: CustomerState, event: Event[Data], cancelling: frozenset[str], attributes: frozenset[str]
) -> CustomerState:
    """
    The customer with what the event says.

    `cancelling` are the types of event that cancel some play, `attributes` the
    names of contact attributes that some play asks for; nothing else is kept of them.
    """
    key = event.order
    update: dict[str, Any] = {"backfill": event.backfill}
    data = event.data
    if is_no_contact(event):
        return customer
    if isinstance(data, ContactData) and event.type.startswith("contact."):
        contact = _fold_contact(customer.contacts.get(data.contact_id), event, data, key, cancelling, attributes)
        update["contacts"] = {**customer.contacts, data.contact_id: contact}
    elif event.type in cancelling:
        contact_id: str | None = getattr(data, "contact_id", None)
        if contact_id is None:
            update["at_large"] = newest(customer.at_large, event.type, key)
        else:
            contact = _heard_of(customer.contacts.get(contact_id), event)
            contact = contact.but(latest=newest(contact.latest, event.type, key))
            update["contacts"] = {**customer.contacts, contact_id: contact}
    update |= _fold_customer(customer, data, key)
    if event.type.startswith("purchase."):
        first = customer.firsts.get(event.type)
        update["firsts"] = {**customer.firsts, event.type: min(first, key) if first else key}
    if event.type in cancelling and not is_from_us(data):
        update["latest"] = newest(customer.latest, event.type, key)
    if event.type in SPEAKS and not is_from_us(data):
        update["heard"] = max(customer.heard, key) if customer.heard else key
    if sign := _sign(event):
        update["signs"] = newest(customer.signs, sign, key)
    return customer.but(**update)


def forget_old(customer: CustomerState, now: datetime, plays: Plays) -> CustomerState:
    """
    Without contacts that are not open, of which nothing has come for 30 days and which no
    follow-up is about that may still change, and without follow-ups and slots that bind nobody any more.
    What follows the resolution that stands of a contact that is kept is kept with it, lest it begin anew.

    The days count from when events came: history comes in any order, and an opening
    that is read after its closing must find it.
    """
    about = {one.contact_id for one in customer.followups.values() if _may_change(one, now, plays.links.survey_ttl)}
    contacts = {
        name: contact
        for name, contact in customer.contacts.items()
        if contact.touched_at > now - KEPT_CLOSED or name in about or _is_open(contact)
    }
    horizon = now - max(plays.budget.memory, KEPT_CLOSED) - KEPT_CLOSED
    followups = {
        name: one
        for name, one in customer.followups.items()
        if one.finished_at is None or one.finished_at > horizon or _follows_what_stands(one, contacts)
    }
    slots = tuple(slot for slot in customer.slots if slot.at > horizon)
    if (len(contacts), len(followups), len(slots)) == (
        len(customer.contacts),
        len(customer.followups),
        len(customer.slots),
    ):
        return customer
    return customer.but(contacts=contacts, followups=followups, slots=slots)


def _follows_what_stands(followup: Followup, contacts: Mapping[str, Contact]) -> bool:
    contact = contacts.get(followup.contact_id or "")
    if contact is None or followup.trigger_type != RESOLVED:
        return False
    over = standing(contact).over(followup.trigger_key)
    return over is not None and over.ended is None


def _may_change(followup: Followup, now: datetime, survey_ttl: timedelta) -> bool:
    """Whether it is yet to be done, or is a survey that may still be withdrawn."""
    done = followup.finished_at
    return done is None or (followup.do == "survey" and now - done <= survey_ttl)


def _fold_customer(customer: CustomerState, data: Data, key: OrderKey) -> dict[str, Any]:
    update: dict[str, Any] = {}
    match data:
        case CustomerUpdated():
            profile = dict(customer.profile)
            for name in data.model_fields_set - {"customer_id"}:
                if name not in profile or profile[name][0] < key:
                    profile[name] = (key, getattr(data, name))
            update["profile"] = profile
        case ConsentChanged():
            update |= _fold_consent(customer, data, key)
        case MessageBounced(address=address, permanent=True):
            update["blocked"] = {address_key(address): "bounced", **customer.blocked}
        case MessageComplained(address=address):
            update["blocked"] = {**customer.blocked, address_key(address): "complained"}
        case CustomerTierChanged(tier=tier) if customer.earned_tier is None or customer.earned_tier[0] < key:
            update["earned_tier"] = (key, tier)
    return update


def _fold_consent(customer: CustomerState, data: ConsentChanged, key: OrderKey) -> dict[str, Any]:
    update: dict[str, Any] = {}
    if name := _CONSENTS.get(data.channel):
        update[name] = _said_last(getattr(customer, name), data, key)
    if data.channel is None or data.channel in TEXT_CHANNELS:
        channel = data.channel or ""
        said = _said_last(customer.consent_elsewhere.get(channel, {}), data, key)
        update["consent_elsewhere"] = {**customer.consent_elsewhere, channel: said}
    return update


def _said_last(said: Spoken, data: ConsentChanged, key: OrderKey) -> Spoken:
    older = data.purpose not in said or said[data.purpose][0] < key
    return {**said, data.purpose: (key, data.granted)} if older else said


def _fold_contact(
    contact: Contact | None,
    event: Event[Data],
    data: ContactData,
    key: OrderKey,
    cancelling: frozenset[str],
    attributes: frozenset[str],
) -> Contact:
    contact = _heard_of(contact, event)
    update: dict[str, Any] = {}
    if event.type in _OPENS_OR_CLOSES and not is_from_us(data):
        update["entries"] = _with(contact.entries, event, data, key)
    if event.type in cancelling and not is_from_us(data):
        update["latest"] = newest(contact.latest, event.type, key)
    said = _said(data, attributes)
    if isinstance(data, ContactReceived):
        if contact.opened is None or key < contact.opened[0]:
            update["opened"] = (key, said)
    elif said:
        changed: dict[str, Stamped] = dict(contact.changed)
        for name, value in said.items():
            if name not in changed or changed[name][0] < key:
                changed[name] = (key, value)
        update["changed"] = changed
    return contact.but(**update)


def _heard_of(contact: Contact | None, event: Event[Data]) -> Contact:
    came = max(event.time, event.recorded)
    return contact.but(touched_at=max(contact.touched_at, came)) if contact else Contact(touched_at=came)


def _with(entries: tuple[Entry, ...], event: Event[Data], data: Data, key: OrderKey) -> tuple[Entry, ...]:
    if any(entry.name == event.name for entry in entries):
        return entries
    outcome = data.outcome if isinstance(data, ContactResolved) else None
    old = event.backfill and event.recorded - event.time > KEPT_CLOSED
    entry = Entry(
        key=key, type=event.type, outcome=outcome, live=event.causationid is None and not event.backfill, old=old
    )
    result = list(entries)
    insort(result, entry, key=lambda one: one.key)
    return not_too_many(result)


def not_too_many(entries: list[Entry]) -> tuple[Entry, ...]:
    """Of messages that follow each other the later ones change nothing, and are the first to go."""
    while len(entries) > _MOST_ENTRIES:
        pairs = zip(entries[1:], entries, strict=False)
        again = next(
            (i for i, (one, before) in enumerate(pairs, 1) if one.type == before.type == "contact.received"), 0
        )
        del entries[again]
    return tuple(entries)


def _said(data: ContactData, attributes: frozenset[str]) -> dict[str, Value]:
    """The fields of a contact that an event gives."""
    if isinstance(data, ContactResponded | ContactResolved):
        automated = isinstance(data, ContactResponded) and data.automated
        return {"answered_by": data.agent_id} if data.agent_id and not automated else {}
    said: dict[str, Value] = {}
    for name in _FIELDS:
        value = getattr(data, name, None)
        if value is not None:
            said[name] = value
    if isinstance(data, ContactReceived):
        said |= {"direction": data.direction}
        said |= {"subject": data.subject[:_MOST_SUBJECT]} if data.subject else {}
        said |= {"reference": data.reference} if data.reference else {}
    given = getattr(data, "attributes", None) if attributes else None
    for path, value in leaves({"attributes": given} if given else {}):
        if path.removeprefix("attributes.") in attributes:
            said[path] = (
                [one for one in value if isinstance(one, str | int | float | bool)]
                if isinstance(value, list)
                else value
            )
    return said


def _sign(event: Event[Data]) -> str | None:
    """The sign of a customer at risk that an event is, if it is one."""
    match event.data:
        case SurveyAnswered(survey=survey, score=score) if score <= _LOW[survey]:
            return "low_score"
        case ContactResolved(outcome=outcome) if outcome in BAD:
            return BAD_OUTCOME
    return {"sla.breached": "breach", "risk.raised": "risk"}.get(event.type)


def newest(known: dict[str, OrderKey], name: str, key: OrderKey) -> dict[str, OrderKey]:
    return {**known, name: max(known[name], key) if name in known else key}
