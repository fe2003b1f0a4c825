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
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, ClassVar, Final

from metrics.domain import ContactFact, CustomerFact, Figures, JournalEntry
from rapport.contracts import Data, Event, decode, tell
from rapport.contracts.followup_events import FollowupOwed
from rapport.decision import Decision, Ref, State, States, Tell, Touch
from rapport.runtime.clock import SystemClock
from rapport.runtime.interpreter import collect_seldom, take_turns_soon
from rapport.runtime.kafka import ensure_topics
from rapport.runtime.mongo import Client, ReplaceOne, connect, transaction
from rapport.runtime.publisher import Publisher
from rapport.runtime.service import event_loop
from rapport.runtime.settings import Settings
from sla_monitor.domain.states import ContactState

from devkit.bench.cores import folded_by
from devkit.bench.folding import CONTACTS, PARTITIONS, Subject, events, polls, replica, sla_monitor
from devkit.bench.plain import plain_rate
from devkit.bench.report import Row, render
from devkit.stack import local_stack

AT_ONCE: Final = 500
PLAIN: Final = 1_500


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
    in_force = now - timedelta(days=365)
    sla = sla_monitor(in_force)
    rows = []
    for subject in (TRIVIAL, sla, Subject("metrics", Figures(), (ContactFact, CustomerFact, JournalEntry))):
        rows += await measured(subject, settings, publisher, len(records), read_rate)
    rows.append(await _beside_a_plain_handler(rows[2], in_force, settings))
    await publisher.stop()
    rows.append(await _on_all_cores(settings, in_force, len(records)))
    return rows


async def _reading(settings: Settings, count: int) -> float:
    async with polls(settings) as polled:
        started = time.perf_counter()
        async for records in polled:
            for record in records:
                decode(record.value)
        return count / (time.perf_counter() - started)


async def measured(
    subject: Subject, settings: Settings, publisher: Publisher, count: int, read_rate: float
) -> list[Row]:
    name = subject.states[0].collection
    async with _database(settings, name) as (client, database):
        async with replica(subject, settings, publisher, client, database) as fold_all:
            started = time.perf_counter()
            await fold_all()
            rate = count / (time.perf_counter() - started)
        write_rate = await _replacing(client, client[database], name, count)
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    what = f"{subject.name}: events folded"
    return [
        Row(what, rate, "events", "the same documents replaced", write_rate, memory_mb),
        Row(what, rate, "events", "only read and decoded", read_rate, memory_mb),
    ]


async def _on_all_cores(settings: Settings, in_force: datetime, count: int) -> Row:
    """Sla-monitor again, in a replica for each core, beside the same documents replaced."""
    cores = min(os.cpu_count() or 1, PARTITIONS)
    name = ContactState.collection
    async with _database(settings, f"{name}-on-all-cores") as (client, database):
        seconds, memory_mb = await folded_by(cores, settings, in_force, database)
        write_rate = await _replacing(client, client[database], name, count)
    what = f"sla-monitor in {cores} replicas: events folded"
    return Row(what, count / seconds, "events", "the same documents replaced", write_rate, memory_mb)


@asynccontextmanager
async def _database(settings: Settings, name: str) -> AsyncIterator[tuple[Client, str]]:
    """One that is dropped in the end."""
    client = connect(settings.mongodb_uri)
    database = f"{settings.topic_prefix}{name}"
    try:
        yield client, database
    finally:
        await client.drop_database(database)
        client.close()


async def _beside_a_plain_handler(ours: Row, in_force: datetime, settings: Settings) -> Row:
    """Sla-monitor again, beside the same domain in a handler for each message."""
    rate = await plain_rate(sla_monitor(in_force).domain, settings, PLAIN)
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
