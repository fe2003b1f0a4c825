"""Records published one by one and many at once: the same places, the same order, nothing lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from rapport.contracts import topics
from rapport.runtime.kafka import ensure_topics
from rapport.runtime.publisher import NotAcknowledged, Outgoing, Publisher
from rapport.runtime.settings import Settings

from tests.support.stack import Addresses


@pytest.fixture
async def settings(stack: Addresses, unique: Callable[[str], str]) -> Settings:
    chosen = Settings(
        kafka_bootstrap_servers=stack.kafka, mongodb_uri=stack.mongodb, topic_prefix=unique("p") + ".", partitions=5
    )
    await ensure_topics(chosen)
    return chosen


@pytest.fixture
async def publisher(settings: Settings) -> AsyncIterator[Publisher]:
    made = Publisher(settings.kafka_bootstrap_servers, client_id="test", topic_prefix=settings.topic_prefix)
    await made.start()
    yield made
    await made.stop()


async def stored(settings: Settings, topic: str, count: int) -> list[tuple[int, bytes | None, bytes | None]]:
    consumer = AIOKafkaConsumer(
        settings.topic_prefix + topic,
        bootstrap_servers=settings.kafka_bootstrap_servers,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        async with asyncio.timeout(60):
            records = [await consumer.getone() for _ in range(count)]
        return [(record.partition, record.key, record.value) for record in records]
    finally:
        await consumer.stop()


async def test_many_at_once_go_where_single_ones_go_and_keep_their_order(settings: Settings, publisher: Publisher):
    keys = [f"K-{n}".encode() for n in range(40)]
    await publisher.publish([Outgoing(topics.CONTACT_EVENTS, key, b"0-%d" % n) for n, key in enumerate(keys * 25)])
    for key in keys:
        await publisher.publish([Outgoing(topics.CONTACT_EVENTS, key, b"1-0")])
    found = await stored(settings, topics.CONTACT_EVENTS, 1040)
    places = {key: {partition for partition, k, _ in found if k == key} for key in keys}
    assert all(len(partitions) == 1 for partitions in places.values())
    for key in keys:
        values = [value for _, k, value in found if k == key]
        assert values[-1] == b"1-0"
        assert values[:-1] == sorted(values[:-1], key=lambda value: int((value or b"").split(b"-")[1]))


async def test_publishes_beside_each_other_lose_nothing(settings: Settings, publisher: Publisher):
    many = [
        [Outgoing(topics.CONTACT_EVENTS, b"K-%d" % n, b"%d/%d" % (m, n)) for n in range(1 if m % 2 else 300)]
        for m in range(40)
    ]
    await asyncio.gather(*(publisher.publish(records) for records in many))
    found = await stored(settings, topics.CONTACT_EVENTS, 20 + 20 * 300)
    assert {value for _, _, value in found} == {record.value for records in many for record in records}


async def test_more_than_a_batch_holds_is_sent_all_the_same(settings: Settings, publisher: Publisher):
    large = [Outgoing(topics.CONTACT_EVENTS, b"K", b"%d" % n + b"x" * 200_000) for n in range(20)]
    await publisher.publish(large)
    found = await stored(settings, topics.CONTACT_EVENTS, 20)
    assert [value for _, _, value in found] == [record.value for record in large]


@pytest.mark.parametrize("count", [1, 20])
async def test_a_record_without_key_and_value_can_be_published(settings: Settings, publisher: Publisher, count: int):
    await publisher.publish([Outgoing(topics.DEAD_LETTERS, None, None)] * count)
    assert len(await stored(settings, topics.DEAD_LETTERS, count)) == count


@pytest.fixture
def producers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Those that publishers have made, in order."""
    made: list[Any] = []

    def make(**options: Any) -> Any:
        made.append(AIOKafkaProducer(**options))
        return made[-1]

    monkeypatch.setattr("rapport.runtime.publisher.AIOKafkaProducer", make)
    return made


async def test_a_producer_that_has_failed_for_good_is_replaced_by_the_next_publish(
    producers: list[Any], settings: Settings, publisher: Publisher
):
    await publisher.publish([Outgoing(topics.CONTACT_EVENTS, b"K-1", b"1")])
    await producers[0].stop()
    with pytest.raises(NotAcknowledged, match="Kafka refused"):
        await publisher.publish([Outgoing(topics.CONTACT_EVENTS, b"K-1", b"2")])
    await publisher.publish([Outgoing(topics.CONTACT_EVENTS, b"K-1", b"2")])
    assert len(producers) == 2
    assert [value for _, _, value in await stored(settings, topics.CONTACT_EVENTS, 2)] == [b"1", b"2"]


async def test_what_a_replaced_producer_has_taken_in_is_stored_all_the_same(
    producers: list[Any], settings: Settings, publisher: Publisher
):
    many = [Outgoing(topics.CONTACT_EVENTS, b"K-%d" % n, b"%d" % n) for n in range(300)]
    going = asyncio.create_task(publisher.publish(many))
    with pytest.raises(NotAcknowledged):
        await publisher.publish([Outgoing(topics.CONTACT_EVENTS, b"K-0", b"x" * (3 << 20))])
    await going
    await publisher.publish(many[:1])
    assert len(producers) == 2
    assert len(await stored(settings, topics.CONTACT_EVENTS, 301)) == 301
