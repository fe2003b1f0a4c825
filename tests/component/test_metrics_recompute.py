"""A recompute on two replicas with a real Kafka and MongoDB: events are sent all the while, and none is lost."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from rapport.contracts import Data, Event
from rapport.runtime.clock import SystemClock

from tests.support.metrics import Memory, at, received, responded
from tests.support.metrics_service import RunningMetrics, running_metrics
from tests.support.stack import Addresses

QUESTIONS: tuple[dict[str, Any], ...] = (
    {"measure": "contacts", "by": "channel"},
    {"measure": "messages", "granularity": "day"},
    {"measure": "first_response", "by": "topic"},
)


def story(number: int) -> list[Event[Data]]:
    """A contact that is answered."""
    who = {"customer_id": f"K-{number % 7}"}
    asked = received(at("09:00", day=number % 5), f"C-{number}", topic="bill", **who)
    return [asked, responded(at("10:00", day=5), f"C-{number}", **who)]


async def act(metrics: RunningMetrics, method: str, path: str = "", key: str = "admin") -> httpx.Response:
    return await metrics.http.request(method, f"/v1/recompute{path}", headers={"Authorization": f"Bearer {key}"})


async def until(metrics: RunningMetrics, state: str) -> dict[str, Any]:
    clock = SystemClock()
    async with asyncio.timeout(60):
        while (told := (await act(metrics, "GET")).json())["state"] != state:
            assert told["error"] is None, told
            await clock.sleep(0.05)
    return dict(told)


async def test_figures_are_made_anew_while_events_come_and_swapped_on_two_replicas(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str]
):
    name, memory = unique("recompute"), Memory()
    async with (
        running_metrics(tmp_path, stack.kafka, stack.mongodb, name) as one,
        running_metrics(tmp_path, stack.kafka, stack.mongodb, name) as other,
    ):

        async def feed(*numbers: int) -> None:
            events = [event for number in numbers for event in story(number)]
            memory.feed(*events)
            await one.feed(*events)

        async def assert_figures() -> None:
            for question in QUESTIONS:
                for metrics in (one, other):
                    assert await metrics.rows(**question) == memory.report(facts=None, **question)

        await feed(*range(10))
        assert (await act(other, "GET")).status_code == 404
        assert (await act(one, "POST", key="watch")).status_code == 403
        started = await act(one, "POST")
        assert (started.status_code, started.headers["Location"]) == (202, "/v1/recompute")
        again = await act(other, "POST")
        assert (again.status_code, again.headers["Content-Type"]) == (409, "application/problem+json")
        await feed(10)
        compared = await until(other, "compared")
        assert compared["comparison"]["equal"], compared
        assert compared["by"] == "admin"

        async def feed_on() -> None:
            for number in range(11, 25):
                await feed(number)

        feeding = asyncio.create_task(feed_on())
        assert (await act(other, "POST", "/swap")).status_code == 202
        assert (await until(one, "swapped"))["swap_by"] == "admin"
        await feeding
        await assert_figures()
        await feed(25)
        await assert_figures()

        assert (await act(one, "POST")).status_code == 202
        assert (await until(one, "compared"))["comparison"]["equal"]
        assert (await act(one, "POST", "/swap")).status_code == 202
        await until(one, "swapped")
        assert (await act(one, "POST")).status_code == 202
        assert (await act(one, "DELETE")).status_code == 204
        assert (await act(other, "GET")).status_code == 404
        await feed(26)
        await assert_figures()
