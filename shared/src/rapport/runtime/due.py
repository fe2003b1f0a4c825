"""States that are to wake, as MongoDB finds them: what is due, what comes next, and what is put off."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import NamedTuple

from rapport.decision import State
from rapport.runtime import alarms
from rapport.runtime.store import Store


class _Awake(NamedTuple):
    """A state, and the instant to wake it at, which may have been put off."""

    at: datetime
    state: State


class Due:
    """Reads the alarms of a store's states."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def oldest(
        self, kind: type[State], horizons: Mapping[int, datetime], *, live_only: set[int], limit: int
    ) -> list[State]:
        """
        The states to wake, oldest first. Partitions of `live_only` leave out backfill.

        One query serves all partitions, unless so much is to be left alone that it hides what is not.
        """
        if not horizons:
            return []
        until, partitions = max(horizons.values()), sorted(horizons)
        found = await self._awake(kind, until, partitions, live=live_only.issuperset(partitions), limit=limit)
        due = [
            one
            for one in found
            if one.at <= horizons[one.state.partition] and not (one.state.backfill and one.state.partition in live_only)
        ]
        if len(due) < len(found) == limit:
            due = await self._due_by_group(kind, horizons, live_only, limit)
        return [one.state for one in due]

    async def of_each(
        self, kind: type[State], horizons: Mapping[int, datetime], *, live_only: set[int], most: int
    ) -> list[State]:
        """The oldest states to wake of each partition, `most` of each, with a query for each."""
        found = await asyncio.gather(
            *(
                self._awake(kind, horizon, [partition], live=partition in live_only, limit=most)
                for partition, horizon in sorted(horizons.items())
            )
        )
        return [one.state for one in chain.from_iterable(found)]

    async def _due_by_group(
        self, kind: type[State], horizons: Mapping[int, datetime], live_only: set[int], limit: int
    ) -> list[_Awake]:
        """The same with a query for each horizon."""
        groups: dict[tuple[datetime, bool], list[int]] = defaultdict(list)
        for partition, horizon in horizons.items():
            groups[horizon, partition in live_only].append(partition)
        found: list[_Awake] = []
        for (horizon, live), partitions in groups.items():
            found += await self._awake(kind, horizon, partitions, live=live, limit=limit)
        return sorted(found, key=lambda one: one.at)[:limit]

    async def _awake(
        self, kind: type[State], until: datetime, partitions: Sequence[int], *, live: bool, limit: int
    ) -> list[_Awake]:
        where, shown = alarms.due(until, partitions, live=live), {"s": 1, "wake_at": 1}
        cursor = (
            self._store.collection(kind.collection).find(where, shown, batch_size=limit).sort("wake_at", 1).limit(limit)
        )
        return [_Awake(document["wake_at"], kind.restored(document["s"])) for document in await cursor.to_list(None)]

    async def following(self, kind: type[State], partitions: Iterable[int], *, after: datetime) -> datetime | None:
        where = alarms.later(after, list(partitions))
        document = await self._store.collection(kind.collection).find_one(where, {"wake_at": 1}, sort=[("wake_at", 1)])
        return document["wake_at"] if document else None

    async def put_off(self, kind: type[State], state_id: str, *, due: datetime, until: datetime) -> None:
        """
        Wake a state later than it says itself, if it is due still; for one that can't be decided about.

        Until it is written again, `failing_since` says when it should have been looked at first.
        """
        where = {"_id": state_id, "wake_at": {"$lte": due}}
        mark = {"wake_at": until, "failing_since": {"$ifNull": ["$failing_since", "$wake_at"]}}
        await self._store.collection(kind.collection).update_one(where, [{"$set": mark}])
