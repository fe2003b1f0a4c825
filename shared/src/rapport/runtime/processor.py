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
    Coroutine,
    Iterable,
    Iterator,
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
from rapport.runtime.mongo import MongoError, is_conflict
from rapport.runtime.outbox import Outbox
from rapport.runtime.patience import Patience
from rapport.runtime.plan import Outcome, Plan
from rapport.runtime.publisher import Publisher
from rapport.runtime.store import Change, Conflict, Refused, Row, Store, is_refusal

__all__ = ["Processor", "WrongCluster"]

log = telemetry.logger()

S = TypeVar("S", bound=State)
T = TypeVar("T")
Planner = Callable[[Mapping[int, Row]], Awaitable[Plan]]

_SWEEP_AT_ONCE = 500
_WORTH_TWO_LANES = 64

_STEPS_AT_ONCE = 16
"""Decisions in a row; after these few milliseconds what else is ready has its turn: the other lane, a click, a page."""

_PUT_OFF = timedelta(minutes=1)
_MOST_CONFLICTS = 120
"""With its waits, longer than MongoDB keeps the transaction of a process that was killed (60 s)."""

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
        self._backfill_quiet = backfill_quiet
        self._failures = FailureShare(dead_letter_share)
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
        self.owned: set[int] = set()

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

    async def _settle(self, records: Sequence[Any], refusal: str | None = None) -> None:
        batch = Batch(self._service, self._domain, self._failures, records, refusal)

        async def plan(rows: Mapping[int, Row]) -> Plan:
            return batch.plan(rows, self._clock.now())

        try:
            await self._carry_out({record.partition for record in records}, plan)
        except (*MongoError, Refused) as error:
            if not is_refusal(error) or refusal is not None:
                raise
            if len(records) == 1:
                await self._settle(
                    records, refusal=f"the store refuses it: {str(error)[:1000] or type(error).__name__}"
                )
            else:
                for half in _halves(records):
                    await self._settle(half)
        self.progressed_at = self._clock.now()

    # --- the clock ----------------------------------------------------------------

    async def sweep(self, horizons: Mapping[int, datetime], behind: Container[int] = ()) -> datetime | None:
        """
        Wake what is due up to each partition's horizon, oldest first; answer when the next falls due after that.

        Contacts of a backfill are left alone while their partition is `behind`
        its topic, and until none has come into it for a while: their answers may
        be next in the topic.
        """
        now = self._clock.now()
        kinds = [kind for kind in self._store.kinds if kind.wakeful]
        for kind in kinds:
            while await self.patiently("sweep", partial(self._sweep_some, kind, horizons, behind)):
                pass

        async def following() -> list[datetime | None]:
            return [await self._store.next_wake(kind, horizons, after=now) for kind in kinds]

        return min((wake for wake in await self.patiently("sweep", following) if wake), default=None)

    async def _sweep_some(self, kind: type[State], horizons: Mapping[int, datetime], behind: Container[int]) -> bool:
        """Wake the oldest that are due; answers whether there may be more."""
        rows = await self._store.rows(horizons)
        quiet = self._clock.now() - self._backfill_quiet
        busy = {p for p, row in rows.items() if p in behind or (row.backfilled_at and row.backfilled_at > quiet)}
        due = await self._store.due(kind, horizons, live_only=busy, limit=_SWEEP_AT_ONCE)
        await _together([self._wake_all(kind, lane, horizons) for lane in _lanes(due, lambda one: one[1]) if lane])
        return len(due) == _SWEEP_AT_ONCE

    async def _wake_all(
        self, kind: type[State], due: Sequence[tuple[str, int]], horizons: Mapping[int, datetime]
    ) -> None:
        refs = [Ref(kind, state_id) for state_id, _ in due]
        failed: dict[str, Exception] = {}

        async def plan(_: Mapping[int, Row]) -> Plan:
            failed.clear()
            touches: list[Touch] = [*refs]
            for state in (await self._store.load(refs)).of(kind):
                try:
                    touches += self._domain.touches_on_clock(state)
                except Exception as error:  # noqa: BLE001 - told when it is put off
                    failed[state.id] = error
            return Plan(touches, lambda outcome: self._wake(refs, horizons, outcome, failed))

        try:
            await self._carry_out({partition for _, partition in due}, plan, by="sweep")
        except (*MongoError, Refused) as error:
            if not is_refusal(error):
                raise
            if len(due) > 1:
                for half in _halves(due):
                    await self._wake_all(kind, half, horizons)
                return
            failed[due[0][0]] = error
        partition_of = dict(due)
        for state_id, why in failed.items():
            await self._put_off(Ref(kind, state_id), horizons[partition_of[state_id]], why)

    def _wake(
        self, refs: Sequence[Ref], horizons: Mapping[int, datetime], outcome: Outcome, failed: dict[str, Exception]
    ) -> Iterator[None]:
        for ref in refs:
            yield
            state = outcome.states.get(ref.kind, ref.id)
            if state is None or state.wake_at is None or state.partition not in horizons or ref.id in failed:
                continue
            horizon = horizons[state.partition]
            if state.wake_at > horizon:
                continue
            try:
                decision = self._domain.on_clock(state, outcome.states, horizon)
                _check_moves_on(ref, decision, horizon)
                outcome.apply(decision, state.partition)
            except Exception as error:  # noqa: BLE001 - told when it is put off
                failed[ref.id] = error

    async def _put_off(self, ref: Ref, horizon: datetime, error: Exception) -> None:
        """One state that can't be decided about must not hold up the others."""
        log.error("a wake-up failed and is put off", kind=ref.kind.__name__, id=ref.id, exc_info=error)
        telemetry.SWEEP_FAILURES.labels(self._service).inc()
        await self._store.put_off(ref.kind, ref.id, due=horizon, until=self._clock.now() + _PUT_OFF)

    # --- clicks -------------------------------------------------------------------

    async def act(
        self,
        kind: type[S],
        state_id: str,
        decide: Callable[[S | None, States, datetime], Decision[Any]],
        *,
        touches: Iterable[Touch] = (),
        partition: int | None = None,
    ) -> Decision[Any]:
        """
        Carry out somebody's decision about one state, whichever replica owns it.

        `decide` gets None for an unknown id and may be called again after a
        conflict; what it raises goes to the caller. `partition` is where a new
        state would belong. It waits for MongoDB, not for Kafka: the owner of the
        partition publishes what is told.
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

        await self._carry_out({home}, plan, by="act")
        return made

    # --- the one transaction --------------------------------------------------------

    async def _carry_out(self, partitions: set[int], plan: Planner, *, by: str = "records") -> None:
        async with self._held(partitions, at_most=_CLICK_WAITS if by == "act" else None):
            for count, wait in enumerate(backoff(0.002, 2)):
                if await self._attempt(partitions, plan, by):
                    return
                telemetry.CONFLICTS.labels(self._service).inc()
                if count == _MOST_CONFLICTS:
                    raise RuntimeError(f"partitions {sorted(partitions)}: {count} conflicts in a row")
                if count >= _LOOK_FOR_ABANDONED:
                    await self._end_abandoned()
                await self._clock.sleep(wait)

    async def _attempt(self, partitions: set[int], plan: Planner, by: str) -> bool:
        """Read, decide and write once; False when somebody else came first."""
        rows = await self._store.rows(partitions)
        if by != "act":
            await self._outbox.clear({p: row for p, row in rows.items() if p in self.owned})
        planned = await plan(rows)
        states = await self._load(list(planned.touches), rows)
        outcome = Outcome(states, self._clock.now())
        async with self._deciding if by != "act" else nullcontext():
            for count, _ in enumerate(planned.decide(outcome), 1):
                if count % _STEPS_AT_ONCE == 0:
                    await others_first()
        change = Change(rows, planned.moved, states, dict(outcome.told), outcome.counts)
        if change.is_empty:
            return True
        try:
            await self._store.commit(change)
        except (Conflict, *MongoError) as error:
            if isinstance(error, Conflict) or is_conflict(error):
                return False
            raise
        self._note(change, outcome, by)
        if by != "act":
            await self._outbox.settle(change, partitions & self.owned)
        elif change.outbox:
            self.left_over.set()
        return True

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

    async def _load(self, touches: Sequence[Touch], rows: dict[int, Row]) -> States:
        """Load, and read the rows of all partitions that the states turn out to belong to before the states."""
        states = await self._store.load(touches)
        while foreign := states.partitions - rows.keys():
            rows.update(await self._store.rows(foreign))
            states = await self._store.load(touches)
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
        """Publish for our partitions what a click, here or on another replica, has left in the outbox."""
        for partition in await self._store.waiting(self.owned):
            async with self._held([partition], at_most=None):
                if partition in self.owned:
                    await self._outbox.drain([partition])


def _lanes(items: Sequence[T], partition_of: Callable[[T], int]) -> list[Sequence[T]]:
    """The items in two parts without a partition in common: one is decided while the other is written."""
    sizes = Counter(map(partition_of, items))
    if len(sizes) == 1 or len(items) < _WORTH_TWO_LANES:
        return [items]
    first: set[int] = set()
    filled = 0
    for partition, size in sizes.most_common():
        if filled + size <= len(items) // 2 or not first:
            first.add(partition)
            filled += size
    lanes: tuple[list[T], list[T]] = ([], [])
    for item in items:
        lanes[partition_of(item) in first].append(item)
    return [*lanes]


async def _together(attempts: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Return when all have; when one fails the others are ended, and its error is raised."""
    if len(attempts) == 1:
        await attempts[0]
        return
    try:
        async with asyncio.TaskGroup() as group:
            for attempt in attempts:
                group.create_task(attempt)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


def _halves(items: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    middle = len(items) // 2
    return items[:middle], items[middle:]


def _check_moves_on(ref: Ref, decision: Decision[Any], horizon: datetime) -> None:
    for state in decision.states:
        if type(state) is ref.kind and state.id == ref.id:
            if state.wake_at is not None and state.wake_at <= horizon:
                raise RuntimeError(f"on_clock left wake_at at {state.wake_at}, not past {horizon}")
            return
    raise RuntimeError("on_clock answered without the state that was woken")
