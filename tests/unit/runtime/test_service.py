"""Stopping: whatever swallows a cancellation is told again."""

import asyncio
import contextlib

import httpx
from rapport.runtime.service import Service, _cancel, _until
from rapport.runtime.settings import Settings

from tests.support.replica import suspension


async def test_work_that_swallows_a_cancellation_is_ended_all_the_same():
    async def stubborn() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.get_running_loop().create_future()
        await asyncio.get_running_loop().create_future()

    tasks = [asyncio.create_task(stubborn()) for _ in range(3)]
    await suspension()
    async with asyncio.timeout(60):
        await _cancel(tasks)
    assert all(task.cancelled() for task in tasks)


async def test_a_service_that_waits_for_its_stores_says_so_and_stops_when_told():
    nowhere = Settings(
        kafka_bootstrap_servers="127.0.0.1:1", mongodb_uri="mongodb://127.0.0.1:1/?directConnection=true", port=0
    )
    stopped = asyncio.Event()
    service = Service("toy", nowhere)
    running = asyncio.create_task(_until(service, stopped))
    async with asyncio.timeout(60):
        while not service.url:
            await suspension()
        async with httpx.AsyncClient(base_url=service.url) as client:
            answer = await client.get("/readyz", timeout=10)
        assert answer.status_code == 503
        assert "mongodb" in answer.json()["wrong"]
        stopped.set()
        assert await running == 0
