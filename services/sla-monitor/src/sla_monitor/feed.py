"""
Every change of an alert, told to whoever follows `GET /v1/alerts/stream`.

One change stream of MongoDB for all clients of a replica, open while there are any.
An event's id is the stream's resume token, so a client goes on where it stopped with
any replica; what is too old to resume from is answered by `reset`: read the lists again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from rapport.contracts import format_instant
from rapport.runtime import telemetry as shared
from rapport.runtime.clock import Clock
from rapport.runtime.mongo import Database, MongoError
from rapport.runtime.patience import Patience

from sla_monitor import telemetry
from sla_monitor.domain.states import AlertState
from sla_monitor.followers import Followers
from sla_monitor.streaming import event

log = shared.logger()

_WAIT_MS: Final = 500
_ALIVE_EVERY: Final = 5.0
_ANEW_AFTER: Final = 1.0
_BEHIND: Final = 10_000
"""Changes that a slow client may lie behind; past that it starts anew."""
_CATCH_UPS: Final = 4
_CHANGES: Final[list[dict[str, Any]]] = [
    {"$match": {"operationType": {"$in": ["insert", "replace"]}}},
    {"$project": {"fullDocument.s": 1}},
]


@dataclass(frozen=True, slots=True)
class Change:
    """An alert as it has become. `token` names the place in the stream."""

    token: str
    alert: AlertState


class Feed:
    """Hands every change to every follower, in order."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._alerts = database[AlertState.collection]
        self._clock = clock
        self._followers: Followers[Change] = Followers(_BEHIND)
        self._open = asyncio.Event()
        self._token = ""
        self._catching_up = asyncio.Semaphore(_CATCH_UPS)
        self._stopped = False

    async def run(self) -> None:
        """Until cancelled. What changes while MongoDB is away comes when it is back."""
        patiently = Patience("sla-monitor", self._clock)
        try:
            while True:
                await self._followers.somebody()
                try:
                    await patiently("alerts stream", self._watch)
                except MongoError as error:
                    log.warning("the stream of alerts begins anew", error=str(error)[:200])
                    self._close()
                    self._followers.tell(None)
                    await self._clock.sleep(_ANEW_AFTER)
        finally:
            self._stopped = True
            self._open.set()
            self._followers.tell(None)

    async def _watch(self) -> None:
        """Until nobody follows any more."""
        if not self._token:
            self._token = await self._newest()
        self._open.set()
        async with self._alerts.watch(_CHANGES, max_await_time_ms=_WAIT_MS, **_after(self._token)) as stream:
            while self._followers:
                document = await stream.try_next()
                self._token = (stream.resume_token or {}).get("_data", self._token)
                if document is not None:
                    self._followers.tell(_change(document))
            self._close()

    async def _newest(self) -> str:
        """The place behind all that has changed so far."""
        async with self._alerts.watch(_CHANGES, max_await_time_ms=1) as stream:
            await stream.try_next()
            return str((stream.resume_token or {}).get("_data", ""))

    def _close(self) -> None:
        self._open.clear()
        self._token = ""

    @asynccontextmanager
    async def changes(self) -> AsyncIterator["asyncio.Queue[Change | None]"]:
        """Every change from now on; None where some were missed, and when nothing more will come."""
        with self._followers.joined() as queue:
            await self._open.wait()
            yield queue

    async def follow(self, after: str, wanted: Callable[[AlertState], bool]) -> AsyncIterator[str]:
        """Server-sent events: `ready`, then an `alert` for each change, `alive` in between, `reset` after a gap."""
        with telemetry.STREAMS.track_inprogress():
            async with self.changes() as queue:
                missed: set[str] = set()
                if after:
                    async for line in self._missed(after, wanted, missed):
                        yield line
                yield event("ready", {}, self._token or after)
                while not self._stopped:
                    async for line in self._live(queue, wanted, missed):
                        yield line

    async def _live(
        self, queue: "asyncio.Queue[Change | None]", wanted: Callable[[AlertState], bool], missed: set[str]
    ) -> AsyncIterator[str]:
        try:
            async with asyncio.timeout(_ALIVE_EVERY):
                change = await queue.get()
        except TimeoutError:
            yield event("alive", {"as_of": format_instant(self._clock.now())}, self._token)
            return
        if change is None:
            yield event("reset", {}, self._token)
        elif change.token not in missed and wanted(change.alert):
            yield _told(change)

    async def _missed(self, after: str, wanted: Callable[[AlertState], bool], seen: set[str]) -> AsyncIterator[str]:
        """What has changed since `after`."""
        async with self._catching_up:
            try:
                async with self._alerts.watch(_CHANGES, max_await_time_ms=1, **_after(after)) as stream:
                    while (document := await stream.try_next()) is not None:
                        change = _change(document)
                        seen.add(change.token)
                        if wanted(change.alert):
                            yield _told(change)
            except MongoError:
                yield event("reset", {}, self._token)


def shown(alert: AlertState) -> dict[str, Any]:
    """An alert as the API shows it."""
    return alert.shown(without={"partition", "wake_at", "backfill"})


def _after(token: str) -> dict[str, Any]:
    return {"resume_after": {"_data": token}} if token else {}


def _change(document: dict[str, Any]) -> Change:
    return Change(document["_id"]["_data"], AlertState.restored(document["fullDocument"]["s"]))


def _told(change: Change) -> str:
    return event("alert", shown(change.alert), change.token)
