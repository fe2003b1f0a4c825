"""
The one way in which anything changes a state.

A batch of records, a sweep and somebody's click all do the same: read the rows
of their partitions, load states, decide purely, and write states, rows and
outbox in one transaction that matches and increments each row's `seq`. Whoever
comes second finds the number changed, and reads and decides again.
"""

import asyncio
import hashlib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from rapport.contracts import TOPIC_OF, Data, Event, UndecodableEvent, decode, encode
from rapport.decision import Counted, Decision, Domain, Ref, State, States, Touch
from rapport.runtime import telemetry
from rapport.runtime.clock import Clock, backoff
from rapport.runtime.dead_letter import FailureShare, dead_letter
from rapport.runtime.mongo import MongoError, is_conflict, is_transient
from rapport.runtime.publisher import NotAcknowledged, Outgoing, Publisher
from rapport.runtime.store import Change, Conflict, OutboxFull, Row, Store, outbox_key

log = telemetry.logger()

S = TypeVar("S", bound=State)
Decide = Callable[[States, datetime], Decision[Any]]

_SWEEP_AT_ONCE = 500
_PUT_OFF = timedelta(minutes=1)
_MOST_CONFLICTS = 120
"""With its waits, longer than MongoDB keeps the transaction of a process that was killed (60 s)."""


class WrongCluster(Exception):
    """The topic does not hold what was read from it before: another cluster, or it was made anew."""


@dataclass(slots=True)
class Plan:
    """What to load, and then to decide. `moved` are the rows with the positions after a batch."""

    touches: list[Touch]
    decide: Callable[["Outcome"], None]
    moved: dict[int, Row] = field(default_factory=dict)


@dataclass(slots=True)
class Outcome:
    """What has been decided so far in one transaction."""

    states: States
    now: datetime
    told: dict[int, list[Outgoing]] = field(default_factory=lambda: defaultdict(list))
    counts: list[tuple[int, Counted]] = field(default_factory=list)

    def apply(self, decision: Decision[Any], partition: int) -> None:
        self.states.apply(decision)
        for tell in decision.events:
            self.told[partition].append(Outgoing(TOPIC_OF[tell.event.type], tell.key.encode(), encode(tell.event)))
        for counted in decision.counts:
            self.counts.append((partition, counted))


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
        self._publisher = publisher
        self._clock = clock
        self._backfill_quiet = backfill_quiet
        self._failures = FailureShare(dead_letter_share)
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._published: dict[int, int] = {}
        self.positions: dict[tuple[str, int], int] = {}
        self.stamps: dict[tuple[str, int], int] = {}
        self.progressed_at = clock.now()
        self.woken = asyncio.Event()
        self.next_wake: datetime | None = None
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
            await self.patiently("records", lambda: self._settle(records))
        for record in records:
            self.stamps[record.topic, record.partition] = record.timestamp
        for topic, count in Counter(record.topic for record in records).items():
            telemetry.RECORDS.labels(self._service, topic).inc(count)

    async def _settle(self, records: Sequence[Any], refusal: str | None = None) -> None:
        try:
            await self._carry_out(
                {r.partition for r in records}, lambda rows: self._plan_records(records, rows, refusal)
            )
        except (*MongoError, OutboxFull) as error:
            if is_transient(error) or is_conflict(error):
                raise
            if len(records) > 1:
                middle = len(records) // 2
                await self._settle(records[:middle])
                await self._settle(records[middle:])
            elif refusal is None:
                await self._settle(records, refusal=f"the store refuses it: {error or type(error).__name__}")
            else:
                raise

    async def _plan_records(self, records: Sequence[Any], rows: Mapping[int, Row], refusal: str | None) -> Plan:
        fresh = [r for r in records if _is_fresh(r, rows[r.partition])]
        now = self._clock.now()
        decoded: list[tuple[Any, Event[Data] | UndecodableEvent]] = []
        touches: list[Touch] = []
        for record in fresh:
            event = UndecodableEvent("", refusal) if refusal else _decoded(record)
            if not isinstance(event, UndecodableEvent):
                touches += self._domain.touches(event)
            decoded.append((record, event))

        def decide(outcome: Outcome) -> None:
            refused = 0
            for record, event in decoded:
                failure = event if isinstance(event, UndecodableEvent) else self._decide(event, record, outcome)
                if failure:
                    refused += 1
                    letter = dead_letter(
                        record, service=self._service, pointer=failure.pointer, reason=failure.reason, now=now
                    )
                    outcome.told[record.partition].append(letter)
                    telemetry.DEAD.labels(self._service, record.topic).inc()
            self._failures.note(taken=len(decoded), refused=refused)

        return Plan(touches, decide, self._moved(fresh, decoded, rows, now))

    def _decide(self, event: Event[Data], record: Any, outcome: Outcome) -> UndecodableEvent | None:
        try:
            decision = self._domain.on_event(event, record.partition, outcome.states, outcome.now)
        except Exception as error:  # a domain that raises has refused this record; the share of such is limited
            log.exception("the domain refused a record", topic=record.topic, event=event.id, source=event.source)
            return UndecodableEvent("", f"{type(error).__name__}: {error}")
        outcome.apply(decision, record.partition)
        return None

    def _moved(
        self, fresh: Sequence[Any], decoded: Sequence[tuple[Any, Any]], rows: Mapping[int, Row], now: datetime
    ) -> dict[int, Row]:
        moved: dict[int, Row] = {}
        newest: dict[tuple[str, int], Any] = {(r.topic, r.partition): r for r in fresh}
        for (topic, partition), record in newest.items():
            row = moved.get(partition) or _copy(rows[partition])
            row.offsets[topic] = record.offset + 1
            row.last[topic] = (record.offset, digest(record))
            moved[partition] = row
        for record, event in decoded:
            if getattr(event, "backfill", False):
                moved[record.partition].backfilled_at = now
        return moved

    # --- the clock ----------------------------------------------------------------

    async def sweep(self, horizons: Mapping[int, datetime]) -> datetime | None:
        """
        Wake what is due up to each partition's horizon, oldest first; answer when the next falls due after that.

        Contacts of a backfill are left alone until none has come into their
        partition for a while: their answers may be next in the topic.
        """
        now = self._clock.now()
        for kind in self._store.kinds:
            while not kind.projection and await self._sweep_some(kind, horizons):
                pass
        wakes = [
            wake
            for kind in self._store.kinds
            if not kind.projection and (wake := await self._store.next_wake(kind, horizons, after=now))
        ]
        return min(wakes, default=None)

    async def _sweep_some(self, kind: type[State], horizons: Mapping[int, datetime]) -> bool:
        now = self._clock.now()
        rows = await self._store.rows(horizons)
        quiet = now - self._backfill_quiet
        busy = {p for p, row in rows.items() if row.backfilled_at and row.backfilled_at > quiet}
        due = await self._store.due(kind, horizons, live_only=busy, limit=_SWEEP_AT_ONCE)
        if not due:
            return False
        refs = [Ref(kind, state_id) for state_id, _ in due]
        partitions = {partition for _, partition in due}

        async def plan(_: Mapping[int, Row]) -> Plan:
            woken = await self._store.load(refs)
            touches: list[Touch] = [*refs]
            for state in woken.of(kind):
                touches += self._domain.touches_on_clock(state)
            return Plan(touches, lambda outcome: self._wake(refs, horizons, outcome, failed))

        failed: list[Ref] = []
        await self.patiently("sweep", lambda: self._carry_out(partitions, plan, by="sweep"))
        for ref in failed:
            await self._store.put_off(ref.kind, ref.id, now + _PUT_OFF)
        return len(due) == _SWEEP_AT_ONCE

    def _wake(self, refs: Sequence[Ref], horizons: Mapping[int, datetime], outcome: Outcome, failed: list[Ref]) -> None:
        failed.clear()
        for ref in refs:
            state = outcome.states.get(ref.kind, ref.id)
            if state is None or state.wake_at is None or state.partition not in horizons:
                continue
            horizon = horizons[state.partition]
            if state.wake_at > horizon:
                continue
            try:
                decision = self._domain.on_clock(state, outcome.states, horizon)
                _check_moves_on(ref, decision, horizon)
            except Exception:  # one state that can't be decided about must not hold up the others
                log.exception("a wake-up raised and is put off", kind=ref.kind.__name__, id=ref.id)
                telemetry.SWEEP_FAILURES.labels(self._service).inc()
                failed.append(ref)
                continue
            outcome.apply(decision, state.partition)

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
        state would belong.
        """
        known = await self._store.get(kind, state_id)
        home = known.partition if known else partition
        if home is None:
            return decide(None, States(), self._clock.now())
        made: Decision[Any] = Decision()

        def decide_now(outcome: Outcome) -> None:
            nonlocal made
            made = decide(outcome.states.get(kind, state_id), outcome.states, outcome.now)
            outcome.apply(made, home)

        async def plan(_: Mapping[int, Row]) -> Plan:
            return Plan([Ref(kind, state_id), *touches], decide_now)

        await self._carry_out({home}, plan, by="act")
        return made

    # --- the one transaction --------------------------------------------------------

    async def _carry_out(
        self, partitions: set[int], plan: Callable[[Mapping[int, Row]], Awaitable[Plan]], *, by: str = "records"
    ) -> None:
        async with AsyncExitStack() as held:
            for partition in sorted(partitions):
                await held.enter_async_context(self._locks[partition])
            for wait in islice(backoff(0.002, 2), _MOST_CONFLICTS):
                rows = await self._store.rows(partitions)
                await self._publish_left_overs(rows)
                planned = await plan(rows)
                states = await self._load(planned.touches, rows)
                outcome = Outcome(states, self._clock.now())
                planned.decide(outcome)
                change = Change(rows, planned.moved, states, dict(outcome.told), outcome.counts)
                if change.is_empty:
                    break
                try:
                    await self._store.commit(change)
                except (Conflict, *MongoError) as error:
                    if not isinstance(error, Conflict) and not is_conflict(error):
                        raise
                    telemetry.CONFLICTS.labels(self._service).inc()
                    await self._clock.sleep(wait)
                    continue
                telemetry.BATCHES.labels(self._service, by).inc()
                await self._after_commit(change, partitions)
                break
            else:
                raise RuntimeError(f"partitions {sorted(partitions)}: {_MOST_CONFLICTS} conflicts in a row")
        self.progressed_at = self._clock.now()

    async def _load(self, touches: Sequence[Touch], rows: dict[int, Row]) -> States:
        """Load, and read the rows of all partitions that the states turn out to belong to before the states."""
        states = await self._store.load(touches)
        while foreign := states.partitions - rows.keys():
            rows.update(await self._store.rows(foreign))
            states = await self._store.load(touches)
        return states

    async def _after_commit(self, change: Change, ours: set[int]) -> None:
        for partition, row in change.moved.items():
            for topic, offset in row.offsets.items():
                self.positions[topic, partition] = offset
        wakes = [state.wake_at for state in change.states.changed if state.wake_at]
        if wakes and (self.next_wake is None or min(wakes) < self.next_wake):
            self.next_wake = min(wakes)
            self.woken.set()
        mine = {p: out for p, out in change.outbox.items() if p in ours and p in self.owned}
        if mine:
            await self._publish([event for p in sorted(mine) for event in mine[p]])
            await self._store.forget([outbox_key(change.rows[p]) for p in mine])
        for partition, row in change.rows.items():
            if partition in mine or partition not in change.outbox:
                self._note_published(partition, row.seq)

    def _note_published(self, partition: int, seq: int) -> None:
        if self._published.get(partition) == seq:
            self._published[partition] = seq + 1

    async def _publish_left_overs(self, rows: Mapping[int, Row]) -> None:
        """Events that another replica, a crash or an unknown commit left in the outbox come first."""
        unknown = [p for p, row in rows.items() if self._published.get(p) != row.seq and p in self.owned]
        if unknown:
            await self.drain(unknown)
            self._published.update((p, rows[p].seq) for p in unknown)

    async def drain(self, partitions: Iterable[int]) -> int:
        """Publish what lies in the outbox of these partitions, in order; answers how many documents."""
        partitions = list(partitions)
        drained = 0
        while documents := await self._store.outbox(partitions):
            await self._publish([event for _, events in documents for event in events])
            await self._store.forget([key for key, _ in documents])
            drained += len(documents)
        return drained

    async def collect_left_overs(self) -> None:
        """Publish for our partitions what a click on another replica has left in the outbox."""
        for partition in sorted(self.owned):
            async with self._locks[partition]:
                await self.drain([partition])

    async def _publish(self, events: Sequence[Outgoing]) -> None:
        async def attempt() -> None:
            await self._publisher.publish(events)

        await self.patiently("publish", attempt)
        telemetry.TOLD.labels(self._service).inc(len(events))

    async def patiently(self, what: str, attempt: Callable[[], Awaitable[None]]) -> None:
        """Try until it succeeds, waiting between tries, while Kafka or MongoDB is away."""
        waits = backoff()
        while True:
            try:
                return await attempt()
            except (NotAcknowledged, *MongoError) as error:
                if not isinstance(error, NotAcknowledged) and not is_transient(error):
                    raise
                telemetry.RETRIES.labels(self._service, what).inc()
                log.warning("waiting to try again", what=what, error=str(error)[:300])
                await self._clock.sleep(next(waits))


def digest(record: Any) -> str:
    """Tells one record from another that stands at the same place of another cluster."""
    return hashlib.blake2b(record.value or b"", digest_size=8).hexdigest()


def _decoded(record: Any) -> Event[Data] | UndecodableEvent:
    try:
        return decode(record.value)
    except UndecodableEvent as error:
        return error


def _is_fresh(record: Any, row: Row) -> bool:
    """Whether a record is new; the one that was settled last must be the one we remember."""
    position = row.offsets.get(record.topic)
    if position is None or record.offset >= position:
        return True
    last = row.last.get(record.topic)
    if last and last[0] == record.offset and last[1] != digest(record):
        raise WrongCluster(
            f"{record.topic}/{record.partition} holds another record at offset {record.offset} than was read there "
            "before: is this another cluster, or was the topic made anew?"
        )
    return False


def _check_moves_on(ref: Ref, decision: Decision[Any], horizon: datetime) -> None:
    for state in decision.states:
        if type(state) is ref.kind and state.id == ref.id:
            if state.wake_at is not None and state.wake_at <= horizon:
                raise RuntimeError(f"on_clock left wake_at at {state.wake_at}, not past {horizon}")
            return
    raise RuntimeError("on_clock answered without the state that was woken")


def _copy(row: Row) -> Row:
    return Row(row.partition, row.seq, dict(row.offsets), dict(row.last), row.backfilled_at)
