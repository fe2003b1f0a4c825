"""
The one way in which anything changes a state.

A batch of records, a sweep and somebody's click all do the same: read the rows
of their partitions, load states, decide purely, and write states, rows and
outbox in one transaction that matches and increments each row's `seq`. Whoever
comes second finds the number changed, and reads and decides again.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Container,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from rapport.decision import Decision, Domain, Ref, State, States, Touch
from rapport.runtime import telemetry
from rapport.runtime.batch import Batch, WrongCluster
from rapport.runtime.clock import Clock, backoff, others_first
from rapport.runtime.dead_letter import FailureShare
from rapport.runtime.mongo import MongoError, is_conflict, is_taken
from rapport.runtime.outbox import Outbox
from rapport.runtime.patience import Patience
from rapport.runtime.plan import Outcome, Plan
from rapport.runtime.publisher import Publisher
from rapport.runtime.rows import Rows
from rapport.runtime.splitting import apart, halves, side_by_side
from rapport.runtime.store import Change, Conflict, Refused, Row, Store, is_refusal
from rapport.runtime.waking import AT_ONCE, NOTHING, WITH_RECORDS, Waker, Waking

__all__ = ["Processor", "WrongCluster"]

log = telemetry.logger()

S = TypeVar("S", bound=State)
T = TypeVar("T")
HorizonsWith = Callable[[datetime, Sequence[Any]], Mapping[int, datetime]]
"""Up to which instant each partition may be swept at an instant, once these records are settled."""

Planner = Callable[[Mapping[int, Row]], Awaitable[Plan]]

_STEPS_AT_ONCE = 16
"""Decisions in a row; after these few milliseconds what else is ready has its turn: the other lane, a click, a page."""

_SOON = timedelta(milliseconds=50)
_PASSED_OVER_AT_MOST = timedelta(seconds=1)

_MOST_CONFLICTS = 120
"""With its waits, longer than MongoDB keeps the transaction of a process that was killed (60 s)."""

_MOST_TAKEN = 10
"""So often in a row nobody makes what was not there a moment ago: it is another document of the same id."""

_LOOK_FOR_ABANDONED = 12
"""Conflicts in a row, after 5 s or so, that live replicas do not cause."""

_CLICK_WAITS = 2.0
"""Seconds that somebody's click waits for a batch of this replica, which may itself wait for Kafka."""


class Processor:
    """Carries out what a domain decides."""

    def __init__(
        self,
        service: str,
        domain: Domain,
        store: Store,
        publisher: Publisher,
        clock: Clock,
        *,
        backfill_quiet: timedelta = timedelta(seconds=60),
        dead_letter_share: float = 0.5,
    ) -> None:
        self._service = service
        self._domain = domain
        self._store = store
        self._clock = clock
        self._failures = FailureShare(dead_letter_share)
        self._rows = Rows(store)
        self._waker = Waker(service, domain, store, clock, backfill_quiet)
        self._passed_over: dict[int, datetime] = {}
        self.patiently = Patience(service, clock)
        self._outbox = Outbox(service, store, publisher, self.patiently)
        self._deciding = asyncio.Lock()
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.positions: dict[tuple[str, int], int] = {}
        self.stamps: dict[tuple[str, int], int] = {}
        self.progressed_at = clock.now()
        self.woken = asyncio.Event()
        self.next_wake: datetime | None = None
        self.left_over = asyncio.Event()
        self._owned: set[int] = set()
        self.horizons: HorizonsWith = lambda now, records: {}  # noqa: ARG005 - without a reader nothing is known

    @property
    def owned(self) -> set[int]:
        """The partitions that this replica has been given."""
        return self._owned

    @owned.setter
    def owned(self, partitions: set[int]) -> None:
        self._owned = partitions
        self._rows.forget()

    # --- records ------------------------------------------------------------------

    async def process(self, records: Sequence[Any]) -> None:
        """
        Settle a polled batch: on return every record's effect is stored and published.

        While Kafka or MongoDB is away it waits and tries again; nothing else is
        taken in meanwhile. A record that the store refuses for good is found by
        halving the batch, and goes to the dead letters.
        """
        with telemetry.timed(telemetry.BATCH_SECONDS, service=self._service):
            await self.patiently("records", partial(self._settle, records))
        for record in records:
            self.stamps[record.topic, record.partition] = record.timestamp
        for topic, count in Counter(record.topic for record in records).items():
            telemetry.RECORDS.labels(self._service, topic).inc(count)

    async def _settle(self, records: Sequence[Any], refusal: str | None = None, *, wakes: bool = True) -> None:
        """With `wakes`, what falls due while these records are new is woken in the same transaction."""
        batch = Batch(self._service, self._domain, self._failures, records, refusal)
        waking: Waking | None = None

        async def plan(rows: Mapping[int, Row]) -> Plan:
            nonlocal waking
            planned = batch.plan(rows, self._clock.now())
            waking = await self._due_meanwhile(rows, records) if wakes else None
            return await waking.after(planned, rows) if waking else planned

        try:
            await self._carry_out({record.partition for record in records}, plan)
        except (*MongoError, Refused) as error:
            if not is_refusal(error) or refusal is not None:
                raise
            if waking:
                await self._settle(records, wakes=False)
            elif len(records) == 1:
                await self._settle(
                    records, refusal=f"the store refuses it: {str(error)[:1000] or type(error).__name__}", wakes=False
                )
            else:
                for half in halves(records):
                    await self._settle(half, wakes=False)
        else:
            if waking:
                await self._waker.put_off(waking)
        self.progressed_at = self._clock.now()

    async def _due_meanwhile(self, rows: Mapping[int, Row], records: Sequence[Any]) -> Waking | None:
        """What falls due in the partitions of records up to these: a sweep of its own would come after them."""
        horizons = self.horizons(self._clock.now(), records)
        reach = {p: horizon for p, horizon in horizons.items() if p in rows}
        due: list[State] = []
        for kind in self._waker.kinds:
            due += await self._waker.due(kind, rows, reach, behind=rows, most=WITH_RECORDS)
        return self._waker.wake(due, rows, reach) if due else None

    # --- the clock ----------------------------------------------------------------

    async def sweep(self, horizons: Mapping[int, datetime], behind: Container[int] = ()) -> datetime | None:
        """
        Wake what is due up to each partition's horizon, oldest first; answer when to look next.

        A partition whose records are being settled is passed over, since what
        falls due meanwhile is woken with them; but for a second at most.
        """
        now = self._clock.now()
        at_rest = self._at_rest(horizons, now)
        for kind in self._waker.kinds:
            many = False
            while await self.patiently("sweep", partial(self._sweep_some, kind, at_rest, behind, many=many)):
                many = True
        if len(at_rest) < len(horizons):
            return now + _SOON
        following: datetime | None = None

        async def look() -> None:
            nonlocal following
            following = await self._waker.next_wake(horizons, after=now)

        await self.patiently("sweep", look)
        return following

    def _at_rest(self, horizons: Mapping[int, datetime], now: datetime) -> dict[int, datetime]:
        """The partitions that nobody works on, or that were passed over long enough."""
        found: dict[int, datetime] = {}
        for partition, horizon in horizons.items():
            since = self._passed_over.setdefault(partition, now)
            if not self._locks[partition].locked() or now - since > _PASSED_OVER_AT_MOST:
                del self._passed_over[partition]
                found[partition] = horizon
        return found

    async def _sweep_some(
        self, kind: type[State], horizons: Mapping[int, datetime], behind: Container[int], *, many: bool
    ) -> bool:
        """Wake the oldest that are due, of each partition where they are `many`; answers whether there may be more."""
        if not horizons:
            return False
        rows = await self._rows.look(horizons)
        find = self._waker.due_of_each if many else self._waker.due
        due = await find(kind, rows, horizons, behind)
        parts = apart(due, lambda state: state.partition)
        await side_by_side([partial(self._wake_all, self._waker.wake(part, rows, horizons)) for part in parts])
        return bool(due) if many else len(due) == AT_ONCE

    async def _wake_all(self, waking: Waking) -> None:
        async def plan(rows: Mapping[int, Row]) -> Plan:
            return await waking.after(NOTHING, rows)

        try:
            await self._carry_out({state.partition for state in waking.due}, plan, by="sweep")
        except (*MongoError, Refused) as error:
            if not is_refusal(error):
                raise
            if len(waking.due) > 1:
                for half in halves(waking.due):
                    await self._wake_all(waking.only(half))
                return
            waking.refused(error)
        await self._waker.put_off(waking)

    # --- clicks -------------------------------------------------------------------

    async def act(
        self,
        kind: type[S],
        state_id: str,
        decide: Callable[[S | None, States, datetime], Decision[Any]],
        *,
        touches: Iterable[Touch] = (),
        partition: int | None = None,
        patient: bool = False,
    ) -> Decision[Any]:
        """
        Carry out somebody's decision about one state, whichever replica owns it.

        `decide` gets None for an unknown id and may be called again after a
        conflict; what it raises goes to the caller. `partition` is where a new
        state would belong. It waits for MongoDB, not for Kafka: the owner of the
        partition publishes what is told. Work in the background is `patient`: it takes
        turns with this replica's batches, where a click would come before a long one.
        """
        known = await self._store.get(kind, state_id)
        home = known.partition if known else partition
        if home is None:
            return decide(None, States(), self._clock.now())
        made: Decision[Any] = Decision()
        touched = [Ref(kind, state_id), *touches]

        def decide_now(outcome: Outcome) -> Iterable[None]:
            nonlocal made
            made = decide(outcome.states.get(kind, state_id), outcome.states, outcome.now)
            outcome.apply(made, home)
            return ()

        async def plan(_: Mapping[int, Row]) -> Plan:
            return Plan(touched, decide_now)

        await self._carry_out({home}, plan, by="act", at_most=None if patient else _CLICK_WAITS)
        return made

    # --- the one transaction --------------------------------------------------------

    async def _carry_out(
        self, partitions: set[int], plan: Planner, *, by: str = "records", at_most: float | None = None
    ) -> None:
        taken = 0
        async with self._held(partitions, at_most):
            for count, wait in enumerate(backoff(0.002, 2)):
                conflict = await self._attempt(partitions, plan, by)
                if conflict is None:
                    return
                taken = taken + 1 if is_taken(conflict) else 0
                if taken == _MOST_TAKEN:
                    raise Refused(f"an id is taken: {str(conflict)[:500]}") from conflict
                telemetry.CONFLICTS.labels(self._service).inc()
                if count == _MOST_CONFLICTS:
                    raise RuntimeError(f"partitions {sorted(partitions)}: {count} conflicts in a row")
                if count >= _LOOK_FOR_ABANDONED:
                    await self._end_abandoned()
                await self._clock.sleep(wait)

    async def _attempt(self, partitions: set[int], plan: Planner, by: str) -> Exception | None:
        """Read, decide and write once; answers what it met with when somebody else came first."""
        rows = await self._rows.take(partitions)
        if by != "act":
            await self._outbox.clear({p: row for p, row in rows.items() if p in self.owned})
        planned = await plan(rows)
        states = await self._load(planned, rows)
        outcome = Outcome(states, self._clock.now())
        async with self._deciding if by != "act" else nullcontext():
            for count, _ in enumerate(planned.decide(outcome), 1):
                if count % _STEPS_AT_ONCE == 0:
                    await others_first()
        change = Change(rows, planned.moved, states, dict(outcome.told), outcome.counts)
        if change.is_empty:
            self._rows.put_back(rows[p] for p in partitions if p in self.owned)
            return None
        try:
            await self._store.commit(change)
        except (Conflict, *MongoError) as error:
            if isinstance(error, Conflict) or is_conflict(error):
                return error
            raise
        self._rows.written(change, self.owned)
        self._note(change, outcome, by)
        if by != "act":
            await self._outbox.settle(change, partitions & self.owned)
        elif change.outbox:
            self.left_over.set()
        return None

    @asynccontextmanager
    async def _held(self, partitions: Iterable[int], at_most: float | None) -> AsyncIterator[None]:
        """
        The locks of these partitions, which keep one replica's own work from meeting in conflicts.

        After `at_most` seconds it goes on without: the rows' `seq` is what keeps states right.
        """
        held: list[asyncio.Lock] = []
        try:
            try:
                async with asyncio.timeout(at_most):
                    for partition in sorted(partitions):
                        await self._locks[partition].acquire()
                        held.append(self._locks[partition])
            except TimeoutError:
                log.info("not waiting any longer for a batch", partitions=sorted(partitions))
            yield
        finally:
            for lock in held:
                lock.release()

    async def _load(self, plan: Plan, rows: dict[int, Row]) -> States:
        """Load, and read the rows of all partitions that the states turn out to belong to before the states."""
        touches = list(plan.touches)
        states = await self._store.load(touches, plan.known)
        while foreign := states.partitions - rows.keys():
            rows.update(await self._store.rows(foreign))
            states = await self._store.load(touches, plan.known)
        return states

    def _note(self, change: Change, outcome: Outcome, by: str) -> None:
        telemetry.BATCHES.labels(self._service, by).inc()
        self._failures.note(taken=outcome.taken, refused=outcome.refused.total())
        for topic, count in outcome.refused.items():
            telemetry.DEAD.labels(self._service, topic).inc(count)
        for partition, row in change.moved.items():
            for topic, offset in row.offsets.items():
                self.positions[topic, partition] = offset
        wakes = [state.wake_at for state in change.states.changed if state.wake_at]
        if wakes and (self.next_wake is None or min(wakes) < self.next_wake):
            self.next_wake = min(wakes)
            self.woken.set()

    async def _end_abandoned(self) -> None:
        try:
            ended = await self._store.end_abandoned()
        except MongoError as error:  # it may not be allowed; then MongoDB's own limit does it
            log.warning("can't look for abandoned transactions", error=str(error)[:300])
        else:
            if ended:
                log.warning("ended transactions that a killed replica had left open", count=ended)

    # --- left-overs -------------------------------------------------------------------

    async def collect_left_overs(self) -> None:
        """
        Publish for our partitions what a click, here or on another replica, has left in the outbox.

        From the last to the first: a batch takes its partitions the other way round, and so waits for one of them.
        """
        for partition in reversed(await self._store.waiting(self.owned)):
            async with self._held([partition], at_most=None):
                if partition in self.owned:
                    await self._outbox.drain([partition])
