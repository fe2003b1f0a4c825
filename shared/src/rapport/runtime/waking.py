"""Waking states in time: what is due up to how far its partition has been read, and what becomes of it."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final

from rapport.decision import Decision, Domain, Ref, State, Touch
from rapport.runtime import telemetry
from rapport.runtime.alarms import PUT_OFF
from rapport.runtime.clock import Clock
from rapport.runtime.plan import Outcome, Plan
from rapport.runtime.store import Row, Store

log = telemetry.logger()

AT_ONCE: Final = 1000
"""States that a sweep takes, in several transactions."""
WITH_RECORDS: Final = 500
"""States that are woken in the transaction of a batch."""

Horizons = Mapping[int, datetime]


class Waker:
    """Finds what is due, decides about it, and puts off what can't be decided."""

    def __init__(self, service: str, domain: Domain, store: Store, clock: Clock, backfill_quiet: timedelta) -> None:
        self._service = service
        self._domain = domain
        self._store = store
        self._clock = clock
        self._backfill_quiet = backfill_quiet

    @property
    def kinds(self) -> list[type[State]]:
        return [kind for kind in self._store.kinds if kind.wakeful]

    async def due(
        self,
        kind: type[State],
        rows: Mapping[int, Row],
        horizons: Horizons,
        behind: Container[int],
        *,
        most: int = AT_ONCE,
    ) -> list[State]:
        """
        The states to wake in these rows' partitions, oldest first.

        Contacts of a backfill are left alone while their partition is `behind`
        its topic, and until none has come into it for a while: their answers may
        be next in the topic.
        """
        quiet = self._clock.now() - self._backfill_quiet
        busy = {p for p, row in rows.items() if p in behind or (row.backfilled_at and row.backfilled_at > quiet)}
        reach = {p: horizon for p, horizon in horizons.items() if p in rows}
        return await self._store.due(kind, reach, live_only=busy, limit=most)

    async def next_wake(self, horizons: Horizons, *, after: datetime) -> datetime | None:
        wakes = [await self._store.next_wake(kind, horizons, after=after) for kind in self.kinds]
        return min((wake for wake in wakes if wake), default=None)

    def wake(self, due: Sequence[State], rows: Mapping[int, Row], horizons: Horizons) -> "Waking":
        """What is to become of states that were found due while their partitions' rows were as given."""
        seqs = {state.partition: rows[state.partition].seq for state in due}
        return Waking(self._domain, self._store, due, seqs, horizons)

    async def put_off(self, waking: "Waking") -> None:
        """States that can't be decided about must not hold up the others."""
        partition_of = {_ref(state): state.partition for state in waking.due}
        for ref, error in waking.failed.items():
            log.error("a wake-up failed and is put off", kind=ref.kind.__name__, id=ref.id, exc_info=error)
            telemetry.SWEEP_FAILURES.labels(self._service).inc()
            until = self._clock.now() + PUT_OFF
            await self._store.put_off(ref.kind, ref.id, due=waking.horizons[partition_of[ref]], until=until)


@dataclass(slots=True)
class Waking:
    """
    States that are to be woken. `failed` holds those that could not be decided about, and why.

    `_seqs` are the numbers of their partitions' rows when they were found: the states are as they were then as long
    as the rows are.
    """

    _domain: Domain
    _store: Store
    due: Sequence[State]
    _seqs: Mapping[int, int]
    horizons: Horizons
    failed: dict[Ref, Exception] = field(default_factory=dict)

    def only(self, due: Sequence[State]) -> "Waking":
        """The same for some of them."""
        return replace(self, due=due, failed={})

    def refused(self, error: Exception) -> None:
        """The store never takes what becomes of them."""
        self.failed = dict.fromkeys(map(_ref, self.due), error)

    async def after(self, plan: Plan, rows: Mapping[int, Row]) -> Plan:
        """
        A plan that is carried out first, and then these are woken with what it has decided.

        What else they touch is seen in them as they are after the rows were read, so that nobody changes it unseen.
        """
        self.failed = {}
        refs = [_ref(state) for state in self.due]
        touches: list[Touch] = [*plan.touches, *refs]
        for state in await self._as_they_are(refs, rows):
            try:
                touches += self._domain.touches_on_clock(state)
            except Exception as error:  # noqa: BLE001 - told when it is put off
                self.failed[_ref(state)] = error
        return Plan(touches, lambda outcome: chain(plan.decide(outcome), self._decide(refs, outcome)), plan.moved)

    async def _as_they_are(self, refs: Sequence[Ref], rows: Mapping[int, Row]) -> Iterable[State]:
        if all(rows[partition].seq == seq for partition, seq in self._seqs.items() if partition in rows):
            return self.due
        states = await self._store.load(refs)
        return [state for ref in refs if (state := states.get(ref.kind, ref.id))]

    def _decide(self, refs: Sequence[Ref], outcome: Outcome) -> Iterator[None]:
        for ref in refs:
            yield
            state = outcome.states.get(ref.kind, ref.id)
            if state is None or state.wake_at is None or state.partition not in self.horizons or ref in self.failed:
                continue
            horizon = self.horizons[state.partition]
            if state.wake_at > horizon:
                continue
            try:
                decision = self._domain.on_clock(state, outcome.states, horizon)
                _check_moves_on(ref, decision, horizon)
                outcome.apply(decision, state.partition)
            except Exception as error:  # noqa: BLE001 - told when it is put off
                self.failed[ref] = error


def _ref(state: State) -> Ref:
    return Ref(type(state), state.id)


NOTHING: Final = Plan((), lambda _: ())


def _check_moves_on(ref: Ref, decision: Decision[Any], horizon: datetime) -> None:
    for state in decision.states:
        if type(state) is ref.kind and state.id == ref.id:
            if state.wake_at is not None and state.wake_at <= horizon:
                raise RuntimeError(f"on_clock left wake_at at {state.wake_at}, not past {horizon}")
            return
    raise RuntimeError("on_clock answered without the state that was woken")
