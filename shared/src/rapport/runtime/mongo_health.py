"""How MongoDB is, as one replica sees it: whether it answers, whether it takes writes, and what time it has."""

import asyncio
from collections import deque
from datetime import UTC, timedelta
from typing import Final

from rapport.runtime import telemetry
from rapport.runtime.clock import Clock
from rapport.runtime.mongo import Database, MongoError, safe_within

log = telemetry.logger()

_SECONDS: Final = 2.0
_MILLISECONDS: Final = 1500
_IN_A_ROW: Final = 2
"""Writes that must have failed before it is said: one may have been slow."""
_APART: Final = timedelta(seconds=2)
"""By how much clocks may differ before it is said: NTP keeps them within some milliseconds."""


class MongoHealth:
    """Asked by `/readyz`, and every few seconds by the service itself."""

    def __init__(self, service: str, database: Database, clock: Clock) -> None:
        self._service = service
        self._database = database
        self._clock = clock
        self.note = ""
        """What is to be said of our clock beside MongoDB's; empty when they agree."""
        self._refusals: deque[str] = deque(maxlen=_IN_A_ROW)

    async def wrong(self) -> str:
        """Why it is of no use now, or empty; on the way the clocks are compared."""
        asked = self._clock.now()
        try:
            hello = await asyncio.wait_for(self._database.client.admin.command("hello"), _SECONDS)
        except (TimeoutError, *MongoError) as error:
            self._refusals.clear()
            return f"does not answer: {type(error).__name__}"
        half = (self._clock.now() - asked) / 2
        self._compare(asked + half - hello["localTime"].replace(tzinfo=UTC), at_most=half)
        return f"takes no writes: {self._refusals[-1]}" if len(self._refusals) == _IN_A_ROW else ""

    async def try_a_write(self) -> None:
        """A server answers all the same where its disk is full, it is locked, or it has no majority."""
        rows = safe_within(self._database["health"], _MILLISECONDS)
        update = {"$set": {"tried_at": self._clock.now()}}
        try:
            written = rows.find_one_and_update({"_id": "write"}, update, upsert=True, maxTimeMS=_MILLISECONDS)
            await asyncio.wait_for(written, _SECONDS)
        except (TimeoutError, *MongoError) as error:
            self._refusals.append(type(error).__name__)
        else:
            self._refusals.clear()

    def _compare(self, ahead: timedelta, *, at_most: timedelta) -> None:
        """`at_most` is how wrong the difference may be, by the way that the answer took."""
        telemetry.CLOCK_AHEAD.labels(self._service).set(ahead.total_seconds())
        side = "ahead of" if ahead > timedelta() else "behind"
        before, self.note = self.note, ""
        if abs(ahead) - at_most > _APART:
            self.note = f"{abs(ahead).total_seconds():.0f} s {side} MongoDB's"
        if bool(before) != bool(self.note):
            log.warning("clock", says=self.note or "the same as MongoDB's")
