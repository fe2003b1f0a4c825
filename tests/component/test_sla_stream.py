"""Every change of an alert, as whoever follows them is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.sla_service import RunningSla, policy, running_sla, until
from tests.support.stack import Addresses

ALERT = "C-1/first_response/1"


@pytest.fixture
async def sla(tmp_path: Path, stack: Addresses, unique: Callable[[str], str]) -> AsyncIterator[RunningSla]:
    path = policy(tmp_path, "webhook:http://127.0.0.1:9/", "webhook:http://127.0.0.1:9/")
    async with running_sla(tmp_path, stack, unique("stream"), policy=path) as running:
        yield running


async def test_the_stream_tells_every_change_and_goes_on_where_it_was_left(sla: RunningSla):
    headers = {"authorization": "Bearer watch-key"}

    async def follow(wanted: str, after: str = "") -> tuple[str, list[Any]]:
        heads = {**headers, "last-event-id": after} if after else headers
        found: list[Any] = []
        last = ""
        async with asyncio.timeout(60), sla.http.stream("GET", "/v1/alerts/stream", headers=heads) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    last = line[4:]
                if line == "event: ready" and wanted == "ready":
                    return last, found
                if line.startswith('data: {"id"'):
                    found.append(json.loads(line[6:]))
                    if found[-1]["state"] == wanted:
                        return last, found
        raise AssertionError("the stream ended")

    watching = asyncio.create_task(follow("breached"))
    await sla.tell("contact.received")
    place, changes = await watching
    assert changes[-1]["id"] == ALERT
    await sla.post(f"/v1/alerts/{ALERT}/acknowledge")
    await sla.alert(ALERT, "acknowledged")
    _, missed = await follow("acknowledged", place)
    assert [change["state"] for change in missed] == ["acknowledged"]


async def test_changes_are_read_only_while_somebody_follows_them(sla: RunningSla):
    database = sla.service.database
    stages = [
        {"$currentOp": {"idleCursors": True}},
        {"$match": {"ns": f"{database.name}.alerts", "cursor": {"$ne": None}}},
    ]

    async def read() -> bool:
        rows = await database.client.admin.aggregate(stages).to_list(None)
        return any("$changeStream" in str(row["cursor"]) for row in rows)

    async def unread() -> bool:
        return not await read()

    await until(unread)
    headers = {"authorization": "Bearer watch-key"}
    async with (
        sla.http.stream("GET", "/v1/alerts/stream", headers=headers),
        sla.http.stream("GET", "/board/stream", headers=headers),
    ):
        await until(read)
    await until(unread)
