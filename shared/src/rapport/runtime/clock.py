"""The only place where time is read or waited for."""

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Protocol

from rapport.contracts import cut_to_milliseconds


class Clock(Protocol):
    def now(self) -> datetime:
        """The instant in UTC, cut to milliseconds."""

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return cut_to_milliseconds(datetime.now(UTC))  # noqa: TID251 - the one place

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
