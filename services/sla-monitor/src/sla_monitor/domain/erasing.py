"""
What is forgotten of a customer who has asked for it: id, name, words, addresses; what was done stays as bare figures.

Deadlines, verdicts and who was told remain under another name, without anything
that says who it was or what it was about; what comes late from before is folded
under that name, and not learnt again.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from rapport.contracts import Data, Event
from rapport.decision import Decision, Ref, State, States
from rapport.erasing import OURS, Erased, is_erased

from sla_monitor.domain.log import CONTACT_TYPES, to_millis
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.risk import RiskState
from sla_monitor.domain.states import Alert, AlertState, ContactState, CustomerState, Entry

ERASED: Final = "customer.erased"
Decide = Callable[[State | None, States, datetime], Decision[Any]]

_WORDS: Final[dict[str, Any]] = {"subject": None, "reference": None, "url": None}


def name_of(contact: ContactState, customer_id: str, erased: Erased) -> str | None:
    """What the erased customer is called whose contact it is: who had the id when it began. None for others'."""
    if contact.customer_id in erased.names:
        return contact.customer_id
    if contact.customer_id != customer_id:
        return None
    began = next((entry.millis for entry in contact.log if entry.type in CONTACT_TYPES), None)
    return None if began is None else erased.name_at(began)


class Remembered:
    """What is remembered of those who had an id and were erased; mostly nothing."""

    def __init__(self, kept: CustomerState | None) -> None:
        self._kept = kept
        self._erased = kept.erasure if kept else None

    def has(self, contact: ContactState, customer_id: str) -> bool:
        """Whether the contact is one of theirs."""
        return self._erased is not None and name_of(contact, customer_id, self._erased) is not None

    def whose(self, customer_id: str, at: datetime, contact: ContactState | None) -> str:
        """
        Whose an event is that names this customer: their own, or by another name one's who had the id and was erased.

        Theirs is what is dated up to the erasure, and what is about their contacts.
        """
        if self._erased is None:
            return customer_id
        of_contact = name_of(contact, customer_id, self._erased) if contact else None
        return of_contact or self._erased.name_at(to_millis(at)) or customer_id

    def forbids(self, event: Event[Data], known: CustomerState | None) -> bool:
        """
        Whether what is said of a customer is about one who was erased.

        So is what a service tells while nobody else has the id: it had not heard of the erasure.
        """
        if known is not None and to_millis(event.time) <= known.erased:
            return True
        if self._erased is None:
            return is_erased(vars(event.data)["customer_id"])
        passing = known is None and not self._erased.again and event.source.startswith(OURS)
        return passing or self._erased.name_at(to_millis(event.time)) is not None

    def noted(
        self, decision: Decision[Any], customer_id: str, *, is_theirs: bool = False, renamed: bool = False
    ) -> Decision[Any]:
        """The decision, with the note that somebody else has the id now, or that a contact turned out to be theirs."""
        if self._kept is None or self._erased is None:
            return decision
        erased = self._erased
        if renamed:
            erased = erased.but(customer_id=customer_id, behind=erased.behind + 1)
        elif not is_theirs:
            erased = erased.but(again=True)
        if erased == self._erased:
            return decision
        return replace(decision, states=(*decision.states, self._kept.but(erasure=erased)))


def erase(
    customer_id: str, partition: int, at: datetime, name: str, place: str, states: States, now: datetime
) -> Decision[Any]:
    """
    From here on the customer is called by the name; their contacts follow (`Forgetting`).

    What was said of the id as of later than the erasure is somebody else's, and stays.
    """
    remembered, known = states.get(CustomerState, place), states.get(CustomerState, customer_id)
    erased, until = (remembered and remembered.erasure) or Erased(), to_millis(at)
    if is_erased(customer_id) or erased.name_at(until):
        return Decision(why="erased already")
    home = remembered.partition if remembered else known.partition if known else partition
    erased = erased.renewed(until, name, customer_id)
    states_after: list[State] = []
    if known is not None and (later := _later(known, until)):
        erased = erased.but(again=True)
        states_after.append(later)
    states_after += [CustomerState(id=place, partition=home, erasure=erased)]
    gone = [Ref(CustomerState, customer_id)] if known is not None and len(states_after) == 1 else []
    risk = states.get(RiskState, customer_id)
    if risk is not None:
        gone.append(Ref(RiskState, customer_id))
        states_after += forget_risk(risk, erased.periods[-1].name, now)
    return Decision(states=tuple(states_after), gone=tuple(gone), why=ERASED)


def _later(customer: CustomerState, until: int) -> CustomerState | None:
    """What was said of a customer after that instant; None where nothing was."""
    since = {field: at for field, at in customer.since.items() if at > until}
    changes = [change for change in customer.changes if change.millis > until]
    if not since and not changes:
        return None
    told = {field: getattr(customer, field) for field in since}
    return CustomerState(id=customer.id, partition=customer.partition, since=since, changes=changes, **told)


def forget_risk(known: RiskState, name: str, now: datetime) -> tuple[RiskState, ...]:
    """Nothing speaks for a conflict with somebody unknown to us; whoever was told of one hears that it is over."""
    told = tuple(
        notice._replace(
            about="", waiting=(), said=tuple(one._replace(why="") for one in notice.said), ends=to_millis(now)
        )
        for notice in known.notices
        if notice.said
    )
    if not told:
        return ()
    return (known.but(id=name, known_as=known.known_as or known.id, signals=(), told=(), notices=told),)


class Forgetting:
    """How what is held of an erased customer is written anew; doing so twice changes nothing."""

    def __init__(self, erased: Erased, book: PolicyBook) -> None:
        self._erased = erased
        self._customer_id = erased.customer_id or ""
        self._book = book

    def contacts(self, ids: Iterable[str]) -> Decide:
        """Theirs under their name and without words; somebody else's stay as they are."""

        def decide(_: State | None, states: States, _now: datetime) -> Decision[Any]:
            changed: list[State] = []
            for one in (states.get(ContactState, name) for name in ids):
                name = name_of(one, self._customer_id, self._erased) if one else None
                if one and name and (new := nameless(one, name, self._book)) != one:
                    changed.append(new)
            return Decision(states=tuple(changed), why=ERASED)

        return decide

    def about(self, kind: type[AlertState | NotificationState], ids: Iterable[str]) -> Decide:
        """Alerts on their contacts, or messages about these, which have their name already."""

        def decide(_: State | None, states: States, _now: datetime) -> Decision[Any]:
            changed: list[State] = []
            for one in (states.get(kind, name) for name in ids):
                contact = states.get(ContactState, one.contact_id) if one else None
                if one and contact and contact.customer_id in self._erased.names:
                    name = contact.customer_id
                    words = {**_WORDS, "reason": None} if isinstance(one, AlertState) else {}
                    new = one.but(**words, customer_id=name, group=self._group(one.group, name))
                    changed += [new] if new != one else []
            return Decision(states=tuple(changed), why=ERASED)

        return decide

    def _group(self, group: str, name: str) -> str:
        return regrouped(group, self._customer_id, name)


def done(seen: Erased) -> Decide:
    """All is rewritten that was to be when that was seen."""

    def decide(kept: State | None, _: States, _now: datetime) -> Decision[Any]:
        if not isinstance(kept, CustomerState) or kept.erasure is None:
            return Decision()
        return Decision(states=(kept.but(erasure=kept.erasure.rewritten(seen)),), why=ERASED)

    return decide


def regrouped(group: str, customer_id: str, name: str) -> str:
    """A group, by the name instead of the customer's id where the policy groups by customers."""
    if not customer_id:
        return group
    return re.sub(rf"(?<![^/]){re.escape(customer_id)}(?![^/])", lambda _: name, group)


def nameless(contact: ContactState, name: str, book: PolicyBook) -> ContactState:
    """A contact of an erased customer, by their name: without subject, reference, address, and why it was closed."""
    return contact.but(
        customer_id=name,
        **_WORDS,
        log=[without_words(entry, name, book) for entry in contact.log],
        alerts={key: _without_reason(alert) for key, alert in contact.alerts.items()},
    )


def _without_reason(alert: Alert) -> Alert:
    deeds = [deed._replace(why="") if deed.verb == "closed" else deed for deed in alert.deeds]
    return alert.but(reason=None, deeds=deeds)


def without_words(entry: Entry, name: str, book: PolicyBook) -> Entry:
    """
    An entry of a log without subject, reference, address and attributes, but for what some policy asks about.

    Whose it is, where a policy asks for that, becomes the name, unless a policy names the very customer:
    their deadlines are to stay as they are.
    """
    facts = {
        field: value
        for field, value in entry.facts.items()
        if field in book.asked or not (field in _WORDS or field.startswith("attributes."))
    }
    if facts.get("customer_id") not in {None, *book.named}:
        facts["customer_id"] = name
    return entry._replace(facts=facts)
