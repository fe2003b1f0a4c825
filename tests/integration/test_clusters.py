"""A database belongs to the Kafka cluster that it was first filled from."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import Process
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from rapport.runtime.cluster import hold_to_cluster
from rapport.runtime.mongo import connect
from rapport.runtime.settings import Settings

from tests.support.toy_service import environment_of, settings_for

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def client(stack):
    client = connect(stack.mongodb)
    yield client
    client.close()


async def start(settings: Settings, **more: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.toy_service",
        cwd=ROOT,
        env={**os.environ, **environment_of(settings), "PYTHONPATH": str(ROOT), "RAPPORT_PORT": "0", **more},
        stderr=asyncio.subprocess.PIPE,
    )


async def topics_of(kafka: str, prefix: str) -> list[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        return [name for name in await admin.list_topics() if name.startswith(prefix)]
    finally:
        await admin.close()


async def test_the_first_start_writes_the_cluster_down_and_later_ones_find_it_again(stack, client, unique):
    database = client[unique("cluster")]
    await asyncio.gather(*(hold_to_cluster(database, stack.kafka) for _ in range(4)))
    first = await database["cluster"].find_one({})
    await hold_to_cluster(database, stack.kafka)
    assert first["cluster_id"]
    assert [one async for one in database["cluster"].find()] == [first]
    await client.drop_database(database.name)


async def test_a_service_whose_database_is_of_another_cluster_ends_with_one_line_and_makes_no_topics(
    stack, client, unique
):
    settings = settings_for(stack.kafka, stack.mongodb, unique("moved"))
    database = client[settings.database_prefix + "tally"]
    await database["cluster"].insert_one({"_id": "kafka", "cluster_id": "the-other-one"})

    started = await start(settings)
    _, said = await asyncio.wait_for(started.communicate(), 60)

    line = f"database {database.name} was filled from Kafka cluster the-other-one, but {stack.kafka} is cluster "
    assert started.returncode == 2
    assert len(said.decode().splitlines()) == 1
    assert line in said.decode()
    assert await topics_of(stack.kafka, settings.topic_prefix) == []
    await client.drop_database(database.name)


async def test_the_first_start_on_a_new_cluster_alarms_nobody(own_stack, unique):
    settings = settings_for(own_stack.kafka, own_stack.mongodb, unique("first"))
    started = await start(settings, RAPPORT_LOG_LEVEL="INFO")
    assert started.stderr
    lines: list[dict[str, object]] = []
    async with asyncio.timeout(60):
        while not any(line["event"] == "partitions assigned" for line in lines):
            lines.append(json.loads(await started.stderr.readline()))
        started.terminate()
        lines += [json.loads(line) async for line in started.stderr]
        assert await started.wait() == 0
    assert [line for line in lines if line["level"] != "info"] == []
