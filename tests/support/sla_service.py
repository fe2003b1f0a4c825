"""sla-monitor with a real Kafka and MongoDB: events in, and what it shows and tells."""

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml
from aiokafka import AIOKafkaConsumer, TopicPartition
from rapport.contracts import decode, encode, topics
from rapport.runtime.clock import SystemClock
from rapport.runtime.mongo import connect
from rapport.runtime.publisher import Outgoing
from rapport.runtime.service import Service
from sla_monitor.app import create_app
from sla_monitor.settings import SlaSettings

from tests.support.documented import as_documented
from tests.support.stack import Addresses

T = TypeVar("T")

CLOCK = SystemClock()
PARTITIONS = 3
KEYS = {
    "watch-key": {"name": "screen", "roles": ["watch"]},
    "ada-key": {"name": "ada", "roles": ["act"]},
    "bob-key": {"name": "bob", "roles": ["act"]},
    "mail-key": {"name": "mailroom", "roles": ["act"], "teams": ["mail"]},
    "emit-key": {"name": "crm", "roles": ["emit"]},
    "admin-key": {"name": "root", "roles": ["admin"]},
}
_SECONDS = 90.0

POLICY = """
calendars:
  always: {{timezone: Europe/Berlin, hours: {{mon-sun: ["00:00-24:00"]}}}}
policies:
  - name: slow
    match: {{priority: low}}
    calendar: always
    targets: {{first_response: {{within: 4h}}}}
    warn: [75%]
    page: now
    escalation: climb
  - name: quick
    calendar: always
    targets: {{first_response: {{within: {within}}}, resolution: {{within: 8h, pause_on: [customer]}}}}
    page: now
    escalation: climb
escalations:
  climb: [{{after: 0s, notify: [team]}}, {{after: {climb}, notify: [lead]}}]
receivers:
  desk: {{url: "{desk}"}}
  lead: {{url: "{lead}"}}
teams: {{billing: {{receiver: desk}}, mail: {{receiver: desk}}}}
grouping: {{by: [team, policy], wait: {wait}, interval: {interval}}}
"""


def policy(
    folder: Path,
    desk: str,
    lead: str,
    *,
    within: str = "1s",
    climb: str = "1h",
    wait: str = "0.3s",
    interval: str = "5m",
) -> Path:
    """A policy file of seconds."""
    path = folder / "policy.yaml"
    path.write_text(
        POLICY.format(desk=desk, lead=lead, within=within, climb=climb, wait=wait, interval=interval), "utf-8"
    )
    return path


def keys_file(folder: Path) -> Path:
    path = folder / "keys.yaml"
    lines = [{"sha256": hashlib.sha256(secret.encode()).hexdigest(), **key} for secret, key in KEYS.items()]
    path.write_text(yaml.safe_dump({"keys": lines}), "utf-8")
    return path


async def until(said: Callable[[], Awaitable[T]], *, seconds: float = _SECONDS) -> T:
    """The first answer that is true in the wide sense; the last one tells what is missing."""
    deadline = CLOCK.now() + timedelta(seconds=seconds)
    while True:
        answer = await said()
        if answer:
            return answer
        if CLOCK.now() > deadline:
            raise AssertionError(f"not within {seconds:g} s; the last answer was {answer!r}")
        await CLOCK.sleep(0.05)


@dataclass
class RunningSla:
    """A running sla-monitor as people and other systems see it."""

    service: Service
    http: httpx.AsyncClient
    stack: Addresses
    made: int = 0

    async def tell(
        self, kind: str, contact: str = "C-1", *, ago: float = 0.0, backfill: bool = False, **data: Any
    ) -> None:
        """An event as intake forwards it."""
        at = CLOCK.now() - timedelta(seconds=ago)
        await self.service.publisher.publish([self.record(kind, contact, at=at, backfill=backfill, **data)])

    def record(self, kind: str, contact: str, *, at: datetime, backfill: bool = False, **data: Any) -> Outgoing:
        """The record of an event that happened at that instant."""
        self.made += 1
        named = {"erasedas": data.pop("erasedas")} if "erasedas" in data else {}
        about = {"customer_id": "K-1", **data}
        if kind.startswith("contact."):
            about["contact_id"] = contact
        if kind == "contact.received":
            about = {"channel": "email", "team": "billing", **about}
        written = {
            "specversion": "1.0",
            "id": f"e{self.made}",
            "source": "/crm",
            "type": kind,
            "time": at.isoformat(),
            "recordedtime": CLOCK.now().isoformat(),
            "backfill": backfill,
            **named,
            "data": about,
        }
        event = decode(json.dumps(written).encode())
        return Outgoing(topics.CONTACT_EVENTS, about["customer_id"].encode(), encode(event))

    async def get(self, path: str, key: str = "watch-key", **parameters: Any) -> httpx.Response:
        return await self.http.get(path, params=parameters, headers={"authorization": f"Bearer {key}"})

    async def post(self, path: str, body: Any = None, key: str = "ada-key") -> httpx.Response:
        return await self.http.post(path, json=body, headers={"authorization": f"Bearer {key}"})

    async def alert(self, name: str, state: str, *, seconds: float = _SECONDS) -> dict[str, Any]:
        """The alert once it is in that state."""

        async def look() -> dict[str, Any] | None:
            answer = await self.get("/v1/alerts")
            assert answer.status_code == 200, answer.text
            alerts: list[dict[str, Any]] = answer.json()["alerts"]
            return next((one for one in alerts if one["id"] == name and one["state"] == state), None)

        found = await until(look, seconds=seconds)
        assert found is not None
        return found

    async def told(self, kind: str) -> list[dict[str, Any]]:
        """All events of a type on sla-events."""
        prefix = self.service.settings.topic_prefix
        consumer = AIOKafkaConsumer(bootstrap_servers=self.stack.kafka, enable_auto_commit=False)
        await consumer.start()
        try:
            parts = [TopicPartition(prefix + topics.SLA_EVENTS, number) for number in range(PARTITIONS)]
            consumer.assign(parts)
            ends = await consumer.end_offsets(parts)
            await consumer.seek_to_beginning(*parts)
            found: list[dict[str, Any]] = []
            for part in parts:
                while await consumer.position(part) < ends[part]:
                    polled = await consumer.getmany(part, timeout_ms=200)
                    found += [json.loads(record.value) for records in polled.values() for record in records]
            return [event for event in found if event["type"] == kind]
        finally:
            await consumer.stop()


@contextlib.asynccontextmanager
async def running_sla(
    folder: Path, stack: Addresses, name: str, *, keep: bool = False, **settings: Any
) -> AsyncIterator[RunningSla]:
    """The service in this process, on a free port, with topics and a database of its own; `keep` leaves it there."""
    made = SlaSettings(
        kafka_bootstrap_servers=stack.kafka,
        mongodb_uri=stack.mongodb,
        database_prefix=f"{name}_",
        topic_prefix=f"{name}.",
        partitions=PARTITIONS,
        port=settings.pop("port", 0),
        keys_file=keys_file(folder),
        secret="for these tests",
        backfill_quiet=timedelta(seconds=1),
        allow_internal_receivers=settings.pop("allow_internal_receivers", True),
        **settings,
    )
    service = create_app(made)
    database = service.database.name
    async with (
        service.running(),
        httpx.AsyncClient(base_url=service.url, timeout=30, event_hooks=as_documented(service.http)) as http,
    ):
        yield RunningSla(service, http, stack)
    if keep:
        return
    client = connect(stack.mongodb)
    await client.drop_database(database)
    client.close()
