"""Stopping: whatever swallows a cancellation is told again."""

import asyncio
import contextlib

from rapport.runtime.service import _cancel

from tests.support.replica import suspension


async def test_work_that_swallows_a_cancellation_is_ended_all_the_same():
    async def stubborn() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.get_running_loop().create_future()
        await asyncio.get_running_loop().create_future()

    tasks = [asyncio.create_task(stubborn()) for _ in range(3)]
    await suspension()
    async with asyncio.timeout(10):
        await _cancel(tasks)
    assert all(task.cancelled() for task in tasks)
