"""
sla-monitor in several replicas, each a process of its own: how fast, and whether all is right while they come and go.

The events are the same each time. A quiet run of each number of replicas is followed by one in which every 10 s one of
them is stopped and started again, each third time by kill -9, so that partitions change hands all the time. What stands
in MongoDB at the end is compared with the lives of the contacts, and what was told with what one replica tells that
nobody disturbs.
"""

import asyncio
import os
import random
import secrets
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import psutil  # type: ignore[import-untyped]
from rapport.contracts import topics
from rapport.runtime.clock import SystemClock
from rapport.runtime.mongo import connect
from rapport.runtime.publisher import Publisher
from sla_monitor.domain.states import ContactState

from devkit.bench.folding import EVENTS_EACH, events
from devkit.bench.report import Row
from devkit.ledger import read
from devkit.platform.service import ServiceProcess
from devkit.sending import Id
from devkit.stack.ports import free_port

CONTACTS: Final = int(os.environ.get("RAPPORT_BENCH_CONTACTS", "40000"))
EVENTS: Final = CONTACTS * EVENTS_EACH
PARTITIONS: Final = 12
LEAVE_EVERY: Final = 10.0
KILLED_OF: Final = 3
AT_ONCE: Final = 500
_LOOK: Final = 0.1

CLOCK: Final = SystemClock()


def run() -> list[Row]:
    return asyncio.run(_measure())


async def _measure() -> list[Row]:
    start = CLOCK.now() - timedelta(hours=1)
    alone = await _fold(1, start, leaving=False)
    rows = [_row("1 replica", alone, "itself", alone, alone)]
    for count in (2, 4):
        name = f"{count} replicas"
        quiet = await _fold(count, start, leaving=False)
        rows.append(_row(name, quiet, "1 replica", alone, alone))
        restless = await _fold(count, start, leaving=True)
        rows.append(_row(f"{name}, one left {restless.left} times", restless, "left alone", quiet, alone))
    return rows


@dataclass(frozen=True, slots=True)
class Folded:
    """One run: `whole` contacts have each of their events once, `told` are the events in Kafka, `again` repeats."""

    rate: float
    memory_mb: float
    left: int
    whole: int
    told: frozenset[Id]
    again: int


def _row(name: str, run: Folded, baseline: str, beside: Folded, alone: Folded) -> Row:
    note = (
        f"{run.whole:,} of {CONTACTS:,} contacts whole; {len(run.told):,} events told, {run.again:,} of them again, "
        f"{len(alone.told - run.told):,} missing, {len(run.told - alone.told):,} that should not be"
    )
    return Row(name, run.rate, "events", baseline, beside.rate, run.memory_mb, note)


class Replicas:
    """Processes of sla-monitor in one consumer group."""

    def __init__(self, count: int, folder: Path, environment: dict[str, str]) -> None:
        ports: set[int] = set()
        for _ in range(count):
            ports.add(free_port(taken=frozenset(ports)))
        self._processes = [
            ServiceProcess("sla_monitor", folder / f"{port}.log", port=port, environment=environment) for port in ports
        ]
        self._random = random.Random(count)
        self.left = 0

    async def start(self) -> None:
        for process in self._processes:
            process.launch()
        for process in self._processes:
            await asyncio.to_thread(process.wait_ready)

    def one_leaves(self) -> None:
        """One stops, or is killed, and starts again at once."""
        one = self._random.choice(self._processes)
        self.left += 1
        if self.left % KILLED_OF:
            one.stop()
        else:
            one.kill()
        one.launch()

    def memory_mb(self) -> float:
        """Of the largest."""
        return max(float(psutil.Process(process.pid).memory_info().rss) for process in self._processes) / 1e6

    def stop(self) -> None:
        for process in self._processes:
            process.stop()


async def _fold(count: int, start: datetime, *, leaving: bool) -> Folded:
    """The lives of all contacts; the time runs from when the last event was sent to when it is settled."""
    prefix = f"bench-{secrets.token_hex(4)}-"
    kafka, mongodb = os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["MONGODB_URI"]
    client = connect(mongodb)
    database = client[f"{prefix}sla_monitor"]
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "MONGODB_URI": mongodb,
        "RAPPORT_TOPIC_PREFIX": prefix,
        "RAPPORT_DATABASE_PREFIX": prefix,
        "RAPPORT_PARTITIONS": str(PARTITIONS),
    }
    with ExitStack() as ending:
        ending.callback(client.close)
        folder = ending.enter_context(tempfile.TemporaryDirectory())
        replicas = Replicas(count, Path(folder), environment)
        ending.callback(replicas.stop)
        await replicas.start()
        await _publish(kafka, prefix, start)
        first, started, left = await _settled(database, prefix), perf_counter(), perf_counter()
        while (settled := await _settled(database, prefix)) < EVENTS:
            await CLOCK.sleep(_LOOK)
            if leaving and perf_counter() - left > LEAVE_EVERY:
                await asyncio.to_thread(replicas.one_leaves)
                left = perf_counter()
        rate = (settled - first) / (perf_counter() - started)
        memory_mb = replicas.memory_mb()
        whole = await _whole(database)
        topic = prefix + topics.SLA_EVENTS
        ledger = await asyncio.to_thread(read, kafka, [topic])
        told = frozenset(ledger.of(topic))
        await client.drop_database(database.name)
        return Folded(rate, memory_mb, replicas.left, whole, told, ledger.records[topic] - len(told))


async def _publish(kafka: str, prefix: str, start: datetime) -> None:
    publisher = Publisher(kafka, client_id="rapport-bench", topic_prefix=prefix)
    records = events(start, CONTACTS)
    for first in range(0, len(records), AT_ONCE):
        await publisher.publish(records[first : first + AT_ONCE])
    await publisher.stop()


async def _settled(database: Any, prefix: str) -> int:
    return sum(
        [row.get("offsets", {}).get(prefix + topics.CONTACT_EVENTS, 0) async for row in database["partitions"].find()]
    )


async def _whole(database: Any) -> int:
    """Contacts with each of their events once, and resolved."""
    states = [ContactState.restored(document["s"]) async for document in database[ContactState.collection].find()]
    return sum(len(state.log) == EVENTS_EACH and state.status == "resolved" for state in states)
