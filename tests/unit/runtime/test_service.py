"""Stopping: whatever swallows a cancellation is told again, and what fails ends the service, also while it starts."""

import asyncio
import contextlib

import httpx
import pytest
from rapport.runtime.service import Service, _cancel, _until
from rapport.runtime.settings import Settings
from structlog.testing import capture_logs

from tests.support.replica import suspension

NOWHERE = Settings(
    kafka_bootstrap_servers="127.0.0.1:1", mongodb_uri="mongodb://127.0.0.1:1/?directConnection=true", port=0
)


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
    stopped = asyncio.Event()
    service = Service("toy", NOWHERE)
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


async def test_work_that_fails_while_the_group_is_being_joined_ends_the_service_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch,
):
    service = Service("toy", NOWHERE)

    async def prepared() -> None:
        """There is nothing to prepare."""

    async def never_let_in() -> None:
        await asyncio.get_running_loop().create_future()

    async def fail() -> None:
        raise RuntimeError("this is beyond us")

    monkeypatch.setattr(service, "_prepare", prepared)
    monkeypatch.setattr(service.broker, "start", never_let_in)
    service.background(fail)
    with capture_logs() as said:
        async with asyncio.timeout(60):
            assert await _until(service, asyncio.Event()) == 1
    assert [line["error"] for line in said if line["event"] == "failed"] == ["this is beyond us"]


async def test_a_service_that_is_told_to_stop_while_the_group_is_being_joined_has_not_failed(
    monkeypatch: pytest.MonkeyPatch,
):
    service, stopped = Service("toy", NOWHERE), asyncio.Event()

    async def prepared() -> None:
        """There is nothing to prepare."""

    async def told_to_stop() -> None:
        stopped.set()
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(service, "_prepare", prepared)
    monkeypatch.setattr(service.broker, "start", told_to_stop)
    async with asyncio.timeout(60):
        assert await _until(service, stopped) == 0
