"""The only place where time is read or waited for."""

import asyncio
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    def now(self) -> datetime:
        """The instant in UTC, cut to milliseconds."""

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock. Within one millisecond, when many ask, all get the same instant."""

    def __init__(self) -> None:
        self._last = (0, _EPOCH)

    def now(self) -> datetime:
        millisecond, instant = self._last
        now = time.time_ns() // 1_000_000  # noqa: TID251 - the one place
        if now != millisecond:
            instant = _EPOCH + timedelta(milliseconds=now)
            self._last = (now, instant)
        return instant

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)  # noqa: TID251 - the one place


async def others_first() -> None:
    """Go on when all that is ready by now has had its turn on the event loop."""
    await asyncio.sleep(0)  # noqa: TID251 - the one place


def backoff(first: float = 0.1, most: float = 5.0) -> Iterator[float]:
    """Seconds to wait before each next try: doubling, with full jitter, without end."""
    ceiling = first
    while True:
        yield random.uniform(first / 2, ceiling)  # noqa: S311 - jitter is no secret
        ceiling = min(most, ceiling * 2)
