"""What people would write instead of our processor: a FastStream handler as its documentation shows it, per message."""

import asyncio
import secrets
from contextlib import AsyncExitStack

from faststream.kafka import KafkaBroker, KafkaMessage
from rapport.contracts import TOPIC_OF, decode, encode, topics
from rapport.decision import Domain, Ref, States
from rapport.runtime.clock import SystemClock
from rapport.runtime.documents import document_of
from rapport.runtime.mongo import connect
from rapport.runtime.settings import Settings


async def plain_rate(domain: Domain, settings: Settings, count: int) -> float:
    """
    Events a second over the first `count` of contact-events, decided by the same domain.

    Each is found, decided and replaced by itself, and what is told is published before
    the next: with FastStream's defaults. It counts twice what a kill interrupts, and
    two replicas overwrite each other's states.
    """
    clock = SystemClock()
    name = f"plain{secrets.token_hex(4)}"
    client = connect(settings.mongodb_uri)
    database = client[name]
    broker = KafkaBroker(settings.kafka_bootstrap_servers, logger=None)
    left, finished = count, asyncio.Event()

    @broker.subscriber(settings.topic_prefix + topics.CONTACT_EVENTS, group_id=name, auto_offset_reset="earliest")
    async def fold(body: bytes, message: KafkaMessage) -> None:
        nonlocal left
        event, states = decode(body), States()
        for touch in domain.touches(event):
            assert isinstance(touch, Ref)  # noqa: S101 - all that contact events touch
            document = await database[touch.kind.collection].find_one({"_id": touch.id})
            states.loaded([touch], [touch.kind.restored(document["s"])] if document else [])
        partition: int = message.raw_message.partition  # type: ignore[union-attr] # one record each
        decision = domain.on_event(event, partition, states, clock.now())
        for state in decision.states:
            await database[state.collection].replace_one({"_id": state.id}, document_of(state), upsert=True)
        for told in decision.events:
            topic = settings.topic_prefix + TOPIC_OF[told.event.type]
            await broker.publish(encode(told.event), topic, key=told.key.encode())
        left -= 1
        if left == 0:
            finished.set()

    async with AsyncExitStack() as last:
        last.callback(client.close)
        last.push_async_callback(client.drop_database, name)
        await broker.start()
        last.push_async_callback(broker.stop)
        while left == count:
            await clock.sleep(0.005)
        started, first = clock.now(), left
        await finished.wait()
        return first / (clock.now() - started).total_seconds()
