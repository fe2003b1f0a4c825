"""The domain of followup: what each event and each instant means for what a customer hears from us."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rapport.contracts import ContactData, Data, Event
from rapport.contracts.contact_events import CustomerErased, CustomerUpdated
from rapport.decision import Decision, Match, Ref, State, States, Touch
from rapport.erasing import Pseudonyms, is_anonymous, is_erased

from followup.domain.draft import Draft, Rules, finished
from followup.domain.erasing import OF_ERASED, erase, let_pass, with_the_id
from followup.domain.folding import fold, forget_old, is_no_contact
from followup.domain.nameless import Whose, settle, whose
from followup.domain.planning import follow_clock, follow_contact, follow_event, watch_silence
from followup.domain.release import release_due
from followup.domain.rule_book import RuleBook
from followup.domain.state import WAITING, CheckIn, CustomerState, Message, NamelessContact, SurveyLink


class NotOwed(Exception):
    """A call that is not owed (any more); the message says what it is instead."""


class Followups:
    """
    What `rapport.decision.Domain` asks for; each customer decides alone.

    `pseudonyms` are those of the database, by which erased customers are known again.
    """

    def __init__(self, book: RuleBook, pseudonyms: Pseudonyms | None = None) -> None:
        self.book = book
        self.pseudonyms = pseudonyms or Pseudonyms()

    def touches(self, event: Event[Data]) -> Iterable[Touch]:
        customer_id = getattr(event.data, "customer_id", None)
        if not customer_id or is_erased(customer_id):
            return []
        theirs: list[Touch] = [*self.of_customer(customer_id)]
        if isinstance(event.data, CustomerErased):
            theirs += [Match(kind, "customer_id", customer_id) for kind in (SurveyLink, CheckIn, NamelessContact)]
            theirs += [Ref(CustomerState, event.erasedas)] if event.erasedas else []
        contact_id = getattr(event.data, "contact_id", None)
        if contact_id is not None:
            theirs.append(Ref(NamelessContact, contact_id))
            theirs += [Match(CustomerState, "contacts", contact_id)] if is_anonymous(customer_id) else []
        return theirs

    def of_customer(self, customer_id: str) -> list[Ref]:
        """A customer, and whether somebody of this id was erased."""
        return [Ref(CustomerState, customer_id), Ref(CustomerState, self.pseudonyms.place_of(customer_id))]

    def on_event(self, event: Event[Data], partition: int, states: States, now: datetime) -> Decision[Any]:
        """
        What an event starts and ends for its customer.

        History (backfill) is remembered and starts nothing. What falls due is let
        go by the clock alone, so that all that is known by then is known.
        """
        customer_id = getattr(event.data, "customer_id", None)
        if customer_id is None:
            return Decision(why="about no customer")
        if is_erased(customer_id):
            return Decision(why=OF_ERASED)
        known = states.get(CustomerState, customer_id)
        rules = self.book.at(event.time)
        if isinstance(event.data, CustomerErased):
            return erase(event, customer_id, partition, self.pseudonyms, rules, states)
        kept = states.get(CustomerState, self.pseudonyms.place_of(customer_id))
        if kept is not None and (passed := let_pass(event, kept, known, rules, states)):
            return passed
        found = whose(event, known, partition, states, now)
        if found is None:
            return Decision(why=OF_ERASED)
        return with_the_id(self._follow(event, found, rules, states, now), kept)

    def _follow(self, event: Event[Data], found: Whose, rules: Rules, states: States, now: datetime) -> Decision[Any]:
        customer = found.name(fold(found.customer, event, rules.cancelling, rules.attributes))
        draft = Draft(forget_old(customer, now, rules.plays), rules, event)
        settle(draft, found, event, states, self.book)
        contact_id = getattr(event.data, "contact_id", None)
        if contact_id in draft.customer.contacts and isinstance(event.data, ContactData) and not is_no_contact(event):
            follow_contact(draft, event.data.contact_id, self.book)
        if isinstance(event.data, CustomerUpdated):
            follow_clock(draft, found.customer, event)
        follow_event(draft, event)
        if customer.heard != (found.known and found.known.heard):
            watch_silence(draft, begins=not event.backfill)
        if not draft.changed and not draft.written and draft.customer == found.known:
            return Decision(why="nothing new")
        return draft.decision()

    def touches_on_clock(self, state: State) -> Iterable[Touch]:
        """The messages that may be written: one whose sending was put off has been written before."""
        if not isinstance(state, CustomerState):
            return []
        waiting = (one for one in state.followups.values() if one.status in WAITING and one.do != "check_in")
        return [Ref(Message, one.id) for one in waiting]

    def on_clock(self, state: State, _: States, now: datetime) -> Decision[Any]:
        """What falls due by `now` is let go: sent, owed, put off or dropped."""
        if not isinstance(state, CustomerState):
            raise TypeError(f"{type(state).__name__} never wakes")
        rules = self.book.at(now)
        draft = Draft(forget_old(state, now, rules.plays), rules)
        release_due(draft, now)
        return draft.decision()


def call_done(
    customer: CustomerState,
    followup_id: str,
    rules: Rules,
    now: datetime,
    *,
    outcome: str,
    note: str | None,
    by: str,
) -> Decision[Any]:
    """Somebody has called; `NotOwed` when that call is not owed (any more)."""
    followup = customer.followups.get(followup_id)
    if followup is None or followup.status != "owed":
        raise NotOwed(f"this call is {followup.status if followup else 'forgotten'}")
    draft = Draft(customer, rules)
    done = finished(followup, "done", now, outcome=outcome, note=note, done_by=by)
    draft.put(done)
    draft.tell("followup.done", done, now, outcome=outcome, note=note, by=by, due_at=followup.until)
    return draft.decision("done")
