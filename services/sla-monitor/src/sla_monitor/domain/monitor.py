"""
The SLA of a contact, decided: what an event, the passing of time or a person changes, and what is told.

All of it is pure. A contact's log is folded anew each time, and what has become
true and was not told yet is told, as of the instant at which it became true.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rapport.contracts import Data, Event
from rapport.decision import Counted, Decision, Match, Ref, State, States, Touch
from rapport.erasing import Pseudonyms, is_erased

from sla_monitor.domain import log
from sla_monitor.domain.alerts import Alerting, owner_of
from sla_monitor.domain.customers import CUSTOMER_TYPES, change_of, fold_customer, relevant
from sla_monitor.domain.cutting import cut_if_due, when_to_cut
from sla_monitor.domain.erasing import ERASED, Remembered, erase, nameless, without_words
from sla_monitor.domain.fold import Folding
from sla_monitor.domain.foldings import Foldings
from sla_monitor.domain.owed import PUBLISHED
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.risk import RiskState
from sla_monitor.domain.states import ContactState, CustomerState, Entry
from sla_monitor.domain.telling import Numbered, Said, number, say, sequenced

_TOO_LATE = "too_late"
_FORGOTTEN = "of somebody who has been erased since"
_AFTER_SLA = 6
_RECALLED = (("open", False), ("recalls", True))
_MOST_CLOSED = 100
"""So many closed contacts of one customer, the newest, learn what comes late about that customer."""


class SlaDomain:
    """
    What sla-monitor decides about events and time. `book` is replaced when a policy is published.

    `pseudonyms` are those of the database, by which erased customers are known again.
    """

    def __init__(self, book: PolicyBook, pseudonyms: Pseudonyms | None = None) -> None:
        self.book = book
        self.pseudonyms = pseudonyms or Pseudonyms()
        self._foldings = Foldings()

    def touches(self, event: Event[Data]) -> Iterable[Touch]:
        if event.type in log.CONTACT_TYPES and log.counts(event):
            return (Ref(ContactState, _contact_id(event)), *self.of_customer(_customer_id(event)))
        if event.type == ERASED:
            return (*self.of_customer(_customer_id(event)), Ref(RiskState, _customer_id(event)))
        if event.type in CUSTOMER_TYPES:
            customer, erasure = self.of_customer(_customer_id(event))
            if relevant(change_of(event), self.book.asked) is None:
                return (customer, erasure)
            return (
                customer,
                erasure,
                Match(ContactState, "customer_id", customer.id, where=(("open", True),)),
                Match(ContactState, "customer_id", customer.id, where=_RECALLED, most=_MOST_CLOSED, by="opened_at"),
            )
        return ()

    def of_customer(self, customer_id: str) -> tuple[Ref, Ref]:
        """A customer, and whether somebody of this id was erased."""
        return Ref(CustomerState, customer_id), Ref(CustomerState, self.pseudonyms.place_of(customer_id))

    def remembered(self, customer_id: str, states: States) -> Remembered:
        """What is remembered of those who had this id and were erased; of a customer of whom it was touched."""
        return Remembered(states.get(CustomerState, self.pseudonyms.place_of(customer_id)))

    def on_event(self, event: Event[Data], partition: int, states: States, now: datetime) -> Decision[Any]:
        if event.type in log.CONTACT_TYPES:
            return self._on_contact(event, partition, states, now) if log.counts(event) else Decision()
        if event.type in CUSTOMER_TYPES:
            return self._on_customer(event, partition, states, now)
        if event.type == ERASED:
            customer_id = _customer_id(event)
            name, place = self.pseudonyms.name_in(event, customer_id), self.pseudonyms.place_of(customer_id)
            return erase(customer_id, partition, event.time, name, place, states, now)
        return Decision()

    def touches_on_clock(self, state: State) -> Iterable[Touch]:  # noqa: ARG002 - nothing beside itself
        return ()

    def on_clock(self, state: State, states: States, now: datetime) -> Decision[Any]:  # noqa: ARG002 - nor is asked
        """
        What has become true of a contact's deadlines by `now`.

        A warning or a breach is dated by the moment it fell due, not by the
        moment we looked: a sweep that comes late, or twice, tells the same story
        with the same event ids. A deadline is met up to and including its instant.
        """
        if not isinstance(state, ContactState):
            return Decision()
        contact = state.but(swept=max(state.swept or now, now))
        return self._announce(contact, contact.log, now)

    def _on_contact(self, event: Event[Data], partition: int, states: States, now: datetime) -> Decision[Any]:
        said = _customer_id(event)
        contact = states.get(ContactState, _contact_id(event))
        erased = self.remembered(said, states)
        customer_id = erased.whose(said, event.time, contact)
        customer = states.get(CustomerState, said) if customer_id == said else None
        if contact is None:
            contact = ContactState(
                id=_contact_id(event), partition=partition, customer_id=customer_id, source=event.source
            )
            entries = self._meet(contact.log, customer)
        else:
            entries = contact.log
        held = contact.customer_id
        entry = log.entry(event, self.book.asked)
        if is_erased(customer_id) or is_erased(held):
            entry = without_words(entry, customer_id if is_erased(customer_id) else held, self.book)
        elif customer is not None and entry.millis <= customer.erased:
            entry = without_words(entry, said, self.book)
        if entry.millis < contact.cut:
            return Decision(why=_TOO_LATE)
        longer = log.with_entry(entries, entry)
        if longer is None:
            return Decision(why="duplicate")
        if customer_id != held:
            is_theirs = erased.has(contact.but(log=longer), said)
            if is_theirs or _names_better(contact, customer_id, entry.name == longer[-1].name):
                contact = contact.but(customer_id=customer_id)
                longer = self._meet(longer, customer)
            else:
                customer = None
        if renamed := is_erased(contact.customer_id) and held != contact.customer_id:
            contact = nameless(contact.but(log=longer), contact.customer_id, self.book)
            longer = contact.log
        decision = self._announce(contact, longer, now, customer, event)
        return erased.noted(decision, said, is_theirs=customer_id != said, renamed=renamed)

    def _meet(self, entries: list[Entry], customer: CustomerState | None) -> list[Entry]:
        """A contact's log with what is known of its customer."""
        for change in customer.changes if customer else ():
            asked = relevant(change, self.book.asked)
            entries = (log.with_entry(entries, asked) or entries) if asked else entries
        return entries

    def _on_customer(self, event: Event[Data], partition: int, states: States, now: datetime) -> Decision[Any]:
        customer_id = _customer_id(event)
        change = change_of(event)
        known = states.get(CustomerState, customer_id)
        erased = self.remembered(customer_id, states)
        if erased.forbids(event, known):
            return Decision(why=_FORGOTTEN)
        customer = fold_customer(known, customer_id, partition, change)
        decisions: list[Decision[Any]] = [Decision(states=(customer,))]
        asked = relevant(change, self.book.asked)
        own = [c for c in states.of(ContactState) if c.customer_id == customer_id] if asked else []
        contacts = [one for one in own if (one.open or one.recalls) and not erased.has(one, customer_id)]
        for contact in sorted(contacts, key=lambda contact: contact.id):
            longer = log.with_entry(contact.log, asked) if asked else None
            if longer is not None:
                decisions.append(self._announce(contact, longer, now, customer, event))
        return erased.noted(_together(decisions), customer_id)

    def _announce(
        self,
        contact: ContactState,
        entries: list[Entry],
        now: datetime,
        customer: CustomerState | None = None,
        cause: Event[Data] | None = None,
    ) -> Decision[Any]:
        horizon = _horizon(entries, contact.swept, now)
        folding = self._foldings.fold(contact.id, entries, self.book, horizon)
        return announce(contact, entries, folding, horizon, now, customer, cause)


def announce(
    contact: ContactState,
    entries: list[Entry],
    folding: Folding,
    horizon: datetime,
    now: datetime,
    customer: CustomerState | None,
    cause: Event[Data] | None,
) -> Decision[Any]:
    """
    What has become true of a contact and was not told, and the contact with that told.

    `entries` is its log with what is new, `folding` what that says up to the
    `horizon`: as far as a sweep has looked or an event has shown, whichever is
    later, and never past `now`.
    """
    clocks, cycles = number(folding, contact.cycles, horizon)
    update = _summed_up(contact, entries, folding, clocks)
    if cause is not None and folding.opening is not None and folding.opening.name == cause.name:
        update.update(source=cause.source, trace=cause.traceparent)
        forgotten = is_erased(contact.customer_id) or (customer and log.to_millis(cause.time) <= customer.erased)
        if not forgotten:
            update.update({field: getattr(cause.data, field, None) for field in ("subject", "reference", "url")})
    said = say(contact, folding, clocks, cause)
    told_at = cause.recorded if cause else None
    alerting = Alerting(contact, folding, horizon, now, dict(contact.alerts), told_at)
    if contact.alerts or any(one.news for one in clocks):
        alerting.contact = contact.but(**update)
        alerting.settle(clocks, cause.time if cause else horizon)
    events = [(at, rank, kind, data, name, old) for at, rank, kind, data, name, old in said.events]
    events += [(at, _AFTER_SLA, kind, data, name, old) for kind, data, name, at, old in alerting.events]
    events.sort(key=lambda event: event[:2])
    tells, sequence = sequenced(contact, ((k, d, i, at, old) for at, _, k, d, i, old in events), cause)
    update["told"] = said.told
    update["opened"] = said.opened
    update["cycles"] = cycles
    update["sequence"] = sequence
    update["alerts"] = alerting.alerts
    update["owner"] = owner_of(folding, alerting.alerts)
    update["wake_at"] = wake_at(clocks, alerting, horizon)
    contact = cut_if_due(contact.but(**update), folding, horizon)
    return Decision(
        states=(contact, *alerting.states, *alerting.notifications),
        events=tuple(tells),
        counts=_history(contact, said, cause, now),
        why=cause.type if cause else "time",
    )


def horizon_of(contact: ContactState, now: datetime) -> datetime:
    """How far the contact is known: up to the latest sweep or its newest event, never past `now`."""
    return _horizon(contact.log, contact.swept, now)


def _horizon(entries: list[Entry], swept: datetime | None, now: datetime) -> datetime:
    told = next((entry for entry in entries[::-1] if entry.type != PUBLISHED), None)  # an edit shows nothing
    newest = min(log.instant(told.millis), now) if told else now
    return max(swept, newest) if swept else newest


def wake_at(clocks: list[Numbered], alerting: Alerting, horizon: datetime) -> datetime | None:
    """When time alone will next make something true. A deadline is missed one millisecond after its instant."""
    instants: list[datetime] = []
    for one in clocks:
        clock = one.clock
        if clock.warned and clock.warned[-1] > horizon:
            instants.append(next(at for at in clock.warned if at > horizon))
        if one.verdict != "running" or clock.paused_since is not None or clock.due_at is None:
            continue
        if clock.counts or clock.breached_at is not None:
            instants += [*clock.ahead[:1], clock.due_at + log.MILLISECOND]
    for alert in alerting.alerts.values():
        if alert.state == "breached" and alert.next_at is not None:
            instants.append(alert.next_at)
        elif alert.state == "snoozed" and alert.until is not None:
            instants.append(alert.until)
    cut_at = when_to_cut(alerting.contact, alerting.folding)
    if cut_at is not None and cut_at > horizon:
        instants.append(cut_at)
    return min(instants, default=None)


def _summed_up(known: ContactState, entries: list[Entry], folding: Folding, clocks: list[Numbered]) -> dict[str, Any]:
    """A contact's log, and what lists show of it."""
    due_at: datetime | None = None
    next_due_at: datetime | None = None
    breached = paused = False
    for one in clocks:
        clock = one.clock
        if clock.due_at is None or clock.ended:
            continue
        breached = breached or clock.breached_at is not None
        if clock.paused_since is not None:
            paused = True
            continue
        if due_at is None or clock.due_at < due_at:
            due_at = clock.due_at
        if clock.breached_at is None and (next_due_at is None or clock.due_at < next_due_at):
            next_due_at = clock.due_at
    facts = folding.facts
    return {
        "log": entries,
        "status": folding.status,
        "policy": folding.rule.name if folding.rule else None,
        "policy_version": folding.version.number if folding.version else None,
        "calendar": folding.calendar,
        "owner": folding.owner,
        "team": folding.team,
        "channel": facts.get("channel"),
        "kind": facts.get("kind"),
        "priority": facts.get("priority"),
        "opened_at": folding.opened_at,
        "closed_at": folding.resolved_at,
        "due_at": due_at,
        "next_due_at": next_due_at,
        "breached": breached,
        "paused": paused,
        "watched": folding.is_watched,
        "promises_moved": max(folding.promises_moved, known.promises_moved if known.cut else 0),
        "backfill": log.is_backfilled(entries),
    }


def _history(contact: ContactState, said: Said, cause: Event[Data] | None, now: datetime) -> tuple[Counted, ...]:
    """What a backfill brought that was past already: one sum per source and hour, instead of pages."""
    if not said.breaches_of_old:
        return ()
    hour = (cause.recorded if cause else now).replace(minute=0, second=0, microsecond=0)
    row = {"source": contact.source, "hour": hour}
    return (Counted("backfills", row, {"breached": said.breaches_of_old}),)


def _names_better(contact: ContactState, customer_id: str, newest: bool) -> bool:  # noqa: FBT001 - a fact
    """Whether an event under another customer names the contact's: somebody known before nobody, then the newest."""
    unknown = customer_id.startswith("anonymous:")
    if unknown != contact.customer_id.startswith("anonymous:"):
        return not unknown
    return newest


def _together(decisions: list[Decision[Any]]) -> Decision[Any]:
    return Decision(
        states=tuple(state for decision in decisions for state in decision.states),
        events=tuple(told for decision in decisions for told in decision.events),
        counts=tuple(counted for decision in decisions for counted in decision.counts),
    )


def _contact_id(event: Event[Data]) -> str:
    contact_id: str = event.data.contact_id  # type: ignore[attr-defined] # every contact.* event has one
    return contact_id


def _customer_id(event: Event[Data]) -> str:
    customer_id: str = event.data.customer_id  # type: ignore[attr-defined] # every event of ours has one
    return customer_id
