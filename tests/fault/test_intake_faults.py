"""intake while Kafka or MongoDB is away: nothing answered 2xx is missing, and all is well again by itself."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from devkit.stack import Stack
from rapport.contracts import decode, format_instant

from tests.support.intake import STRUCTURED, RealIntake, event, real_intake


def news(number: int, **changes: object) -> dict[str, object]:
    return event(id=f"e-{number}", time=format_instant(datetime.now(UTC)), **changes)  # noqa: TID251 - the real clock is under test


@pytest.fixture
async def intake(tmp_path: Path, own_stack: Stack, unique: Callable[[str], str]) -> AsyncIterator[RealIntake]:
    async with real_intake(tmp_path, own_stack.kafka, own_stack.mongodb, unique("intake"), ack_timeout=1) as running:
        yield running


async def until(intake: RealIntake, status: int, number: int) -> None:
    async with asyncio.timeout(60):
        while (await intake.post(news(number))).status_code != status:
            await intake.service.clock.sleep(0.1)


async def ready_again(intake: RealIntake) -> None:
    async with asyncio.timeout(60):
        while (await intake.http.get("/readyz")).status_code != 200:
            await intake.service.clock.sleep(0.1)


async def test_503_while_kafka_is_away_and_202_once_it_is_back(intake: RealIntake, own_stack: Stack):
    assert (await intake.post(news(0))).status_code == 202
    own_stack.kafka_server.pause()
    response = await intake.post(news(1))
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert "kafka" in (await intake.http.get("/readyz")).json()["wrong"]
    own_stack.kafka_server.resume()
    await until(intake, 202, 2)
    own_stack.kafka_server.kill()
    assert (await intake.post(news(3))).status_code == 503
    own_stack.kafka_server.start()
    await ready_again(intake)
    await until(intake, 202, 4)
    missing = {"e-0", "e-2", "e-4"}
    for record in await intake.everything():
        missing.discard(decode(record.value).id)
    assert not missing


async def test_events_are_taken_while_mongodb_is_away_and_the_mirror_catches_up(intake: RealIntake, own_stack: Stack):
    own_stack.mongodb_server.kill()
    assert (await intake.post(news(0))).status_code == 202
    assert (await intake.post(news(1, type="contact.sung"))).status_code == 422
    await intake.produce(json.dumps(news(2)).encode(), content_type=STRUCTURED)
    assert len(await intake.stored(2)) == 2
    assert "mongodb" in (await intake.http.get("/readyz")).json()["wrong"]
    own_stack.mongodb_server.start()
    await ready_again(intake)
    [letter] = await intake.letters(1)
    assert letter["event_id"] == "e-1"
