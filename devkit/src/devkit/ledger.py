"""What stands in Kafka, read from its beginning to its end: the truth that figures are held against."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer
from pymongo import MongoClient

from devkit.sending import CloudEvent, Id


@dataclass(slots=True)
class Ledger:
    """The events of each topic; an identity that came several times stands here once, as it came first."""

    events: dict[str, dict[Id, CloudEvent]] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)

    def of(self, topic: str) -> dict[Id, CloudEvent]:
        return self.events.get(topic, {})

    def typed(self, topic: str, *types: str) -> Iterator[dict[str, Any]]:
        """The data of a topic's events of these types, each with its `type`, in order."""
        for event in self.of(topic).values():
            if event["type"] in types:
                yield {**event["data"], "type": event["type"], "source": event["source"]}


def read(kafka: str, topics: Iterable[str]) -> Ledger:
    """
    Everything that these topics hold now.

    In a thread of its own, so that a signal meant for the command does not strike in the middle of an event loop.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, _read(kafka, list(topics))).result()


async def _read(kafka: str, topics: list[str]) -> Ledger:
    # a consumer without a group has all partitions of its topics
    consumer = AIOKafkaConsumer(
        *topics, bootstrap_servers=kafka, group_id=None, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        ledger = Ledger({topic: {} for topic in topics}, dict.fromkeys(topics, 0))
        for part, end in ends.items():
            ledger.records[part.topic] += end
        while [part for part, end in ends.items() if await consumer.position(part) < end]:
            for part, records in (await consumer.getmany(timeout_ms=500)).items():
                for record in records:
                    event = json.loads(record.value)
                    ledger.events[part.topic].setdefault((event["source"], event["id"]), event)
        return ledger
    finally:
        await consumer.stop()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a service is, by its own rows: records of each topic settled, batches of events not yet published."""

    settled: dict[str, int]
    unpublished: int


def progress(mongodb: str, service: str) -> Progress:
    """What the service's database says; for an audit, for otherwise nobody but the service reads it."""
    with MongoClient[dict[str, Any]](mongodb) as client:
        database = client[f"rapport_{service}"]
        settled: Counter[str] = Counter()
        for row in database["partitions"].find({}):
            settled.update(row.get("offsets", {}))
        return Progress(dict(settled), database["outbox"].count_documents({}))
