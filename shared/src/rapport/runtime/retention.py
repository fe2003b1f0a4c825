"""What is over, and changes no more, is forgotten after a while."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NoReturn

from rapport.decision import State
from rapport.runtime import telemetry
from rapport.runtime.clock import Clock
from rapport.runtime.patience import Patience
from rapport.runtime.store import Store

log = telemetry.logger()

_EVERY: Final = 3600.0
_AT_ONCE: Final = 1000


Needed = Callable[[Sequence[str]], Awaitable[Collection[str]]]
"""Those of these states, by their ids, that something still needs."""


@dataclass(frozen=True, slots=True)
class Over:
    """
    States of a kind that nobody decides about any more, and how long they stay.

    `where` finds them by their indexed fields; `since` is the field that holds the
    instant from which their time counts. What is `needed` stays, however old it is.
    """

    kind: type[State]
    where: Mapping[str, Any]
    since: str
    stay: timedelta
    needed: Needed | None = None


async def forget_for_ever(service: str, store: Store, overs: Sequence[Over], clock: Clock) -> NoReturn:
    """Look once an hour. Every replica does: what one has deleted the others do not find."""
    patiently = Patience(service, clock)
    while True:
        for over in overs:
            forgotten = await patiently("retention", partial(forget, store, over, clock.now()))
            if forgotten:
                telemetry.FORGOTTEN.labels(service, over.kind.collection).inc(forgotten)
                log.info("forgotten", collection=over.kind.collection, count=forgotten)
        await clock.sleep(_EVERY)


async def forget(store: Store, over: Over, now: datetime) -> int:
    """How many states were deleted since their time had passed; some at a time, so that nobody waits for it."""
    collection = store.collection(over.kind.collection)
    where = {**over.where, over.since: {"$lt": now - over.stay}}
    forgotten = 0
    async for ids in _some_at_a_time(collection.find(where, {"_id": 1})):
        needed = frozenset(await over.needed(ids) if over.needed else ())
        gone = [name for name in ids if name not in needed]
        forgotten += (await collection.delete_many({"_id": {"$in": gone}, **where})).deleted_count
    return forgotten


async def _some_at_a_time(rows: AsyncIterable[Mapping[str, Any]]) -> AsyncIterator[list[str]]:
    ids: list[str] = []
    async for row in rows:
        ids.append(row["_id"])
        if len(ids) == _AT_ONCE:
            yield ids
            ids = []
    if ids:
        yield ids
