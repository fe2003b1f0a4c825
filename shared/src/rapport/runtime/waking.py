"""Waking states in time: what is due up to how far its partition has been read, and what becomes of it."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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

AT_ONCE: Final = 500

Horizons = Mapping[int, datetime]
Due = tuple[Ref, int]
"""A state to wake, and its partition."""


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
        self, kind: type[State], rows: Mapping[int, Row], horizons: Horizons, behind: Container[int]
    ) -> list[Due]:
        """
        The states to wake in these rows' partitions, oldest first, not more than `AT_ONCE`.

        Contacts of a backfill are left alone while their partition is `behind`
        its topic, and until none has come into it for a while: their answers may
        be next in the topic.
        """
        quiet = self._clock.now() - self._backfill_quiet
        busy = {p for p, row in rows.items() if p in behind or (row.backfilled_at and row.backfilled_at > quiet)}
        reach = {p: horizon for p, horizon in horizons.items() if p in rows}
        return [(Ref(kind, i), p) for i, p in await self._store.due(kind, reach, live_only=busy, limit=AT_ONCE)]

    async def next_wake(self, horizons: Horizons, *, after: datetime) -> datetime | None:
        wakes = [await self._store.next_wake(kind, horizons, after=after) for kind in self.kinds]
        return min((wake for wake in wakes if wake), default=None)

    def wake(self, due: Sequence[Due], horizons: Horizons) -> "Waking":
        return Waking(self._domain, self._store, due, horizons)

    async def put_off(self, waking: "Waking") -> None:
        """States that can't be decided about must not hold up the others."""
        partition_of = dict(waking.due)
        for ref, error in waking.failed.items():
            log.error("a wake-up failed and is put off", kind=ref.kind.__name__, id=ref.id, exc_info=error)
            telemetry.SWEEP_FAILURES.labels(self._service).inc()
            until = self._clock.now() + PUT_OFF
            await self._store.put_off(ref.kind, ref.id, due=waking.horizons[partition_of[ref]], until=until)


@dataclass(slots=True)
class Waking:
    """States that are to be woken. `failed` holds those that could not be decided about, and why."""

    _domain: Domain
    _store: Store
    due: Sequence[Due]
    horizons: Horizons
    failed: dict[Ref, Exception] = field(default_factory=dict)

    async def after(self, plan: Plan) -> Plan:
        """
        A plan that is carried out first, and then these are woken with what it has decided.

        They are read now, to see what else they touch: after the partitions' rows, so that nobody changes it unseen.
        """
        self.failed = {}
        refs = [ref for ref, _ in self.due]
        touches: list[Touch] = [*plan.touches, *refs]
        states = await self._store.load(refs)
        for ref in refs:
            state = states.get(ref.kind, ref.id)
            try:
                touches += self._domain.touches_on_clock(state) if state else ()
            except Exception as error:  # noqa: BLE001 - told when it is put off
                self.failed[ref] = error
        return Plan(touches, lambda outcome: chain(plan.decide(outcome), self._decide(refs, outcome)), plan.moved)

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


NOTHING: Final = Plan((), lambda _: ())


def _check_moves_on(ref: Ref, decision: Decision[Any], horizon: datetime) -> None:
    for state in decision.states:
        if type(state) is ref.kind and state.id == ref.id:
            if state.wake_at is not None and state.wake_at <= horizon:
                raise RuntimeError(f"on_clock left wake_at at {state.wake_at}, not past {horizon}")
            return
    raise RuntimeError("on_clock answered without the state that was woken")
