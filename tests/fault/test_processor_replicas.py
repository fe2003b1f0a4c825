"""Law: whatever joins, leaves, dies or goes away for a while, totals are exact and all is told in order."""

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from rapport.contracts import topics
from rapport.runtime.mongo import connect
from rapport.runtime.processor import Processor, WrongCluster
from rapport.runtime.settings import Misconfigured, Settings
from rapport.runtime.store import Row, Store

from tests.support.tally import Tally, click
from tests.support.toy_service import (
    Traffic,
    all_values,
    assemble,
    delete_topic,
    end_of,
    environment_of,
    eventually,
    settings_for,
)

ROOT = Path(__file__).resolve().parents[2]


async def drop(settings) -> None:
    client = connect(settings.mongodb_uri)
    await client.drop_database(settings.database_prefix + "tally")
    client.close()


def start_process(settings: Settings) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.support.toy_service"]
    environment = {**os.environ, **environment_of(settings), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)


async def test_replicas_that_join_and_leave_under_load_lose_and_double_nothing(stack, unique):
    settings = settings_for(stack.kafka, stack.mongodb, unique("join"))
    first, processor, store = assemble(settings)
    second, other, _ = assemble(settings)
    third, guest, _ = assemble(settings)
    traffic = Traffic(settings, store, contacts=60)

    async def load() -> None:
        for _ in range(20):
            await traffic.send(first.publisher, 100)
            await other.act(Tally, traffic.contacts[traffic.clicks], click)
            traffic.clicks += 1

    async def shared_by(*processors: Processor) -> None:
        async def fair() -> bool:
            return all(p.owned for p in processors) and sum(len(p.owned) for p in processors) == settings.partitions

        await eventually(fair)

    async with first.running(), second.running():
        await shared_by(processor, other)
        await traffic.send(first.publisher, 60)
        await eventually(traffic.settled)
        loading = asyncio.create_task(load())
        async with third.running():
            await shared_by(processor, other, guest)
        await loading
        await eventually(traffic.settled)
        await traffic.assert_exact(stack.kafka)
        assert not any(service.failed.done() for service in (first, second, third))
    await drop(settings)


async def test_what_kafka_was_told_to_be_behind_is_not_passed_over(stack, unique, monkeypatch):
    """While the rows are read aiokafka goes on from the committed offset; what comes from there must not be taken."""
    settings = settings_for(stack.kafka, stack.mongodb, unique("ahead"))
    service, _, store = assemble(settings)
    [reader] = service._readers
    traffic = Traffic(settings, store, contacts=60)
    read_rows = reader._rows

    async def rows_read_late(partitions: set[int]) -> dict[int, Row]:
        rows = await read_rows(partitions)
        places = list(reader.consumer.assignment())
        ends = await reader.consumer.end_offsets(places)

        async def gone_on() -> bool:
            return all([await reader.consumer.position(place) == ends[place] for place in places])

        await eventually(gone_on)
        return rows

    monkeypatch.setattr(reader, "_rows", rows_read_late)
    await service._prepare()
    await traffic.send(service.publisher, 200)
    await commit_half(settings, f"{settings.topic_prefix}rapport-tally")
    async with service.running():
        await eventually(traffic.settled)
        await traffic.assert_exact(stack.kafka)
    await drop(settings)


async def commit_half(settings: Settings, group: str) -> None:
    """Say to Kafka that the group has read half of each partition."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers, group_id=group, enable_auto_commit=False
    )
    await consumer.start()
    places = [
        TopicPartition(settings.topic_prefix + topics.CONTACT_EVENTS, number) for number in range(settings.partitions)
    ]
    consumer.assign(places)
    await consumer.commit({place: end // 2 for place, end in (await consumer.end_offsets(places)).items()})
    await consumer.stop()


async def test_kafka_is_told_what_is_settled_and_not_what_waits(stack, unique):
    settings = settings_for(stack.kafka, stack.mongodb, unique("told"))
    service, processor, store = assemble(settings)
    [reader] = service._readers
    traffic = Traffic(settings, store, contacts=60)

    async def committed() -> int:
        return sum([await reader.consumer.committed(place) or 0 for place in reader.consumer.assignment()])

    async def all_are_told() -> bool:
        return await committed() == traffic.sent

    async def all_are_polled() -> bool:
        polled = [await reader.consumer.position(place) for place in reader.consumer.assignment()]
        return bool(sum(polled) == traffic.sent)

    async with service.running():
        await traffic.send(service.publisher, 60)
        await eventually(all_are_told)
        async with processor._held(range(settings.partitions), at_most=None):
            await traffic.send(service.publisher, 60)
            await eventually(all_are_polled)
            await reader.commit()
            assert await committed() == 60
        await eventually(all_are_told)
    await drop(settings)


async def test_killed_and_started_again_under_load_it_loses_and_doubles_nothing(stack, unique):
    settings = settings_for(stack.kafka, stack.mongodb, unique("kill"))
    watcher, _, _ = assemble(settings)  # only for its publisher and its topics; it never runs
    client = connect(settings.mongodb_uri)
    store = Store(client, client[settings.database_prefix + "tally"], [Tally])
    traffic = Traffic(settings, store, contacts=60)

    async def some_are_settled() -> bool:
        rows = [row async for row in store.collection("tally_rows").find()]
        return bool(sum(row["events"] for row in rows) >= 300)

    async with contextlib.AsyncExitStack() as after:
        after.push_async_callback(drop, settings)
        after.callback(client.close)
        after.callback(watcher.client.close)
        after.push_async_callback(watcher.publisher.stop)
        await watcher._prepare()
        with start_process(settings) as process:
            after.callback(process.kill)
            for _ in range(20):
                await traffic.send(watcher.publisher, 100)
            await eventually(some_are_settled)
            process.kill()
        with start_process(settings) as process:
            after.callback(process.kill)
            await traffic.send(watcher.publisher, 100)
            await eventually(traffic.settled, seconds=120)
            process.terminate()
            assert await asyncio.to_thread(process.wait, 25) == 0
        await traffic.assert_exact(stack.kafka)


@pytest.mark.parametrize("server", ["kafka_server", "mongodb_server"])
async def test_while_kafka_or_mongodb_is_away_it_waits_and_then_goes_on(own_stack, unique, server):
    settings = settings_for(own_stack.kafka, own_stack.mongodb, unique("away"))
    service, processor, store = assemble(settings)
    traffic = Traffic(settings, store, contacts=20)

    async def not_ready() -> bool:
        return bool(await service.wrong())

    async def ready() -> bool:
        return not await service.wrong()

    async with service.running():
        await eventually(ready)
        await traffic.send(service.publisher, 100)
        await eventually(traffic.settled)
        away = getattr(own_stack, server)
        await asyncio.to_thread(away.kill)
        await eventually(not_ready)
        if server == "kafka_server":  # a click goes on without it
            await processor.act(Tally, "k1", click)
            traffic.clicks += 1
        await asyncio.to_thread(away.start)
        await traffic.send(service.publisher, 500)
        await eventually(traffic.settled, seconds=120)
        await eventually(ready)
        assert not service.failed.done()
        await traffic.assert_exact(own_stack.kafka)


async def test_a_topic_made_anew_stops_the_service_with_one_line(stack, unique):
    settings = settings_for(stack.kafka, stack.mongodb, unique("anew"))
    topic = settings.topic_prefix + topics.CONTACT_EVENTS
    service, _, store = assemble(settings)
    traffic = Traffic(settings, store, contacts=20)
    async with service.running():
        await traffic.send(service.publisher, 40)
        await eventually(traffic.settled)
    await delete_topic(stack.kafka, topic)

    service, _, _ = assemble(settings)
    async with service.running():
        error = await end_of(service)
        assert isinstance(error, WrongCluster)
        assert "but was read up to" in str(error)

    service, _, _ = assemble(settings)
    await service._prepare()
    await traffic.send(service.publisher, 400)
    async with service.running():
        error = await end_of(service)
        assert isinstance(error, WrongCluster)
        assert "holds another record at offset" in str(error)
    assert len(await all_values(stack.kafka, topic)) == 400
    await drop(settings)


async def test_topics_with_unequal_numbers_of_partitions_are_refused_at_the_start(stack, unique):
    settings = settings_for(stack.kafka, stack.mongodb, unique("odd"))
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    await admin.create_topics([NewTopic(settings.topic_prefix + topics.SLA_EVENTS, 2, 1)])
    await admin.close()
    service, _, _ = assemble(settings)
    with pytest.raises(Misconfigured, match=r"sla-events has 2 partitions, RAPPORT_PARTITIONS says 4"):
        async with service.running():
            pytest.fail("it started")
    await drop(settings)
