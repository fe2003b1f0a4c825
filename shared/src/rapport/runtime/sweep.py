"""The loop that wakes states in time: it sleeps until the earliest is due, or a batch sets an earlier one."""

import asyncio
import contextlib
from datetime import datetime, timedelta
from typing import Final, NoReturn, Protocol

from rapport.runtime.clock import Clock
from rapport.runtime.processor import Processor

_LONGEST: Final = timedelta(seconds=1)
_WHILE_BEHIND: Final = timedelta(milliseconds=50)
_LEFT_OVERS_EVERY: Final = 0.25


class Horizons(Protocol):
    def horizons(self, now: datetime) -> dict[int, datetime]: ...


async def sweep_for_ever(processor: Processor, reader: Horizons, clock: Clock) -> NoReturn:
    """
    Late by milliseconds, not by a polling period; at least once a second, since a click elsewhere may wake too.

    While a partition is behind its topic, what is due in it may be looked at with
    every batch that is settled: then it looks again soon.
    """
    while True:
        processor.woken.clear()
        processor.next_wake = None
        now = clock.now()
        horizons = reader.horizons(now)
        behind = {p for p, horizon in horizons.items() if horizon < now}
        following = await processor.sweep(horizons, behind)
        processor.next_wake = min((wake for wake in (following, processor.next_wake) if wake), default=None)
        longest = _WHILE_BEHIND if behind else _LONGEST
        wait = max(timedelta(), min(longest, following - clock.now())) if following else longest
        await _set_within(processor.woken, wait.total_seconds())


async def publish_left_overs_for_ever(processor: Processor) -> NoReturn:
    """Publish what clicks decide about our partitions: at once for those here, soon for those on other replicas."""
    while True:
        processor.left_over.clear()
        await processor.patiently("outbox", processor.collect_left_overs)
        await _set_within(processor.left_over, _LEFT_OVERS_EVERY)


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    """Return when it is set or the time is over. Not by `wait_for`, which may swallow a cancellation until 3.12."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
