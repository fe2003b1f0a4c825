"""A clock that a test moves by hand."""

import asyncio
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class ManualClock:
    """Stands still until told; `sleep` returns at once with the time moved on."""

    def __init__(self, now: datetime = EPOCH) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def set(self, now: datetime) -> None:
        self._now = now

    def advance(self, seconds: float) -> datetime:
        self._now += timedelta(seconds=seconds)
        return self._now

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)


class HeldClock(ManualClock):
    """Whoever sleeps by it sleeps until `release`; `asleep` is set as soon as somebody does."""

    def __init__(self, now: datetime = EPOCH) -> None:
        super().__init__(now)
        self.asleep = asyncio.Event()
        self._released = asyncio.Event()

    def release(self) -> None:
        self._released.set()

    async def sleep(self, seconds: float) -> None:  # noqa: ARG002 - time is not what it waits for
        self.asleep.set()
        await self._released.wait()
