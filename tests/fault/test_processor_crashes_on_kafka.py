"""Law: crash anywhere, with Kafka itself on both sides: what is read comes from a topic, what is told is read back."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from rapport.contracts import topics
from rapport.runtime.kafka import ensure_topics
from rapport.runtime.processor import Processor
from rapport.runtime.publisher import Publisher
from rapport.runtime.settings import Settings

from tests.support.clock import EPOCH, ManualClock
from tests.support.replica import Site, horizons, received, told_about
from tests.support.suspension import Killed, Suspended, die_here, the_end_of
from tests.support.tally import WAKE_AFTER, Tally, click
from tests.support.toy_service import all_values, settings_for

MOST_AWAITS = 150
PARTITION = 0


class Platform:
    """Topics of a real cluster and a database, and replicas that each publish for themselves."""

    def __init__(self, settings: Settings, site: Site, producer: Any, consumer: Any) -> None:
        self._settings = settings
        self._producer = producer
        self._consumer = consumer
        self._publishers: list[Publisher] = []
        self.site = site
        self.sent = 0

    async def put(self, *values: bytes) -> Sequence[Any]:
        """The records that Kafka hands out for these values, written to one partition just now."""
        topic = self._settings.topic_prefix + topics.CONTACT_EVENTS
        for value in values:
            await self._producer.send_and_wait(topic, value, key=b"c1", partition=PARTITION)
        self.sent += len(values)
        records: list[Any] = []
        while len(records) < len(values):
            for some in (await self._consumer.getmany(timeout_ms=1000)).values():
                records += some
        return records

    async def replica(self) -> Processor:
        settings = self._settings
        publisher = Publisher(settings.kafka_bootstrap_servers, client_id="replica", topic_prefix=settings.topic_prefix)
        self._publishers.append(publisher)
        await publisher.start()
        return self.site.replica(publisher=publisher)

    async def told(self, topic: str) -> list[bytes]:
        values = await all_values(self._settings.kafka_bootstrap_servers, self._settings.topic_prefix + topic)
        return [value for value in values if value]

    async def close(self) -> None:
        for publisher in self._publishers:
            await publisher.stop()


@pytest.fixture
async def platform(stack, unique) -> AsyncIterator[Platform]:
    settings = settings_for(stack.kafka, stack.mongodb, unique("crash"))
    await ensure_topics(settings)
    site = Site(stack.mongodb, unique("tally"), ManualClock())
    await site.prepare()
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(settings.topic_prefix + topics.CONTACT_EVENTS, PARTITION)])
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka) as producer, consumer:
        platform = Platform(settings, site, producer, consumer)
        yield platform
        await platform.close()
    await site.close()


async def test_killed_at_whichever_await_all_is_told_once_and_in_order_as_kafka_has_it(platform):
    site = platform.site
    zombies: list[Suspended[None]] = []

    async def life(replica: Processor, records: Sequence[Any], contact: str) -> None:
        await replica.process(records)
        await replica.sweep(horizons())
        await replica.act(Tally, contact, click)
        await replica.collect_left_overs()

    for n in range(1, MOST_AWAITS):
        contact = f"a{n}"
        records = await platform.put(received(contact, f"{n}-1"), b"rubbish %d" % n, received(contact, f"{n}-2"))
        site.sessions.clear()
        killed = Suspended(life(await platform.replica(), records, contact), n, die_here)
        with contextlib.suppress(Killed):
            await killed
        if not killed.reached:
            break
        zombies.append(killed)
        await killed.last_words()
        await site.bury()
        next_one = await platform.replica()
        await next_one.process(records)
        await next_one.sweep(horizons())
        await next_one.collect_left_overs()
    assert 20 < n < MOST_AWAITS - 1

    for zombie in zombies:
        await the_end_of(zombie.rise())
    await (await platform.replica()).collect_left_overs()

    told = await platform.told(topics.FOLLOWUP_EVENTS)
    for tally in await site.store.find(Tally, {}):
        assert (len(tally.seen), tally.wakes) == (2, (EPOCH + WAKE_AFTER,))
        steps = [step for _, step in told_about(tally.id, told)]
        assert steps == list(range(1, 4 + tally.clicks)), f"{tally.id}: {steps}"
    assert await site.counted() == 2 * n
    assert await site.waiting() == 0
    assert (await site.positions())[PARTITION] == {records[0].topic: platform.sent}
    assert set(await platform.told(topics.DEAD_LETTERS)) == {b"rubbish %d" % number for number in range(1, n + 1)}
