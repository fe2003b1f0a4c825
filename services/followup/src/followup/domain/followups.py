"""The domain of followup: what each event and each instant means for what a customer hears from us."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rapport.contracts import ContactData, Data, Event
from rapport.contracts.contact_events import CustomerErased
from rapport.decision import Decision, Match, Ref, State, States, Touch

from followup.domain.draft import Draft, Rules, check_in_of, finished
from followup.domain.folding import fold, forget_old, is_caused_by_us
from followup.domain.planning import end, follow_contact, follow_event, watch_silence
from followup.domain.release import release_due
from followup.domain.rule_book import RuleBook
from followup.domain.state import WAITING, CheckIn, CustomerState, Message, SurveyLink


class NotOwed(Exception):
    """A call that is not owed (any more); the message says what it is instead."""


class Followups:
    """What `rapport.decision.Domain` asks for; each customer decides alone."""

    def __init__(self, book: RuleBook) -> None:
        self.book = book

    def touches(self, event: Event[Data]) -> Iterable[Touch]:
        customer_id = getattr(event.data, "customer_id", None)
        if not customer_id:
            return []
        erased = isinstance(event.data, CustomerErased)
        words = [Match(kind, "customer_id", customer_id) for kind in (SurveyLink, CheckIn)] if erased else []
        return [Ref(CustomerState, customer_id), *words]

    def on_event(self, event: Event[Data], partition: int, states: States, now: datetime) -> Decision[Any]:
        """
        What an event starts and ends for its customer.

        History (backfill) is remembered and starts nothing. What falls due is let
        go by the clock alone, so that all that is known by then is known.
        """
        customer_id = getattr(event.data, "customer_id", None)
        if customer_id is None:
            return Decision(why="about no customer")
        known = states.get(CustomerState, customer_id)
        before = known or CustomerState(id=customer_id, partition=partition)
        rules = self.book.at(event.time)
        customer = fold(before, event, rules.cancelling, rules.attributes)
        draft = Draft(forget_old(customer, now, rules.plays.budget.memory), rules, event)
        if isinstance(event.data, CustomerErased):
            for followup in list(customer.followups.values()):
                end(draft, followup, "erased", event.order)
            _forget_words(draft, states)
            return draft.decision("erased")
        contact_id = getattr(event.data, "contact_id", None)
        if contact_id in draft.customer.contacts and isinstance(event.data, ContactData) and not is_caused_by_us(event):
            follow_contact(draft, event.data.contact_id)
        follow_event(draft, event)
        if customer.heard != before.heard and not event.backfill:
            watch_silence(draft)
        if not draft.changed and draft.customer == before and known:
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
        draft = Draft(forget_old(state, now, rules.plays.budget.memory), rules)
        release_due(draft, now)
        return draft.decision()


def _forget_words(draft: Draft, states: States) -> None:
    """Empty the comments of the customer's answers and the notes of their calls."""
    for link in states.of(SurveyLink):
        if link.customer_id == draft.customer.id and link.answer and link.answer.comment:
            draft.write(link.but(answer=link.answer.but(comment=None)))
    for call in states.of(CheckIn):
        if call.customer_id == draft.customer.id:
            followup = draft.customer.followups.get(call.id)
            draft.write(check_in_of(followup, draft.customer) if followup else call.but(note=None))


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
