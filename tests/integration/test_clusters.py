"""A database belongs to the Kafka cluster that it was first filled from."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from rapport.runtime.cluster import hold_to_cluster
from rapport.runtime.mongo import connect

from tests.support.toy_service import environment_of, settings_for

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def client(stack):
    client = connect(stack.mongodb)
    yield client
    client.close()


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

    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.toy_service",
        cwd=ROOT,
        env={**os.environ, **environment_of(settings), "PYTHONPATH": str(ROOT)},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await asyncio.wait_for(started.communicate(), 60)

    line = f"database {database.name} was filled from Kafka cluster the-other-one, but {stack.kafka} is cluster "
    assert started.returncode == 2
    assert len(said.decode().splitlines()) == 1
    assert line in said.decode()
    assert await topics_of(stack.kafka, settings.topic_prefix) == []
    await client.drop_database(database.name)
