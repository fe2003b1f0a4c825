"""
The processor with the real domains, from a real Kafka into a real MongoDB, beside what bounds it from above.

The baselines do one half each, in the same run and on the same servers: reading the
same records and decoding them; writing the same documents in transactions of 500,
with neither reading, deciding nor telling.
"""

import asyncio
import os
import resource
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, ClassVar, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from metrics.domain import ContactFact, CustomerFact, Figures, JournalEntry
from rapport.contracts import Data, Event, contact_events, decode, encode, tell, topics
from rapport.contracts.followup_events import FollowupOwed
from rapport.decision import Decision, Domain, Ref, State, States, Tell, Touch
from rapport.runtime.clock import SystemClock
from rapport.runtime.interpreter import collect_seldom, take_turns_soon
from rapport.runtime.kafka import ensure_topics
from rapport.runtime.lanes import Lanes
from rapport.runtime.mongo import Client, ReplaceOne, connect, transaction
from rapport.runtime.processor import Processor
from rapport.runtime.publisher import Outgoing, Publisher
from rapport.runtime.service import event_loop
from rapport.runtime.settings import Settings
from rapport.runtime.store import Store
from sla_monitor.domain.monitor import SlaDomain
from sla_monitor.domain.policy_book import PolicyBook, PolicyVersion, publish
from sla_monitor.domain.states import AlertState, ContactState, CustomerState, NotificationState
from sla_monitor.policies import read_file

from devkit.bench.plain import plain_rate
from devkit.bench.report import Row, render
from devkit.stack import local_stack

CONTACTS: Final = 2_000
EVENTS_EACH: Final = 4
AT_ONCE: Final = 500
PLAIN: Final = 1_500
PARTITIONS: Final = 6

SLA_STATES: Final = (ContactState, CustomerState, AlertState, NotificationState)

Raw = Sequence[Any]


class Note(State, frozen=True, kw_only=True):
    """A kilobyte about a contact."""

    collection: ClassVar[str] = "notes"
    text: str
    events: int = 0


class Trivial:
    """Counts the events of a contact and tells each: nearly all that is left is the processor's own work."""

    def touches(self, event: Event[Data]) -> Iterable[Touch]:
        return (Ref(Note, getattr(event.data, "contact_id", "")),)

    def on_event(self, event: Event[Data], partition: int, states: States, now: datetime) -> Decision[Any]:
        contact_id = getattr(event.data, "contact_id", "")
        note = states.get(Note, contact_id) or Note(id=contact_id, partition=partition, text="x" * 1_000)
        after = note.but(events=note.events + 1)
        data = FollowupOwed(
            customer_id="c", followup_id=contact_id, play="bench", step=0, do="check_in", purpose="service", due_at=now
        )
        told = tell("followup.owed", data, source="/bench", id=f"{contact_id}/{after.events}", time=event.time)
        return Decision((after,), (Tell("c", told),))

    def touches_on_clock(self, state: State) -> Iterable[Touch]:  # noqa: ARG002 - the protocol's shape
        return ()

    def on_clock(self, state: State, states: States, now: datetime) -> Decision[Any]:  # noqa: ARG002 - likewise
        return Decision()


@dataclass(frozen=True)
class Subject:
    """A service as far as its processor goes; `states` first names the one that each event of a contact changes."""

    name: str
    domain: Domain
    states: tuple[type[State], ...]


TRIVIAL: Final = Subject("a trivial domain", Trivial(), (Note,))


def run() -> list[Row]:
    with ExitStack() as opened:
        kafka, mongodb = os.environ.get("KAFKA_BOOTSTRAP_SERVERS"), os.environ.get("MONGODB_URI")
        if not kafka or not mongodb:
            stack = opened.enter_context(local_stack(ephemeral=True))
            kafka, mongodb = stack.kafka, stack.mongodb
        settings = Settings(
            KAFKA_BOOTSTRAP_SERVERS=kafka,
            MONGODB_URI=mongodb,
            topic_prefix=f"bench-{secrets.token_hex(4)}-",
            partitions=PARTITIONS,
        )
        with asyncio.Runner(loop_factory=event_loop()) as runner:
            return runner.run(_measure(settings))


async def _measure(settings: Settings) -> list[Row]:
    collect_seldom()
    take_turns_soon()
    now = SystemClock().now()
    await ensure_topics(settings)
    publisher = Publisher(
        settings.kafka_bootstrap_servers, client_id="rapport-bench", topic_prefix=settings.topic_prefix
    )
    await publisher.start()
    records = events(now - timedelta(hours=1))
    for first in range(0, len(records), AT_ONCE):
        await publisher.publish(records[first : first + AT_ONCE])
    read_rate = await _reading(settings, len(records))
    version = publish(read_file(None), number=1, effective_from=now - timedelta(days=365))
    subjects = (
        TRIVIAL,
        Subject(
            "sla-monitor",
            SlaDomain(PolicyBook([version])),
            SLA_STATES,
        ),
        Subject("metrics", Figures(), (ContactFact, CustomerFact, JournalEntry)),
    )
    rows = []
    for subject in subjects:
        rows += await folding(subject, settings, publisher, len(records), read_rate)
    rows.append(await _beside_a_plain_handler(rows[2], version, settings))
    await publisher.stop()
    return rows


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
async def _polls(settings: Settings) -> AsyncIterator[AsyncIterator[Raw]]:
    """The topic from its beginning to its end, in polls."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        places = [TopicPartition(settings.topic_prefix + topics.CONTACT_EVENTS, p) for p in range(PARTITIONS)]
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


async def _reading(settings: Settings, count: int) -> float:
    async with _polls(settings) as polls:
        started = time.perf_counter()
        async for records in polls:
            for record in records:
                decode(record.value)
        return count / (time.perf_counter() - started)


async def folding(
    subject: Subject, settings: Settings, publisher: Publisher, count: int, read_rate: float
) -> list[Row]:
    client = connect(settings.mongodb_uri)
    database = client[f"{settings.topic_prefix}{subject.states[0].collection}"]
    store = Store(client, database, subject.states)
    await store.prepare(PARTITIONS)
    processor = Processor(subject.name, subject.domain, store, publisher, SystemClock())
    processor.owned = set(range(PARTITIONS))
    lanes = Lanes(processor.process, at_once=settings.batch_records, fail=lambda _: None)
    try:
        async with _polls(settings) as polls:
            started = time.perf_counter()
            async for records in polls:
                await lanes.feed(records)
            await lanes.settled()
            rate = count / (time.perf_counter() - started)
        write_rate = await _replacing(client, database, subject.states[0].collection, count)
    finally:
        await client.drop_database(database.name)
        client.close()
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        Row(f"{subject.name}: events folded", rate, "events", "the same documents replaced", write_rate, memory_mb),
        Row(f"{subject.name}: events folded", rate, "events", "only read and decoded", read_rate, memory_mb),
    ]


async def _beside_a_plain_handler(ours: Row, version: PolicyVersion, settings: Settings) -> Row:
    """Sla-monitor again, beside the same domain in a handler for each message."""
    rate = await plain_rate(SlaDomain(PolicyBook([version])), settings, PLAIN)
    return replace(ours, baseline="a FastStream handler a message", baseline_rate=rate)


async def _replacing(client: Client, database: Any, name: str, count: int) -> float:
    """Documents a second, each whole, in transactions of 500: what MongoDB takes at most of ours."""
    documents = [document async for document in database[name].find().limit(CONTACTS)]
    # each time another number: MongoDB does not write what has not changed
    repeated = ({**documents[n % len(documents)], "n": n} for n in range(count))
    started = time.perf_counter()
    while some := list(islice(repeated, AT_ONCE)):
        async with transaction(client) as session:
            writes = [ReplaceOne({"_id": document["_id"]}, document) for document in some]
            await database[name].bulk_write(writes, ordered=False, session=session)
    return count / (time.perf_counter() - started)


def main() -> None:
    render(run())


if __name__ == "__main__":
    main()
