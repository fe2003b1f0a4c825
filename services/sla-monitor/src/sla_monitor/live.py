"""
The board kept true while it is open: what has changed, drawn once and pushed to all who look.

Changes of a tenth of a second go together, whatever their number; figures follow
within a second. A client that can't be told everything is told to read the page
again. While MongoDB does not answer nothing is said, so that the screen calls itself stale.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from rapport.runtime import telemetry as shared
from rapport.runtime.clock import Clock
from rapport.runtime.keys import Key
from rapport.runtime.mongo import MongoError
from rapport.runtime.store import Store

from sla_monitor import telemetry
from sla_monitor.access import may_see, team_condition, teams_looked_at
from sla_monitor.board import Board
from sla_monitor.domain.board_filter import BoardFilter
from sla_monitor.domain.states import AlertState, ContactState
from sla_monitor.drawing import Drawing
from sla_monitor.feed import Change, Feed
from sla_monitor.followers import Followers
from sla_monitor.streaming import event

log = shared.logger()

_TOGETHER: Final = 0.1
_SECOND: Final = timedelta(seconds=1)
_ALIVE_EVERY: Final = 5.0
_LOOK_EVERY: Final = 1.0
_BEHIND: Final = 600
"""Batches that a slow client may lie behind; past that it reads the page again."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """An alert and its row, as those see it who may act and those who may only watch."""

    alert: AlertState
    sort: str
    acting: str
    watching: str


Batch = list[Drawn]


class Live:
    """Tells every open board what has changed on it."""

    def __init__(self, feed: Feed, board: Board, store: Store, drawing: Drawing, clock: Clock) -> None:
        self._feed = feed
        self._board = board
        self._contacts = store.collection(ContactState.collection)
        self._drawing = drawing
        self._clock = clock
        self._boards: Followers[Batch] = Followers(_BEHIND)
        self._open = asyncio.Event()
        self._figures: dict[str, str] = {}
        self._counted_in: datetime | None = None
        self._counting = asyncio.Lock()
        self._stopped = False

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._boards.somebody()
                async with self._feed.changes() as queue:
                    self._open.set()
                    while self._boards:
                        await self._push(queue)
                    self._open.clear()
        finally:
            self._stopped = True
            self._open.set()
            self._boards.tell(None)

    async def _push(self, queue: "asyncio.Queue[Change | None]") -> None:
        """What changes in a tenth of a second."""
        try:
            async with asyncio.timeout(_LOOK_EVERY):
                changes = [await queue.get()]
        except TimeoutError:
            return
        await self._clock.sleep(_TOGETHER)
        while not queue.empty():
            changes.append(queue.get_nowait())
        self._boards.tell(await self._draw(changes))

    async def _draw(self, changes: list[Change | None]) -> Batch | None:
        """The rows of what has changed, each alert once; None where some of it is not known."""
        newest = {change.alert.id: change.alert for change in changes if change is not None}
        if None in changes:
            return None
        try:
            lines = await self._board.lines_of(list(newest.values()))
        except MongoError as error:
            log.warning("changes could not be drawn", error=str(error)[:200])
            return None
        row = self._drawing.row
        return [Drawn(newest[line.key], line.sort, row(line, may_act=True), row(line, may_act=False)) for line in lines]

    async def follow(self, wanted: BoardFilter, key: Key) -> AsyncIterator[str]:
        """Server-sent events: `ready`, then `rows` and `figures` as they change, `reset` when to read it all again."""
        due: datetime | None = None
        with self._boards.joined() as queue, telemetry.BOARDS.track_inprogress():
            await self._open.wait()
            yield event("ready", {})
            while not self._stopped:
                batch = await _next(queue, self._seconds_to(due))
                if batch is None:
                    yield event("reset", {})
                elif rows := _rows(batch, wanted, key):
                    yield event("rows", rows)
                now = self._clock.now()
                if batch != [] and due is None:
                    due = now.replace(microsecond=0) + _SECOND
                if due is None or now >= due:
                    due = None
                    if figures := await self._figures_of(wanted, key):
                        yield event("figures", {"html": figures})

    async def shows(self, contact_id: str, key: Key) -> bool:
        """Whether there is such a contact for this key."""
        row = await self._contacts.find_one({"_id": contact_id}, {"team": 1})
        return row is not None and may_see(key, row["team"])

    async def follow_contact(self, contact_id: str) -> AsyncIterator[str]:
        """Server-sent events: `changed` when the contact is another than before, `alive` in between."""
        before, looks = await self._look_at(contact_id), 0
        yield event("ready", {})
        while not self._stopped:
            await self._clock.sleep(_LOOK_EVERY)
            try:
                now = await self._look_at(contact_id)
            except MongoError:
                continue
            looks += 1
            if now != before:
                before = now
                yield event("changed", {})
            elif looks % _ALIVE_EVERY == 0:
                yield event("alive", {})

    async def _look_at(self, contact_id: str) -> object:
        """The contact as it is stored, to be compared and nothing else."""
        return await self._contacts.find_one({"_id": contact_id}, {"s": 1})

    def _seconds_to(self, due: datetime | None) -> float:
        return max((due - self._clock.now()).total_seconds(), 0.0) if due else _ALIVE_EVERY

    async def _figures_of(self, wanted: BoardFilter, key: Key) -> str | None:
        """Counted once in each second of the clock for all who see the same; None while they can't be read."""
        teams = team_condition(key, wanted.team or None)
        name, second = json.dumps(teams, sort_keys=True), self._clock.now().replace(microsecond=0)
        async with self._counting:
            if second != self._counted_in:
                self._figures.clear()
                self._counted_in = second
            if name not in self._figures:
                try:
                    figures = await self._board.figures(teams)
                    doubts = await self._board.doubts(teams_looked_at(key, wanted.team))
                except MongoError:
                    return None
                self._figures[name] = self._drawing.figures(figures, doubts, wanted)
            return self._figures[name]


async def _next(queue: "asyncio.Queue[Batch | None]", seconds: float) -> Batch | None:
    """What comes next; nothing drawn where nothing comes in time."""
    try:
        async with asyncio.timeout(seconds):
            return await queue.get()
    except TimeoutError:
        return []


def _rows(batch: Batch, wanted: BoardFilter, key: Key) -> list[dict[str, Any]]:
    """A row to put in its place, or to take away (without `html`), for each change that this client may know of."""
    may_act = key.may("act")
    rows = []
    for drawn in batch:
        alert = drawn.alert
        if not may_see(key, alert.team):
            continue
        row = {"key": alert.id, "contact": alert.contact_id}
        if wanted.fits(alert):
            row |= {"sort": drawn.sort, "html": drawn.acting if may_act else drawn.watching}
        rows.append(row)
    return rows
