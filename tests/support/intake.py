"""Events as senders write them, keys, and an intake whose Kafka is a list."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import yaml
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from intake.app import create_app
from intake.settings import IntakeSettings
from rapport.contracts import topics
from rapport.runtime.publisher import NotAcknowledged, Outgoing
from rapport.runtime.service import Service

from tests.support.clock import ManualClock
from tests.support.documented import as_documented

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

KEYS: dict[str, dict[str, Any]] = {
    "emit-key": {"name": "crm", "roles": ["emit"], "sources": ["/crm", "/crm/*"]},
    "slow-key": {"name": "slow", "roles": ["emit"], "rate": 2},
    "pbx-key": {"name": "pbx", "roles": ["emit"], "sources": ["/pbx"], "resolve_customers": True},
    "watch-key": {"name": "screen", "roles": ["watch"]},
    "all-key": {"name": "all", "roles": ["admin", "emit"]},
    "admin-key": {"name": "boss", "roles": ["admin"]},
    "mail-key": {"name": "mailroom", "roles": ["admin"], "teams": ["mail"]},
}


def event(**changes: Any) -> dict[str, Any]:
    """A contact event as the CRM sends it; a change to None leaves the attribute out."""
    written = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/crm",
        "type": "contact.received",
        "time": "2026-03-02T08:59:00Z",
        "data": data(),
        **changes,
    }
    return {name: value for name, value in written.items() if value is not None}


def data(**changes: Any) -> dict[str, Any]:
    written = {"customer_id": "K-5", "contact_id": "C-77", "channel": "email", "subject": "Broken again", **changes}
    return {name: value for name, value in written.items() if value is not None}


def batch(*events: Mapping[str, Any]) -> bytes:
    return json.dumps(list(events)).encode()


def keys_file(folder: Path) -> Path:
    path = folder / "keys.yaml"
    lines = [{"sha256": hashlib.sha256(secret.encode()).hexdigest(), **key} for secret, key in KEYS.items()]
    path.write_text(yaml.safe_dump({"keys": lines}), "utf-8")
    return path


@dataclass
class RecordingPublisher:
    """
    Kafka as a list: what is published is stored at once, in order.

    `away` makes it acknowledge nothing, `held` makes it wait for `release`.
    """

    stored: list[Outgoing] = field(default_factory=list)
    away: bool = False
    held: asyncio.Event | None = None

    async def publish(self, records: Iterable[Outgoing], *, within: float = 30.0) -> None:
        outgoing = list(records)
        if self.held:
            await self.held.wait()
        if self.away:
            raise NotAcknowledged(f"Kafka did not acknowledge within {within:g} s")
        self.stored += outgoing

    def on(self, topic: str) -> list[Outgoing]:
        return [record for record in self.stored if record.topic == topic]

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(record.value or b"") for record in self.on(topics.CONTACT_EVENTS)]

    def dead(self) -> list[dict[str, str]]:
        """The headers of the dead letters."""
        return [{name: value.decode() for name, value in record.headers} for record in self.on(topics.DEAD_LETTERS)]


@dataclass
class Intake:
    """An intake as its senders see it."""

    service: Service
    http: httpx.AsyncClient
    kafka: RecordingPublisher
    clock: ManualClock

    async def post(
        self, body: Any, content_type: str | None = STRUCTURED, key: str | None = "emit-key", **headers: str
    ) -> httpx.Response:
        """POST /v1/events; what is no bytes is written as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if content_type is not None:
            sent["content-type"] = content_type
        if key is not None:
            sent["authorization"] = f"Bearer {key}"
        return await self.http.post("/v1/events", content=content, headers=sent)


@contextlib.asynccontextmanager
async def intake_without_kafka(folder: Path, **settings: Any) -> AsyncIterator[Intake]:
    """The real application over ASGI, its publisher a list, its clock set by hand to `NOW`."""
    clock, kafka = ManualClock(NOW), RecordingPublisher()
    service = create_app(IntakeSettings(keys_file=keys_file(folder), **settings), clock, kafka)
    transport = httpx.ASGITransport(service.http)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://intake", event_hooks=as_documented(service.http)
    ) as http:
        yield Intake(service, http, kafka, clock)
    service.client.close()


@dataclass
class RealIntake:
    """An intake with real Kafka and MongoDB, on topics and a database of its own."""

    service: Service
    http: httpx.AsyncClient
    producer: AIOKafkaProducer

    async def post(self, body: Any, content_type: str = STRUCTURED, key: str = "emit-key") -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": content_type, "authorization": f"Bearer {key}"}
        return await self.http.post("/v1/events", content=content, headers=headers)

    async def get(self, path: str, key: str = "watch-key", **params: Any) -> dict[str, Any]:
        response = await self.http.get(path, params=params, headers={"authorization": f"Bearer {key}"})
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    async def replay(self, key: str = "admin-key", **order: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {key}"}
        return await self.http.post("/v1/dead-letters/replay", json=order, headers=headers)

    async def produce(self, value: bytes | None, key: bytes | None = None, **headers: str) -> None:
        """A record on contact-events.in; an underscore in `content_type` is written as a hyphen."""
        named = [(name.replace("content_type", "content-type"), text.encode()) for name, text in headers.items()]
        await self.producer.send_and_wait(self._named(topics.CONTACT_EVENTS_IN), value, key=key, headers=named)

    async def stored(self, count: int, topic: str = topics.CONTACT_EVENTS) -> list[Any]:
        """The first `count` records of a topic, once they are there."""
        consumer = AIOKafkaConsumer(
            self._named(topic),
            bootstrap_servers=self.service.settings.kafka_bootstrap_servers,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            async with asyncio.timeout(60):
                return [await consumer.getone() for _ in range(count)]
        finally:
            await consumer.stop()

    async def everything(self, topic: str = topics.CONTACT_EVENTS) -> list[Any]:
        """All records of a topic."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.service.settings.kafka_bootstrap_servers, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            places = [TopicPartition(self._named(topic), n) for n in range(self.service.settings.partitions)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            return [await consumer.getone() for _ in range(sum(ends.values()))]
        finally:
            await consumer.stop()

    async def letters(self, count: int, **params: Any) -> list[dict[str, Any]]:
        """The dead letters in the mirror, once there are `count`."""
        async with asyncio.timeout(60):
            while True:
                items: list[dict[str, Any]] = (await self.get("/v1/dead-letters", **params))["items"]
                if len(items) >= count:
                    return items
                await self.service.clock.sleep(0.05)

    def _named(self, topic: str) -> str:
        return self.service.settings.topic_prefix + topic


def made_intake(folder: Path, kafka: str, mongodb: str, name: str, **settings: Any) -> Service:
    """An intake that has not been started; `name` is a prefix that nobody else uses."""
    return create_app(
        IntakeSettings(
            kafka_bootstrap_servers=kafka,
            mongodb_uri=mongodb,
            port=0,
            partitions=3,
            topic_prefix=f"{name}.",
            database_prefix=f"{name}_",
            keys_file=keys_file(folder),
            **settings,
        )
    )


@contextlib.asynccontextmanager
async def real_intake(folder: Path, kafka: str, mongodb: str, name: str, **settings: Any) -> AsyncIterator[RealIntake]:
    """A running intake; `name` is a prefix that nobody else uses."""
    service = made_intake(folder, kafka, mongodb, name, **settings)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    async with service.running():
        await producer.start()
        try:
            async with httpx.AsyncClient(
                base_url=service.url, timeout=30, event_hooks=as_documented(service.http)
            ) as http:
                yield RealIntake(service, http, producer)
        finally:
            await producer.stop()
