"""
What a domain function returns: the states that change, the events to tell, and why.

A state is one document that is changed as a whole and belongs to one partition.
The processor loads the states that a batch touches into `States`, lets the
domain decide record by record, and carries all decisions out in one transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, Self, TypeVar

import msgspec
from msgspec import Struct, structs

from rapport.contracts import Data, Event, format_instant

S = TypeVar("S", bound="State")


class Part(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A piece of a state: a value that is never changed, only replaced."""

    def but(self, **fields: Any) -> Self:
        """The same with other values of these fields."""
        return structs.replace(self, **fields)

    def shown(self, *, without: Container[str] = ()) -> dict[str, Any]:
        """Every field as JSON has it, for people to see; instants as in events."""
        values = {name: getattr(self, name) for name in self.__struct_fields__ if name not in without}
        return {
            name: format_instant(value) if isinstance(value, datetime) else msgspec.to_builtins(value)
            for name, value in values.items()
        }


class Index(NamedTuple):
    """
    What states are found by: the fields of `index()` in order, `-` before one that runs from its greatest.

    With `only` it holds no others than those that satisfy this. Each index costs something with every event.
    """

    keys: tuple[str, ...]
    only: Mapping[str, Any] | None = None
    name: str | None = None


class Unreadable(Exception):
    """A state that is not one of this release; the message is the one line for the operator."""


class State(Part, frozen=True, kw_only=True):
    """
    One document of a service's database, changed as a whole.

    `index` names the fields that queries need; everything else is stored as one
    JSON text. `wake_at` is when `on_clock` wants to look at it, or None.
    A `projection` is written whole from another state; nothing else is decided by it. One that
    is not `wakeful` is never looked at by the clock.
    """

    collection: ClassVar[str]
    projection: ClassVar[bool] = False
    wakeful: ClassVar[bool] = False
    indexes: ClassVar[tuple[Index, ...]] = ()

    id: str
    partition: int
    wake_at: datetime | None = None
    backfill: bool = False

    def index(self) -> dict[str, Any]:
        return {}

    def leads_to(self) -> Iterable[Ref]:
        """States that may be read wherever this one is found, since only it knows their ids, and what these lead to."""
        return ()

    def made_in(self, epoch: int) -> Self:  # noqa: ARG002 - most don't say
        """The state as it is kept when it is made in an epoch (`rapport.runtime.editions`)."""
        return self

    def stored(self) -> str:
        """The text that it is kept as, without what has its default."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def restored(cls, text: str) -> Self:
        """The state of such a text; `Unreadable` where it has what this release doesn't know, lest that be lost."""
        try:
            state: Self = _reader(cls).decode(text)
        except msgspec.ValidationError as error:
            raise Unreadable(f"what {cls.collection} hold can't be read, another release wrote it: {error}") from error
        return state


@cache
def _reader(kind: type[S]) -> msgspec.json.Decoder[S]:
    return msgspec.json.Decoder(kind)


@dataclass(frozen=True, slots=True)
class Tell:
    """An event to publish. `key` is the customer's id; the topic follows from the event's type."""

    key: str
    event: Event[Data]


@dataclass(frozen=True, slots=True)
class Counted:
    """Integers to add to one row of figures; rows carry their partition, readers sum."""

    collection: str
    row: Mapping[str, Any]
    add: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Decision(Generic[S]):
    """What changes, what is told, and why; empty when nothing does. States are replaced whole; `gone` are no more."""

    states: tuple[S, ...] = ()
    events: tuple[Tell, ...] = ()
    counts: tuple[Counted, ...] = ()
    why: str = ""
    gone: tuple[Ref, ...] = ()


@dataclass(frozen=True, slots=True)
class Ref:
    """A state by its id."""

    kind: type[State]
    id: str


@dataclass(frozen=True, slots=True)
class Match:
    """
    All states whose indexed `field` is `value`, and which satisfy `where` (constants only).

    With `most` it is not more than so many, those with the greatest `by`.
    """

    kind: type[State]
    field: str
    value: str
    where: tuple[tuple[str, Any], ...] = ()
    most: int = 0
    by: str = "_id"


Touch = Ref | Match


@dataclass(slots=True)
class States:
    """
    The states a batch has loaded, as decided so far.

    `get` answers None for what does not exist; asking for what was not declared
    in `touches` is a mistake of the domain and raises `LookupError`.
    """

    _by_kind: dict[type[State], dict[str, State]] = field(default_factory=lambda: defaultdict(dict))
    _known: set[tuple[type[State], str]] = field(default_factory=set)
    _existed: set[tuple[type[State], str]] = field(default_factory=set)
    _changed: dict[tuple[type[State], str], State] = field(default_factory=dict)
    _gone: set[tuple[type[State], str]] = field(default_factory=set)

    def loaded(self, refs: Iterable[Ref], found: Iterable[State]) -> None:
        self._known.update((ref.kind, ref.id) for ref in refs)
        for state in found:
            self._known.add((type(state), state.id))
            self._existed.add((type(state), state.id))
            self._by_kind[type(state)][state.id] = state

    def knows(self, ref: Ref) -> bool:
        """Whether it has been looked for, found or not."""
        return (ref.kind, ref.id) in self._known

    def get(self, kind: type[S], state_id: str) -> S | None:
        state = self._by_kind[kind].get(state_id)
        if state is None:
            if (kind, state_id) not in self._known:
                raise LookupError(f"{kind.__name__} {state_id!r} was not declared in touches()")
            return None
        return state  # type: ignore[return-value] # stored under its own kind

    def of(self, kind: type[S]) -> Iterator[S]:
        """All loaded states of a kind, the ones decided in this batch among them."""
        yield from self._by_kind[kind].values()  # type: ignore[misc] # stored under its own kind

    def apply(self, decision: Decision[Any]) -> None:
        for ref in decision.gone:
            self._by_kind[ref.kind].pop(ref.id, None)
            self._changed.pop((ref.kind, ref.id), None)
            self._gone.add((ref.kind, ref.id))
        for state in decision.states:
            kind = type(state)
            self._changed[kind, state.id] = state
            self._gone.discard((kind, state.id))
            if not kind.projection:
                self._known.add((kind, state.id))
                self._by_kind[kind][state.id] = state

    def existed(self, state: State) -> bool:
        """Whether a state of this id was found when the batch was loaded."""
        return (type(state), state.id) in self._existed

    @property
    def partitions(self) -> set[int]:
        """The partitions of all that was loaded."""
        return {state.partition for kind in self._by_kind.values() for state in kind.values()}

    @property
    def changed(self) -> Iterable[State]:
        return self._changed.values()

    @property
    def gone(self) -> Iterable[Ref]:
        """Those that were found when the batch was loaded and are no more."""
        return [Ref(*place) for place in self._gone & self._existed]


class Domain(Protocol):
    """What a service decides. All of it is pure: no clock, no database, no setting is read."""

    def touches(self, event: Event[Data]) -> Iterable[Touch]:
        """The states that deciding about this event may read."""

    def on_event(self, event: Event[Data], partition: int, states: States, now: datetime) -> Decision[Any]:
        """What follows from an event; new states belong to `partition`."""

    def touches_on_clock(self, state: State) -> Iterable[Touch]:
        """The states, beside itself, that deciding about a woken state may read."""

    def on_clock(self, state: State, states: States, now: datetime) -> Decision[Any]:
        """What has become true by `now`; the state's `wake_at` moves past `now`."""
