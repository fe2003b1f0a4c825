"""Waking states in time: what is due up to how far its partition has been read, and what becomes of it."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final

from rapport.decision import Decision, Domain, Ref, State, Touch
from rapport.runtime import telemetry
from rapport.runtime.alarms import PUT_OFF
from rapport.runtime.clock import Clock
from rapport.runtime.due import Due
from rapport.runtime.plan import Outcome, Plan
from rapport.runtime.store import Row, Store

log = telemetry.logger()

AT_ONCE: Final = 1000
"""States that a sweep takes, in several transactions."""
_MANY: Final = 4000
"""Likewise once so many are due that each partition is asked for its share: this at least, `AT_ONCE` at most."""
_FEWEST: Final = 100
WITH_RECORDS: Final = 500
"""States that are woken in the transaction of a batch."""

Horizons = Mapping[int, datetime]


class Waker:
    """Finds what is due, decides about it, and puts off what can't be decided."""

    def __init__(self, service: str, domain: Domain, store: Store, clock: Clock, backfill_quiet: timedelta) -> None:
        self._service = service
        self._domain = domain
        self._store = store
        self._due = Due(store)
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
        reach = {p: horizon for p, horizon in horizons.items() if p in rows}
        return await self._due.oldest(kind, reach, live_only=self._busy(rows, behind), limit=most)

    async def due_of_each(
        self, kind: type[State], rows: Mapping[int, Row], horizons: Horizons, behind: Container[int]
    ) -> list[State]:
        """
        Of each partition some states to wake, its oldest.

        What is due at one instant is found partition by partition, and one partition's
        are decided and written one part after another; those of several go side by side. One's
        are one transaction, which clicks wait for.
        """
        most = min(AT_ONCE, max(_FEWEST, _MANY // len(horizons)))
        return await self._due.of_each(kind, horizons, live_only=self._busy(rows, behind), most=most)

    def _busy(self, rows: Mapping[int, Row], behind: Container[int]) -> set[int]:
        """The partitions whose history is left alone."""
        quiet = self._clock.now() - self._backfill_quiet
        return {p for p, row in rows.items() if p in behind or (row.backfilled_at and row.backfilled_at > quiet)}

    async def next_wake(self, horizons: Horizons, *, after: datetime) -> datetime | None:
        wakes = [await self._due.following(kind, horizons, after=after) for kind in self.kinds]
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
            await self._due.put_off(ref.kind, ref.id, due=waking.horizons[partition_of[ref]], until=until)


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
        known = self.due if self._is_as_found(rows) else await self._as_they_are(refs)
        for state in known:
            try:
                touches += self._domain.touches_on_clock(state)
            except Exception as error:  # noqa: BLE001 - told when it is put off
                self.failed[_ref(state)] = error

        def decide(outcome: Outcome) -> Iterator[object]:
            return chain(plan.decide(outcome), self._decide(refs, outcome))

        return Plan(touches, decide, plan.moved, known)

    def _is_as_found(self, rows: Mapping[int, Row]) -> bool:
        return all(rows[partition].seq == seq for partition, seq in self._seqs.items() if partition in rows)

    async def _as_they_are(self, refs: Sequence[Ref]) -> list[State]:
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
