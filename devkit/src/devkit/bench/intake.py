"""
intake over HTTP, one by one and 500 at once, with a real Kafka (KAFKA_BOOTSTRAP_SERVERS, MONGODB_URI).

Singles are held against a handler of the same server that reads the body and does nothing; batches against a bare
aiokafka producer that sends the same bytes, equally safely (all replicas, idempotent), just as many at once, by `send`
and by `send_batch`; both against what people would write instead, FastAPI with FastStream's publish, in the same run.
"""

import asyncio
import itertools
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from pydantic_core import to_json
from rapport.cloudevents import json_format
from rapport.contracts import format_instant, topics
from rapport.runtime.batching import partition_of_key
from rapport.runtime.clock import SystemClock

from devkit.bench import servers
from devkit.bench.hardship import hardships
from devkit.bench.report import Row, render
from devkit.bench.servers import EVENTS, NOOP, PEER_BATCH, SHORT_NOOP, Place, Running, serving
from devkit.bench.wire import all_at_once, at_a_rate, request

SINGLES: Final = 4_000
BATCHES: Final = 60
BATCH: Final = 500
CUSTOMERS: Final = 1_000
ROUNDS: Final = 3
SINGLE_SENDERS: Final = 64
BATCH_SENDERS: Final = 8


Round = Callable[[], Awaitable[float]]
"""A round of something that is timed; answers its rate."""

Produce = Callable[[AIOKafkaProducer, str, Sequence[bytes]], Awaitable[None]]


def run() -> list[Row]:
    """Each rate is the best of three rounds, in which it and its baselines take turns."""
    return asyncio.run(_run())


async def _run() -> list[Row]:
    place = Place(os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["MONGODB_URI"], f"bench-{uuid.uuid4().hex[:8]}")
    try:
        async with serving(servers.intake, place) as ours, serving(servers.peer, place) as theirs:
            rows = await _singles(ours, theirs) + await _batches(ours, theirs, place)
    finally:
        await _forget(place)
    return rows + await hardships(list(itertools.islice(_events(), BATCH)))


async def _singles(ours: Running, theirs: Running) -> list[Row]:
    events = _events()

    def load(url: str, path: str) -> Round:
        async def one_round() -> float:
            requests = [request(path, json_format.EVENT, next(events)) for _ in range(SINGLES)]
            return SINGLES / await all_at_once(url, requests, SINGLE_SENDERS)

        return one_round

    paths = ((ours.url, EVENTS), (ours.url, NOOP), (ours.url, SHORT_NOOP), (theirs.url, EVENTS))
    loads = [load(*path) for path in paths]
    rate, noop, short, peer = await _best(*loads)
    cpu = [await _cpu(server, one, SINGLES) for server, one in zip((ours, ours, ours, theirs), loads, strict=True)]
    requests = [request(EVENTS, json_format.EVENT, next(events)) for _ in range(int(rate * 2))]
    median, late = await at_a_rate(ours.url, requests, SINGLE_SENDERS, rate / 2)
    name = "intake, one event a request"
    return [
        Row(name, rate, "events", "no-op handler", noop, ours.megabytes),
        Row(name, rate, "events", "no-op handler by the short cut", short, ours.megabytes),
        Row(
            name,
            rate,
            "events",
            "FastAPI + FastStream",
            peer,
            ours.megabytes,
            f"at half that rate: median {median * 1000:.1f} ms, p99 {late * 1000:.1f} ms. µs of CPU an event: "
            f"{cpu[0]:.0f}; the no-op {cpu[1]:.0f}, by the short cut {cpu[2]:.0f}; the peer {cpu[3]:.0f}. The peer "
            "checks no rule of CloudEvents and no contract, knows no keys, keeps no refused event",
        ),
    ]


async def _batches(ours: Running, theirs: Running, place: Place) -> list[Row]:
    events = _events()
    topic = place.topic(topics.CONTACT_EVENTS)

    def load(url: str, path: str, kind: str) -> Round:
        async def one_round() -> float:
            bodies = [b"[" + b",".join(itertools.islice(events, BATCH)) + b"]" for _ in range(BATCHES)]
            requests = [request(path, kind, body) for body in bodies]
            return BATCHES * BATCH / await all_at_once(url, requests, BATCH_SENDERS)

        return one_round

    def produced(how: Produce) -> Round:
        async def one_round() -> float:
            groups = [list(itertools.islice(events, BATCH)) for _ in range(BATCHES)]
            return BATCHES * BATCH / await _produce(place.kafka, topic, groups, how)

        return one_round

    mine, its = load(ours.url, EVENTS, json_format.BATCH), load(theirs.url, PEER_BATCH, "application/json")
    rate, send, send_batch, peer = await _best(mine, produced(_send), produced(_send_batch), its)
    cpu = [await _cpu(server, one, BATCHES * BATCH) for server, one in ((ours, mine), (theirs, its))]
    name = f"intake, {BATCH} events a request"
    return [
        Row(name, rate, "events", "bare producer, send", send, ours.megabytes),
        Row(name, rate, "events", "bare producer, send_batch", send_batch, ours.megabytes),
        Row(
            name,
            rate,
            "events",
            "FastAPI + FastStream",
            peer,
            ours.megabytes,
            f"µs of CPU an event: {cpu[0]:.1f}; the peer {cpu[1]:.1f}. The peer publishes batches without keys, so "
            "that no order per customer is kept, and fails them outright at its default max_batch_size of 16 KiB",
        ),
    ]


async def _best(*contenders: Round) -> list[float]:
    """The best of three rounds of each, which take turns."""
    best = [0.0] * len(contenders)
    for _ in range(ROUNDS):
        for number, contender in enumerate(contenders):
            best[number] = max(best[number], await contender())
    return best


async def _cpu(server: Running, one_round: Round, events: int) -> float:
    """Microseconds of CPU that the server needs for an event: what noise of the machine changes least."""
    before = server.cpu_seconds
    await one_round()
    return (server.cpu_seconds - before) / events * 1e6


async def _produce(kafka: str, topic: str, groups: Sequence[Sequence[bytes]], produce: Produce) -> float:
    """Seconds until all are acknowledged."""
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all", enable_idempotence=True, linger_ms=2, max_batch_size=1 << 20
    )
    pending = iter(groups)

    async def sender() -> None:
        for group in pending:
            await produce(producer, topic, group)

    async with producer:
        await producer.partitions_for(topic)
        start = time.perf_counter()
        await asyncio.gather(*(sender() for _ in range(BATCH_SENDERS)))
        return time.perf_counter() - start


async def _send(producer: AIOKafkaProducer, topic: str, group: Sequence[bytes]) -> None:
    sent = [await producer.send(topic, value, key=_key(number)) for number, value in enumerate(group)]
    await asyncio.gather(*sent)


async def _send_batch(producer: AIOKafkaProducer, topic: str, group: Sequence[bytes]) -> None:
    partitions = len(await producer.partitions_for(topic))
    builders = [producer.create_batch() for _ in range(partitions)]
    for number, value in enumerate(group):
        key = _key(number)
        builders[partition_of_key(key, partitions)].append(timestamp=None, key=key, value=value)
    filled = [(number, builder) for number, builder in enumerate(builders) if builder.record_count()]
    await asyncio.gather(*(_send_one(producer, topic, builder, number) for number, builder in filled))


async def _send_one(producer: AIOKafkaProducer, topic: str, builder: Any, partition: int) -> None:
    await (await producer.send_batch(builder, topic, partition=partition))


def _key(number: int) -> bytes:
    return b"K-%d" % (number % CUSTOMERS)


def _events() -> Iterator[bytes]:
    """Events of this minute, of many customers, about 430 bytes each."""
    now = format_instant(SystemClock().now())
    for number in itertools.count():
        yield to_json(
            {
                "specversion": "1.0",
                "id": f"e-{number}",
                "source": "/crm",
                "type": "contact.received",
                "time": now,
                "datacontenttype": "application/json",
                "data": {
                    "customer_id": f"K-{number % CUSTOMERS}",
                    "contact_id": f"C-{number}",
                    "channel": "email",
                    "kind": "complaint",
                    "priority": "high",
                    "subject": "The delivery of last week has not arrived",
                    "topic": "delivery",
                    "region": "EU",
                    "location": "Lyon",
                    "team": "orders",
                    "language": "fr",
                    "attributes": {"campaign": "spring", "visits": 3},
                },
            }
        )


async def _forget(place: Place) -> None:
    """Delete the topics that were made."""
    admin = AIOKafkaAdminClient(bootstrap_servers=place.kafka)
    await admin.start()
    try:
        await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(f"{place.prefix}.")])
    finally:
        await admin.close()


if __name__ == "__main__":
    render(run())
