"""What a replica says of MongoDB: that it takes no writes, which nobody else would tell, and that clocks differ."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from devkit.stack import Stack
from rapport.runtime.mongo import connect
from rapport.runtime.mongo_health import MongoHealth
from rapport.runtime.service import Service
from structlog.testing import capture_logs

from tests.support.clock import ManualClock
from tests.support.toy_service import settings_for


@pytest.fixture
async def database(own_stack: Stack, unique: Callable[[str], str]) -> AsyncIterator[Any]:
    client = connect(own_stack.mongodb)
    name = unique("health")
    yield client[name]
    await client.drop_database(name)
    client.close()


async def test_a_mongodb_that_answers_and_takes_no_writes_is_told_apart_when_it_was_tried_twice(database: Any):
    health = MongoHealth("toy", database, ManualClock())

    async def tried() -> str:
        await health.try_a_write()
        return await health.wrong()

    assert await tried() == ""
    await database.client.admin.command("fsync", lock=True)
    try:
        assert await tried() == ""
        assert (await tried()).startswith("takes no writes: ")
        assert (await tried()).startswith("takes no writes: ")
    finally:
        await database.client.admin.command("fsyncUnlock")
    assert await tried() == ""


async def test_what_waits_for_a_mongodb_without_writes_is_no_stuck_consumer(
    own_stack: Stack, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
):
    """No restart mends that."""
    service = Service("toy", settings_for(own_stack.kafka, own_stack.mongodb, unique("writes")))
    await service.publisher.start()
    service.http.state.starting = False
    monkeypatch.setattr(service._progress, "idle", lambda _: timedelta(minutes=1))
    assert list(await service.wrong()) == ["consumer"]
    await service.client.admin.command("fsync", lock=True)
    try:
        for _ in range(2):
            await service._mongo.try_a_write()
        assert list(await service.wrong()) == ["mongodb"]
    finally:
        await service.client.admin.command("fsyncUnlock")
    await service._mongo.try_a_write()
    assert list(await service.wrong()) == ["consumer"]
    await service.publisher.stop()
    await service.client.drop_database(service.database.name)
    service.client.close()


THERE = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Admin:
    """Answers like a MongoDB in which it is noon."""

    async def command(self, _: str) -> dict[str, datetime]:
        return {"localTime": THERE.replace(tzinfo=None)}


@pytest.mark.parametrize(("off", "said"), [(90, "90 s ahead of MongoDB's"), (-90, "90 s behind MongoDB's"), (2, "")])
async def test_a_clock_that_differs_is_noted_and_logged_once(off: int, said: str):
    database: Any = SimpleNamespace(client=SimpleNamespace(admin=Admin()))
    health = MongoHealth("toy", database, ManualClock(THERE + timedelta(seconds=off)))
    with capture_logs() as logs:
        assert [await health.wrong(), await health.wrong()] == ["", ""]
    assert health.note == said
    assert [line["says"] for line in logs] == ([said] if said else [])
