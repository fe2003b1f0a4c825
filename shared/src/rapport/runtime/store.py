"""States, positions and the outbox in MongoDB: read together, changed in one transaction."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, Final, TypeVar

from rapport.decision import Counted, Match, Ref, State, States, Touch
from rapport.runtime import alarms
from rapport.runtime.documents import ensure, writes_of
from rapport.runtime.editions import Editions
from rapport.runtime.mongo import (
    Client,
    Collection,
    Database,
    DuplicateKeyError,
    MongoError,
    Session,
    UpdateOne,
    answered_at_once,
    end_abandoned_transactions,
    finished,
    is_conflict,
    is_no_fault_of_the_data,
    one_instant,
    transaction,
)
from rapport.runtime.publisher import STRUCTURED, Outgoing

S = TypeVar("S", bound=State)

OUTBOX_LIMIT = 8 << 20
"""Bytes of events that one outbox document may hold."""


_AT_ONCE = 10_000
"""Documents in one answer of MongoDB, which are 101 unless it is told otherwise."""

_WHOLE = {"s": 1}
"""A state is in its text; the indexed fields beside it need not travel."""


class Conflict(Exception):
    """Somebody else changed the partition since its row was read."""


class Refused(Exception):
    """MongoDB can never take this as it is: it is too large, or can't be said in BSON."""


class OutboxFull(Refused):
    """The events of one batch do not fit into one outbox document."""


def is_refusal(error: BaseException) -> bool:
    """Whether trying the same again is in vain, be it at another time or after reading everything anew."""
    return isinstance(error, Refused) or (
        isinstance(error, MongoError) and not is_no_fault_of_the_data(error) and not is_conflict(error)
    )


@dataclass(slots=True)
class Row:
    """
    Where a partition number stands: the truth about positions.

    `seq` rises with every transaction that changes a state of the partition.
    `offsets` holds the next offset per topic, `last` the offset and digest of
    the newest settled record per topic. `epoch` is 0 where there is none.
    """

    partition: int
    seq: int = 0
    offsets: dict[str, int] = field(default_factory=dict)
    last: dict[str, tuple[int, str]] = field(default_factory=dict)
    backfilled_at: datetime | None = None
    epoch: int = 0

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Row:
        return cls(
            document["_id"],
            document["seq"],
            dict(document.get("offsets", {})),
            {topic: (offset, digest) for topic, (offset, digest) in document.get("last", {}).items()},
            document.get("backfilled_at"),
            document.get("epoch", 0),
        )

    def copy(self) -> Row:
        return Row(self.partition, self.seq, dict(self.offsets), dict(self.last), self.backfilled_at, self.epoch)


@dataclass(slots=True)
class Change:
    """All that one transaction writes. `rows` are as read; `moved` holds what becomes of them."""

    rows: dict[int, Row]
    moved: dict[int, Row]
    states: States
    outbox: dict[int, list[Outgoing]]
    counts: list[tuple[int, Counted]]

    @property
    def is_empty(self) -> bool:
        return not (self.moved or self.outbox or self.counts or any(self.states.changed) or any(self.states.gone))


class Store:
    """The documents of one service. Collections named in `editions` have several, of which one stands."""

    def __init__(
        self, client: Client, database: Database, kinds: Sequence[type[State]], editions: Container[str] = ()
    ) -> None:
        self._client = client
        self._database = database
        self.kinds = tuple(kinds)
        self.editions = Editions(editions)
        self._rows = database["partitions"]
        self._outbox = database["outbox"]

    def collection(self, name: str) -> Collection:
        return self._database[self.editions.name(name)]

    def of_edition(self, edition: int) -> Store:
        """The same documents in one edition, whether it stands or not."""
        other = copy(self)
        other.editions = self.editions.of(edition)
        return other

    async def look_which_stands(self) -> None:
        """See which edition stands; all rows say the same."""
        self.editions.seen((await self._rows.find_one({"_id": 0}) or {}).get("edition", 0))

    def transaction(self) -> AbstractAsyncContextManager[Session]:
        """For writes that only a service has: all or nothing."""
        return transaction(self._client)

    def one_instant(self) -> AbstractAsyncContextManager[Session]:
        """A session in which all that is read is as it was when the first of it was."""
        return one_instant(self._client)

    async def prepare(self, partitions: int) -> None:
        """Indexes and one row per partition number, where they are missing."""
        await self.look_which_stands()
        await self.prepare_kinds()
        await self._outbox.create_index([("p", 1), ("_id.seq", 1)])
        first = await self._rows.find_one({"_id": 0}) or {}
        new = {"seq": 0, **{name: first[name] for name in ("edition", "epoch") if name in first}}
        for partition in range(partitions):
            try:
                await self._rows.update_one({"_id": partition}, {"$setOnInsert": new}, upsert=True)
            except DuplicateKeyError:
                continue

    async def prepare_kinds(self) -> None:
        """The indexes of all kinds, where they are missing."""
        for kind in self.kinds:
            collection = self.collection(kind.collection)
            for index in kind.indexes:
                await ensure(collection, index)
            if kind.wakeful:
                await alarms.prepare(collection)

    async def get(self, kind: type[S], state_id: str) -> S | None:
        document = await self.collection(kind.collection).find_one({"_id": state_id}, _WHOLE)
        return _state(kind, document) if document else None

    async def find(
        self,
        kind: type[S],
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (("_id", 1),),
        limit: int = 0,
    ) -> list[S]:
        """The states whose indexed fields fit, in order."""
        cursor = self.collection(kind.collection).find(where, _WHOLE, batch_size=_AT_ONCE).sort(list(sort)).limit(limit)
        return [_state(kind, document) for document in await cursor.to_list(None)]

    async def rows(self, partitions: Iterable[int]) -> dict[int, Row]:
        cursor = self._rows.find({"_id": {"$in": sorted(partitions)}})
        rows = {}
        async for document in cursor:
            self.editions.seen(document.get("edition", 0))
            rows[document["_id"]] = Row.of(document)
        return rows

    async def load(self, touches: Iterable[Touch], known: Iterable[State] = ()) -> States:
        """
        All that is touched, with one query for each collection and field; for what is bounded one each.

        Then what the found states lead to, and these. What is `known` need not be read again.
        """
        held = {(type(state), state.id): state for state in known}
        refs: dict[type[State], set[str]] = defaultdict(set)
        matches: dict[tuple[type[State], str, tuple[tuple[str, Any], ...]], set[str]] = defaultdict(set)
        some: set[Match] = set()
        for touch in touches:
            if isinstance(touch, Ref):
                if (touch.kind, touch.id) not in held:
                    refs[touch.kind].add(touch.id)
            elif isinstance(touch, Match) and touch.most:
                some.add(touch)
            elif isinstance(touch, Match):
                matches[touch.kind, touch.field, touch.where].add(touch.value)
        by_id = [self._all(kind, {"_id": {"$in": list(ids)}}) for kind, ids in refs.items()]
        by_field = [
            self._all(kind, {name: {"$in": list(values)}, **dict(where)})
            for (kind, name, where), values in matches.items()
        ]
        by_rank = [
            self.find(
                touch.kind, {touch.field: touch.value, **dict(touch.where)}, sort=[(touch.by, -1)], limit=touch.most
            )
            for touch in some
        ]
        states = States()
        read = await asyncio.gather(*by_id, *by_field, *by_rank)
        found = [*held.values(), *chain.from_iterable(read)]
        states.loaded((Ref(kind, i) for kind, ids in refs.items() for i in ids), found)
        await self._load_further({ref for state in found for ref in state.leads_to()}, states)
        return states

    async def _load_further(self, refs: set[Ref], states: States) -> None:
        kinds: dict[type[State], list[str]] = defaultdict(list)
        for ref in refs:
            if not states.knows(ref):
                kinds[ref.kind].append(ref.id)
        further: list[State] = []
        for kind, ids in kinds.items():
            found = await self._all(kind, {"_id": {"$in": ids}})
            states.loaded(refs, found)
            further += found
        if further:
            await self._load_further({ref for state in further for ref in state.leads_to()}, states)

    async def _all(self, kind: type[S], where: Mapping[str, Any]) -> list[S]:
        cursor = self.collection(kind.collection).find(where, _WHOLE, batch_size=_AT_ONCE)
        return [_state(kind, document) for document in await cursor.to_list(None)]

    async def commit(self, change: Change) -> None:
        """Write all or nothing. `Conflict` when a row is no longer as it was read, `Refused` when it can't be said."""
        with _refusing((TypeError, ValueError)):
            epochs = {p: row.epoch for p, row in change.rows.items() if row.epoch}
            writes = writes_of(change.states, change.counts, epochs)
            letters = [_outbox_document(change.rows[p], out) for p, out in change.outbox.items()]
        async with transaction(self._client) as session:
            await self._move_rows(change, session)
            await self._write(writes, session)
            if letters:
                with _refusing(_NOT_IN_BSON):
                    await finished(self._outbox.insert_many(letters, session=session))

    async def add(self, states: States, counts: Iterable[tuple[int, Counted]], session: Session) -> None:
        """
        Write what no row guards, in a transaction that keeps others from it otherwise.

        `Refused` when it can't be said.
        """
        with _refusing((TypeError, ValueError)):
            writes = writes_of(states, counts)
        await self._write(writes, session)

    async def _write(self, writes: Mapping[str, list[Any]], session: Session) -> None:
        with _refusing(_NOT_IN_BSON):
            for name, some in writes.items():
                await finished(self.collection(name).bulk_write(some, session=session))

    async def end_abandoned(self) -> int:
        """Abort what a replica that was killed has left open, and which keeps others from its partitions."""
        return await end_abandoned_transactions(self._client)

    async def _move_rows(self, change: Change, session: Session) -> None:
        updates = []
        for partition, row in change.rows.items():
            to = change.moved.get(partition, row)
            fields: dict[str, Any] = {
                "seq": row.seq + 1,
                "offsets": to.offsets,
                "last": {topic: list(last) for topic, last in to.last.items()},
                "backfilled_at": to.backfilled_at,
            }
            updates.append(UpdateOne({"_id": partition, "seq": row.seq}, {"$set": fields}))
        result = await finished(self._rows.bulk_write(updates, ordered=False, session=session))
        if result.matched_count != len(updates):
            raise Conflict

    async def waiting(self, partitions: Iterable[int]) -> list[int]:
        """Those of the partitions for which something lies in the outbox."""
        return sorted(await self._outbox.distinct("p", {"p": {"$in": list(partitions)}}))

    async def outbox(self, partitions: Iterable[int]) -> list[tuple[dict[str, int], list[Outgoing]]]:
        """What was decided and perhaps not published yet, in order."""
        cursor = self._outbox.find({"p": {"$in": list(partitions)}}).sort([("p", 1), ("_id.seq", 1)]).limit(20)
        return [(d["_id"], [_outgoing(item) for item in d["events"]]) async for d in cursor]

    async def forget(self, keys: Sequence[Mapping[str, int]]) -> None:
        """Delete outbox documents whose events are published; what a crash brings back is published again."""
        await answered_at_once(self._outbox).delete_many({"_id": {"$in": list(keys)}})


_NOT_IN_BSON: Final = (OverflowError, UnicodeError)
"""BSON has 64 bits, and no halves of surrogates."""


@contextmanager
def _refusing(errors: tuple[type[Exception], ...]) -> Iterator[None]:
    try:
        yield
    except errors as error:
        raise Refused(f"{type(error).__name__}: {error}") from error


def outbox_key(row: Row) -> dict[str, int]:
    return {"p": row.partition, "seq": row.seq + 1}


def _outbox_document(row: Row, events: Sequence[Outgoing]) -> dict[str, Any]:
    size = sum(len(e.value or b"") + len(e.key or b"") + sum(len(v) for _, v in e.headers) + 64 for e in events)
    if size > OUTBOX_LIMIT:
        raise OutboxFull
    items = []
    for e in events:
        item: dict[str, Any] = {"t": e.topic, "k": e.key, "v": e.value}
        if e.headers is not STRUCTURED:
            item["h"] = [[name, value] for name, value in e.headers]
        items.append(item)
    return {"_id": outbox_key(row), "p": row.partition, "events": items}


def _outgoing(item: Mapping[str, Any]) -> Outgoing:
    headers = tuple((name, value) for name, value in item["h"]) if "h" in item else STRUCTURED
    return Outgoing(item["t"], item["k"], item["v"], headers)


def _state(kind: type[S], document: Mapping[str, Any]) -> S:
    return kind.restored(document["s"])
