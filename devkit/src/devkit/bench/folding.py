"""A processor with a real domain, the records that it folds, and where they come from: what the benches measure."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from rapport.contracts import contact_events, encode, tell, topics
from rapport.decision import Domain, State
from rapport.runtime.clock import SystemClock
from rapport.runtime.lanes import Lanes
from rapport.runtime.mongo import Client
from rapport.runtime.processor import Processor
from rapport.runtime.publisher import Outgoing, Publisher
from rapport.runtime.settings import Settings
from rapport.runtime.store import Store
from sla_monitor.domain.monitor import SlaDomain
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.policy_book import PolicyBook, publish
from sla_monitor.domain.states import AlertState, ContactState, CustomerState
from sla_monitor.policies import read_file

CONTACTS: Final = 2_000
EVENTS_EACH: Final = 4
PARTITIONS: Final = 6

Raw = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """A service as far as its processor goes; `states` first names the one that each event of a contact changes."""

    name: str
    domain: Domain
    states: tuple[type[State], ...]


def sla_monitor(effective_from: datetime) -> Subject:
    """The service with the policy that is shipped, in force since then."""
    version = publish(read_file(None), number=1, effective_from=effective_from)
    states = (ContactState, CustomerState, AlertState, NotificationState)
    return Subject("sla-monitor", SlaDomain(PolicyBook([version])), states)


def events(start: datetime, contacts: int = CONTACTS) -> list[Outgoing]:
    """The lives of so many contacts of a third as many customers, a step of every one after the other."""
    customers = contacts // 3
    return [
        Outgoing(topics.CONTACT_EVENTS, f"c{n % customers}".encode(), _event(n, f"c{n % customers}", step, start))
        for step in range(EVENTS_EACH)
        for n in range(contacts)
    ]


def _event(n: int, customer_id: str, step: int, start: datetime) -> bytes:
    who: dict[str, Any] = {"customer_id": customer_id, "contact_id": f"contact-{n}"}
    steps: tuple[tuple[str, contact_events.ContactData], ...] = (
        ("contact.received", contact_events.ContactReceived(channel="email", topic="billing", region="eu", **who)),
        ("contact.assigned", contact_events.ContactAssigned(agent_id="agent-7", team="billing", **who)),
        ("contact.responded", contact_events.ContactResponded(agent_id="agent-7", channel="email", **who)),
        ("contact.resolved", contact_events.ContactResolved(outcome="solved", agent_id="agent-7", **who)),
    )
    event_type, data = steps[step]
    at = start + timedelta(minutes=10 * step, milliseconds=n)
    return encode(tell(event_type, data, source="/bench", id=f"{n}-{step}", time=at))


@asynccontextmanager
async def polls(
    settings: Settings, partitions: Collection[int] = range(PARTITIONS)
) -> AsyncIterator[AsyncIterator[Raw]]:
    """These partitions of the topic from their beginning to their end, in polls."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        places = [TopicPartition(settings.topic_prefix + topics.CONTACT_EVENTS, p) for p in partitions]
        consumer.assign(places)
        yield _until_the_end(consumer, await consumer.end_offsets(places), settings.batch_records)
    finally:
        await consumer.stop()


async def _until_the_end(consumer: Any, ends: dict[TopicPartition, int], at_once: int) -> AsyncIterator[Raw]:
    left = sum(ends.values())
    while left:
        polled = await consumer.getmany(timeout_ms=100, max_records=at_once)
        records = [record for some in polled.values() for record in some]
        left -= len(records)
        if records:
            yield records


@asynccontextmanager
async def replica(
    subject: Subject,
    settings: Settings,
    publisher: Publisher,
    client: Client,
    database: str,
    partitions: Collection[int] = range(PARTITIONS),
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """One that has been given these partitions; what it yields folds all that lies there."""
    store = Store(client, client[database], subject.states)
    await store.prepare(PARTITIONS)
    processor = Processor(subject.name, subject.domain, store, publisher, SystemClock())
    processor.owned = set(partitions)
    lanes = Lanes(processor.process, at_once=settings.batch_records, fail=lambda _: None)
    async with polls(settings, partitions) as polled:

        async def fold_all() -> None:
            async for records in polled:
                await lanes.feed(records)
            await lanes.settled()

        yield fold_all
