"""The toy domain as a real service: in this process, or as `python -m tests.support.toy_service`."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from rapport.contracts import topics
from rapport.runtime.clock import Clock
from rapport.runtime.processor import Processor
from rapport.runtime.publisher import Outgoing, Publisher
from rapport.runtime.service import Service, run
from rapport.runtime.settings import Settings
from rapport.runtime.store import Store

from tests.support.replica import received, suspension, told_about
from tests.support.tally import Tally, TallyDomain

PARTITIONS = 4


def create_app(settings: Settings, clock: Clock | None = None) -> Service:
    return assemble(settings, clock)[0]


def assemble(settings: Settings, clock: Clock | None = None) -> tuple[Service, Processor, Store]:
    service = Service("tally", settings, clock)
    store = service.store(Tally)
    processor = service.consume(
        TallyDomain(), topics=[topics.CONTACT_EVENTS], store=store, sends=[topics.FOLLOWUP_EVENTS]
    )
    return service, processor, store


def settings_for(kafka: str, mongodb: str, prefix: str, **more: object) -> Settings:
    return Settings(
        KAFKA_BOOTSTRAP_SERVERS=kafka,
        MONGODB_URI=mongodb,
        topic_prefix=f"{prefix}-",
        database_prefix=f"{prefix}_",
        partitions=PARTITIONS,
        **{"batch_records": 100, **more},  # type: ignore[arg-type]
    )


def environment_of(settings: Settings) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "MONGODB_URI": settings.mongodb_uri,
        "RAPPORT_TOPIC_PREFIX": settings.topic_prefix,
        "RAPPORT_DATABASE_PREFIX": settings.database_prefix,
        "RAPPORT_PARTITIONS": str(settings.partitions),
        "RAPPORT_BATCH_RECORDS": str(settings.batch_records),
        "RAPPORT_LOG_LEVEL": "WARNING",
    }


class Traffic:
    """Events of some contacts, and whether all of them have had their effect exactly once."""

    def __init__(self, settings: Settings, store: Store, contacts: int) -> None:
        self.settings = settings
        self.store = store
        self.contacts = [f"k{n}" for n in range(contacts)]
        self.sent = 0
        self.clicks = 0

    async def send(self, publisher: Publisher, count: int) -> None:
        records = []
        for number in range(self.sent, self.sent + count):
            contact = self.contacts[number % len(self.contacts)]
            value = received(contact, str(number), customer=f"c-{contact}")
            records.append(Outgoing(topics.CONTACT_EVENTS, f"c-{contact}".encode(), value))
        await publisher.publish(records)
        self.sent += count

    async def settled(self) -> bool:
        """Whether all is counted, all have woken and nothing waits to be published: asked in the order they follow."""
        rows = self.store.collection("tally_rows")
        counted = sum([row["events"] async for row in rows.find()])
        assert counted <= self.sent
        if counted < self.sent or await self.store.collection("tallies").count_documents({"wake_at": {"$ne": None}}):
            return False
        return not await self.store.collection("outbox").count_documents({})

    async def assert_exact(self, kafka: str) -> None:
        """Every event is in its contact's state once, and what was told about it has neither gap nor wrong order."""
        tallies = await self.store.find(Tally, {})
        assert sum(len(tally.seen) for tally in tallies) == self.sent
        assert sum(tally.clicks for tally in tallies) == self.clicks
        values = await all_values(kafka, self.settings.topic_prefix + topics.FOLLOWUP_EVENTS)
        for tally in tallies:
            steps = [step for _, step in told_about(tally.id, values)]
            changes = len(tally.seen) + len(tally.wakes) + tally.clicks
            assert steps == list(range(1, changes + 1)), f"{tally.id}: {steps} of {changes}"


async def eventually(what: Callable[[], Awaitable[bool]], *, seconds: float = 120.0) -> None:
    """Return when it has come true; fail when it has not in time."""
    deadline = time.monotonic() + seconds
    while not await what():
        assert time.monotonic() < deadline, "not in time"
        for _ in range(20):
            await suspension()


async def all_values(kafka: str, topic: str) -> list[bytes | None]:
    """All that a topic holds now, partition by partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        await consumer.seek_to_beginning(*places)
        values: list[bytes | None] = []
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                values += [record.value for record in records]
        return values
    finally:
        await consumer.stop()


async def delete_topic(kafka: str, topic: str) -> None:
    """Delete a topic and return when it is gone."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_topics([topic])

        async def gone() -> bool:
            return topic not in await admin.list_topics()

        await eventually(gone)
    finally:
        await admin.close()


async def end_of(service: Service) -> BaseException:
    """What a service fails with, in time."""
    return await asyncio.wait_for(asyncio.shield(service.failed), 120)


if __name__ == "__main__":
    run(create_app, Settings)
