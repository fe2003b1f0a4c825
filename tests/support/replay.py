"""The journal of a memory played into another, and the two compared, as a recompute does it."""

from collections.abc import Iterable, Sequence
from typing import Any

from metrics.domain import ContactFact, CustomerFact, JournalEntry
from metrics.domain.comparison import Comparison
from metrics.domain.replay import Replay, with_what_was_told
from rapport.decision import Decision, Ref, State

from tests.support.metrics import NOW, Memory


class Played(Memory):
    """Figures made anew from the journal of `live`."""

    def __init__(self, live: Memory) -> None:
        super().__init__()
        self._live = live

    def play(self, entries: Sequence[JournalEntry]) -> "Played":
        """One page of the journal."""
        replay = Replay(entries)
        states = self.loaded(replay.touches())
        for _ in replay.decide(states, NOW):
            pass
        customers = [state for state in states.changed if isinstance(state, CustomerFact)]
        live = self._live.loaded([Ref(CustomerFact, customer.id) for customer in customers])
        states.apply(Decision(tuple(with_what_was_told(customers, live))))
        self.carry_out(Decision(tuple(states.changed), counts=tuple(counted for _, counted in replay.counts)))
        return self

    def play_all(self) -> "Played":
        return self.play(journal(self._live))


def journal(memory: Memory) -> list[JournalEntry]:
    """What a recompute plays: all but what was too late for the figures."""
    entries = [entry for entry in memory.kept[JournalEntry].values() if isinstance(entry, JournalEntry)]
    return [entry for entry in entries if entry.fate == "folded"]


def compared(old: Memory, new: Memory, *, moving: Iterable[str] = ()) -> Comparison:
    comparison = Comparison()
    for kind, of_kind in ((CustomerFact, comparison.customers), (ContactFact, comparison.contacts)):
        for name in sorted(old.kept[kind].keys() | new.kept[kind].keys()):
            pair = (_document(old.kept[kind].get(name)), _document(new.kept[kind].get(name)))
            comparison.add(of_kind, name, *pair, moving=name in moving)
    for memory, sums in ((old, comparison.hourly.old), (new, comparison.hourly.new)):
        for add in memory.rows.values():
            for key, amount in add.items():
                measure, _, figure = key.partition(".")
                comparison.add_hourly(sums, measure, figure, amount)
    return comparison


def _document(state: State | None) -> dict[str, Any] | None:
    if state is None:
        return None
    text = {"s": state.stored()} if isinstance(state, CustomerFact) else {}
    return {"_id": state.id, "p": state.partition, **state.index(), **text}
