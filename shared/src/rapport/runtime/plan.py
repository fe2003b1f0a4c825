"""One transaction before it is written: what to load, how to decide, and what has been decided so far."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from rapport.contracts import TOPIC_OF, encode
from rapport.decision import Counted, Decision, State, States, Tell, Touch
from rapport.runtime.publisher import Outgoing
from rapport.runtime.store import Row

_LARGEST_EVENT: Final = 1_000_000
"""Bytes; Kafka takes a little more unless told otherwise, and an event that it refuses would block all behind it."""


@dataclass(slots=True)
class Outcome:
    """What has been decided so far. `refused` counts by topic, out of `taken` records."""

    states: States
    now: datetime
    told: defaultdict[int, list[Outgoing]] = field(default_factory=lambda: defaultdict(list))
    counts: list[tuple[int, Counted]] = field(default_factory=list)
    taken: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def apply(self, decision: Decision[Any], partition: int) -> None:
        """Take a decision in whole; when it raises, nothing of the decision has been taken in."""
        told = [_outgoing(tell) for tell in decision.events]
        self.states.apply(decision)
        if told:
            self.told[partition] += told
        self.counts += [(partition, counted) for counted in decision.counts]


@dataclass(slots=True)
class Plan:
    """
    What to load, and then to decide. `moved` are the rows with the positions after a batch.

    `decide` goes step by step, so that it need not hold the event loop from beginning to end. What is `known` was read
    while the rows of its partitions were as they are now, and so is as it was.
    """

    touches: Iterable[Touch]
    decide: Callable[[Outcome], Iterable[object]]
    moved: dict[int, Row] = field(default_factory=dict)
    known: Sequence[State] = ()


def _outgoing(tell: Tell) -> Outgoing:
    value = encode(tell.event)
    if len(value) > _LARGEST_EVENT:
        raise ValueError(f"the {tell.event.type} that follows from it has {len(value)} bytes, more than Kafka takes")
    return Outgoing(TOPIC_OF[tell.event.type], tell.key.encode(), value)
