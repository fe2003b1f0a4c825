"""What plays would do with a story of events: the same domain, in virtual time, with nothing sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rapport.contracts import Data, Event
from rapport.decision import Decision, Match, Ref, State, States, Touch

from followup.domain import sending
from followup.domain.draft import Rules
from followup.domain.erasing import customer_of
from followup.domain.followups import Followups
from followup.domain.rule_book import RuleBook
from followup.domain.state import CustomerState, Message

_AFTERWARDS = timedelta(days=400)
_MOST_LOOKS = 100_000
_FENCE = 1


def simulate(events: Iterable[Event[Data]], rules: Rules) -> Sequence[Event[Data]]:
    """
    What followup would tell of these events, in order of time: planned, put off, sent, owed or dropped, and why.

    Each event is heard when it happens, every mail is taken at once by its server,
    and no customer answers. It looks on for 400 days after the last event.
    """
    world = _World(rules)
    ordered = sorted(events, key=lambda event: event.time)
    for event in ordered:
        world.until(event.time)
        world.hear(event)
    if ordered:
        world.until(ordered[-1].time + _AFTERWARDS)
    return sorted(world.told, key=lambda event: event.time)


@dataclass(slots=True)
class _World:
    """The customers of a story, and the time in it."""

    rules: Rules
    told: list[Event[Data]] = field(default_factory=list)
    _states: dict[Ref, State] = field(default_factory=dict)
    _looks: int = 0

    def hear(self, event: Event[Data]) -> None:
        domain = Followups(RuleBook.of(self.rules))
        self._apply(domain.on_event(event, 0, self._loaded(domain.touches(event)), event.time))

    def until(self, end: datetime) -> None:
        """Let time pass: whoever is due is woken when they are due, the first first."""
        domain = Followups(RuleBook.of(self.rules))
        while self._looks < _MOST_LOOKS:
            due = [state for state in self._states.values() if state.wake_at and state.wake_at <= end]
            if not due:
                return
            first = min(due, key=lambda state: (state.wake_at or end, state.id))
            now = first.wake_at or end
            self._looks += 1
            self._apply(domain.on_clock(first, self._loaded([Ref(CustomerState, first.id)]), now))
            self._send(now)

    def _send(self, now: datetime) -> None:
        waiting = [state for state in self._states.values() if isinstance(state, Message) and state.status == "pending"]
        for message in waiting:
            decision, taken = sending.take(
                message, self._customer(message), self.rules, now, fence=_FENCE, token=message.id
            )
            self._apply(decision)
            if taken:
                current = message.but(status="sending", fence=_FENCE)
                self._apply(sending.sent(current, self._customer(message), taken.link, self.rules, now))

    def _customer(self, message: Message) -> CustomerState:
        found = self._states.get(Ref(CustomerState, message.customer_id))
        if found is None:  # erased since
            found = customer_of(message, self._loaded([ref for ref in self._states if ref.kind is CustomerState]))
        assert isinstance(found, CustomerState)  # noqa: S101 - written beside its message
        return found

    def _loaded(self, touches: Iterable[Touch]) -> States:
        states = States()
        refs: list[Ref] = []
        for touch in touches:
            refs += [touch] if isinstance(touch, Ref) else self._matching(touch)
        while refs:
            found = [self._states[ref] for ref in refs if ref in self._states]
            states.loaded(refs, found)
            refs = [ref for state in found for ref in state.leads_to() if not states.knows(ref)]
        return states

    def _matching(self, match: Match) -> list[Ref]:
        """Those of whom a field is that, or of whose values one is."""
        of_kind = [
            (ref, state.index().get(match.field)) for ref, state in self._states.items() if ref.kind is match.kind
        ]
        return [ref for ref, held in of_kind if held == match.value or (isinstance(held, list) and match.value in held)]

    def _apply(self, decision: Decision[Any]) -> None:
        for ref in decision.gone:
            self._states.pop(ref, None)
        for state in decision.states:
            self._states[Ref(type(state), state.id)] = state
        self.told += [told.event for told in decision.events]
