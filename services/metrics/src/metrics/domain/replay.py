"""The journal played once more: the figures that its events lead to, and nothing else."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from rapport.contracts import Data, Event, decode
from rapport.decision import Counted, Decision, Ref, State, States, Touch

from metrics.domain.decide import Figures
from metrics.domain.marks import HOURS
from metrics.domain.naming import identity_of
from metrics.domain.states import ContactFact, CustomerFact, JournalEntry

FIGURES: Final = frozenset({ContactFact.collection, CustomerFact.collection, HOURS})
"""The collections that a replay makes anew."""

_TOLD: Final = ("told", "sequence", "rules", "history", "wake_at", "backfill")
"""What of a customer is no figure: which tiers they have been told of, and when to look again."""

_figures: Final = Figures()  # without rules of loyalty: nothing is told of what is played


@dataclass(slots=True)
class Replay:
    """Entries of the journal as they are played, in the order of events within each contact."""

    entries: Sequence[JournalEntry]
    counts: list[tuple[int, Counted]] = field(default_factory=list)
    _events: list[tuple[Event[Data], int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        events = [(decode(entry.text.encode()), entry.partition) for entry in self.entries]
        self._events = sorted(events, key=lambda one: one[0].order)

    def touches(self) -> list[Touch]:
        return [touch for event, _ in self._events for touch in _figures.touches(event) if touch.kind in _PLAYED]

    def decide(self, states: States, now: datetime) -> Iterator[None]:
        """Event by event what follows, into `states` and `counts`."""
        for event, partition in self._events:
            states.loaded([Ref(JournalEntry, identity_of(event))], ())
            decision = figures_of(_figures.on_event(event, partition, states, now))
            states.apply(decision)
            self.counts += [(partition, counted) for counted in decision.counts]
            yield


_PLAYED: Final = (ContactFact, CustomerFact)


def figures_of(decision: Decision[Any]) -> Decision[Any]:
    """What of a decision are figures; the journal and what was told are as they are."""
    states: tuple[State, ...] = tuple(state for state in decision.states if isinstance(state, _PLAYED))
    counts = tuple(counted for counted in decision.counts if counted.collection in FIGURES)
    return Decision(states, counts=counts, why=decision.why)


def with_what_was_told(played: Iterable[CustomerFact], live: States) -> Iterator[CustomerFact]:
    """These customers as far as they have been told of their tier, which is no figure and is not told anew."""
    for customer in played:
        known = live.get(CustomerFact, customer.id) or CustomerFact(id=customer.id, partition=customer.partition)
        yield customer.but(**{name: getattr(known, name) for name in _TOLD})
