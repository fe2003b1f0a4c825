"""
sla-monitor as a process of its own among very many open deadlines: its rate, how late it alerts, what a storm is.

RAPPORT_BENCH_OPEN says how many contacts are open meanwhile (200,000); half as many, but 100,000 at most, fall due at
one instant in the storm. What is announced is looked at where others would see it: in Kafka, by the time that the
record carries. Sender and onlooker share the machine with the service, and so do as little as they can.
"""

import asyncio
import os
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, Final, TypeVar

import msgspec
import psutil  # type: ignore[import-untyped]
from aiokafka import AIOKafkaConsumer, TopicPartition
from rapport.contracts import contact_events, encode, tell, topics
from rapport.decision import Ref, States
from rapport.runtime.clock import SystemClock
from rapport.runtime.documents import document_of
from rapport.runtime.mongo import Client, connect
from rapport.runtime.publisher import Outgoing, Publisher, partition_of
from rich.console import Console
from sla_monitor.domain.monitor import SlaDomain
from sla_monitor.domain.policy_book import PolicyBook, publish
from sla_monitor.domain.states import ContactState, Told

from devkit.bench.report import Row
from devkit.demo.pager import Pager
from devkit.platform.running import Platform

OPEN: Final = int(os.environ.get("RAPPORT_BENCH_OPEN", "200000"))
STORM: Final = min(OPEN // 2, 100_000)
FEW: Final = 10_000
FOLDED: Final = 20_000
DUE_A_SECOND: Final = 100
LAG_SECONDS: Final = 30
PARTITIONS: Final = 12
WITHIN: Final = timedelta(hours=960)
SLICE: Final = 0.05
_LAST_MESSAGE: Final = 20.0
"""Seconds after which the group has been told of all: its wait and its interval, and some."""

POLICY: Final = """
calendars:
  always: {{timezone: UTC, hours: {{mon-sun: ["00:00-24:00"]}}}}
policies:
  - name: bench
    calendar: always
    targets: {{first_response: {{within: 960h}}}}
    page: now
    escalation: desk
escalations:
  desk: [{{after: 0s, notify: [desk]}}]
receivers:
  desk: {{url: "webhook:{url}"}}
grouping: {{by: [policy], wait: 2s, interval: 10s}}
"""

CLOCK: Final = SystemClock()

T = TypeVar("T")


def run() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, Pager() as pager:
        policy = Path(folder) / "policy.yaml"
        policy.write_text(POLICY.format(url=pager.url), "utf-8")
        allowed = {"RAPPORT_ALLOW_INTERNAL_RECEIVERS": "true"}
        with Platform.start(ephemeral=True, policy=policy, services=("sla_monitor",), environment=allowed) as platform:
            return asyncio.run(_measure(platform, policy.read_text("utf-8"), pager))


async def _measure(platform: Platform, policy: str, pager: Pager) -> list[Row]:
    publisher = Publisher(platform.addresses.kafka, client_id="rapport-bench")
    client = connect(platform.addresses.mongodb)
    bench = Bench(platform, client, publisher, Contacts(policy))
    try:
        few = bench.contacts.open_for_long("few", FEW)
        await bench.put(few)
        slow_rate = await bench.fold([f"few-{n}" for n in range(FEW)])
        await bench.put(bench.contacts.open_for_long("open", OPEN))
        rate = await bench.fold([f"open-{n}" for n in range(OPEN)])
        _print(f"{OPEN:,} contacts open", f"{rate:,.0f} events folded a second, {slow_rate:,.0f} among {FEW:,}")
        await _lag(bench, rate / 2)
        await _storm(bench, pager)
        return [Row(f"folded among {OPEN:,} open", rate, "events", f"among {FEW:,}", slow_rate, bench.memory_mb())]
    finally:
        await publisher.stop()
        client.close()


@dataclass
class Bench:
    """The running service, and how to fill, feed and watch it."""

    platform: Platform
    client: Client
    publisher: Publisher
    contacts: "Contacts"
    sent: int = 0

    @property
    def _database(self) -> Any:
        return self.client["rapport_sla_monitor"]

    async def put(self, states: Iterator[ContactState]) -> None:
        """Contacts as the service itself would have stored them."""
        while some := list(islice(states, 5_000)):
            await self._database[ContactState.collection].insert_many([document_of(s) for s in some], ordered=False)

    async def feed(self, ids: Iterable[str]) -> None:
        """One more event of each of these contacts."""
        data = contact_events.ContactAssigned(
            customer_id="c-@contact", contact_id="@contact", agent_id="agent-7", team="billing"
        )
        template = encode(tell("contact.assigned", data, source="/bench", id="@contact/@number", time=CLOCK.now()))
        records = []
        for contact_id in ids:
            value = template.replace(b"@contact", contact_id.encode()).replace(b"@number", str(self.sent).encode())
            records.append(Outgoing(topics.CONTACT_EVENTS, f"c-{contact_id}".encode(), value))
            self.sent += 1
        await self.publisher.publish(records)

    async def fold(self, among: list[str]) -> float:
        """Events a second, of contacts here and there, until all have had their effect."""
        chosen = random.Random(7).choices(among, k=FOLDED)
        for first in range(0, FOLDED, 1000):
            await self.feed(chosen[first : first + 1000])
        before = await self._settled()
        started = perf_counter()
        while (settled := await self._settled()) < self.sent:
            await CLOCK.sleep(SLICE)
        return (settled - before) / (perf_counter() - started)

    async def _settled(self) -> int:
        rows = self._database["partitions"].find()
        return sum([row.get("offsets", {}).get(topics.CONTACT_EVENTS, 0) async for row in rows])

    @asynccontextmanager
    async def announced(self) -> AsyncIterator[Callable[[], "asyncio.Future[list[tuple[datetime, datetime]]]"]]:
        """Breaches that come into Kafka from now on: the instant of each, and when its record was made."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.platform.addresses.kafka, auto_offset_reset="latest")
        await consumer.start()
        try:
            consumer.assign([TopicPartition(topics.SLA_EVENTS, partition) for partition in range(PARTITIONS)])
            await consumer.seek_to_end()
            yield lambda: asyncio.ensure_future(_breaches(consumer))
        finally:
            await consumer.stop()

    def memory_mb(self) -> float:
        """Resident memory of the service."""
        resident: int = psutil.Process(self.platform.services["sla_monitor"].pid).memory_info().rss
        return resident / 1e6


async def _breaches(consumer: AIOKafkaConsumer) -> list[tuple[datetime, datetime]]:
    found = []
    for records in (await consumer.getmany(timeout_ms=200)).values():
        for record in records:
            if b'"sla.breached"' in record.value:
                event = msgspec.json.decode(record.value)
                made = datetime.fromtimestamp(record.timestamp / 1000, tz=CLOCK.now().tzinfo)
                found.append((datetime.fromisoformat(event["time"]), made))
    return found


@dataclass
class Contacts:
    """Open contacts, made from one that the domain itself has opened."""

    policy: str
    template: ContactState = field(init=False)

    def __post_init__(self) -> None:
        now = CLOCK.now()
        version = publish(self.policy, number=1, effective_from=now)
        states = States()
        customer_id, contact_id = "c", "k"
        data = contact_events.ContactReceived(customer_id=customer_id, contact_id=contact_id, channel="email")
        event = tell("contact.received", data, source="/bench", id="e", time=now)
        domain = SlaDomain(PolicyBook([version]))
        states.loaded([touch for touch in domain.touches(event) if isinstance(touch, Ref)], ())
        [self.template] = domain.on_event(event, 0, states, now).states

    def due(self, name: str, at: datetime) -> ContactState:
        """A contact whose first response is due at that instant."""
        opened_at = at - WITHIN
        [entry] = self.template.log
        millis = int(opened_at.timestamp() * 1000)
        due = int(at.timestamp() * 1000)
        customer_id = f"c-{name}"
        return self.template.but(
            id=name,
            partition=partition_of(customer_id, PARTITIONS),
            customer_id=customer_id,
            log=[entry._replace(millis=millis, name=name)],
            told={"first_response/1": Told("running", due)},
            opened_at=opened_at,
            due_at=at,
            wake_at=at + timedelta(milliseconds=1),
        )

    def open_for_long(self, name: str, count: int) -> Iterator[ContactState]:
        """So many that fall due in ten to forty days."""
        start = CLOCK.now() + timedelta(days=10)
        return (
            self.due(f"{name}-{n}", start + timedelta(milliseconds=n * 2_592_000_000 // count)) for n in range(count)
        )


async def _lag(bench: Bench, load: float) -> None:
    """How late the breaches of half a minute are announced while it folds at that rate."""
    begin = CLOCK.now() + timedelta(seconds=3)
    count = DUE_A_SECOND * LAG_SECONDS
    await bench.put(
        bench.contacts.due(f"lag-{n}", begin + n * timedelta(seconds=1) / DUE_A_SECOND) for n in range(count)
    )
    lags: list[float] = []
    async with bench.announced() as breaches:
        feeding = asyncio.create_task(_feed_evenly(bench, load, until=begin + timedelta(seconds=LAG_SECONDS)))
        while len(lags) < count:
            lags += [(made - due) / timedelta(milliseconds=1) for due, made in await breaches()]
        await feeding
    lags.sort()
    p50, p99 = lags[len(lags) // 2], lags[len(lags) * 99 // 100]
    _print(
        f"alerts while {load:,.0f} events a second are folded",
        f"late by {p50:.0f} ms (p50), {p99:.0f} ms (p99), {lags[-1]:.0f} ms (most) of {count:,}",
    )


async def _feed_evenly(bench: Bench, rate: float, *, until: datetime) -> None:
    number = 0
    while CLOCK.now() < until:
        count = int(rate * SLICE)
        await asyncio.gather(CLOCK.sleep(SLICE), bench.feed(f"open-{(number + n) % OPEN}" for n in range(count)))
        number += count


async def _storm(bench: Bench, pager: Pager) -> None:
    """Very many deadlines at one instant."""
    at = CLOCK.now() + timedelta(seconds=10 + STORM / 5_000)
    before = len(pager.messages)
    await bench.put(bench.contacts.due(f"storm-{n}", at) for n in range(STORM))
    if CLOCK.now() > at:
        _print("storm", "filling took longer than was allowed for: its figure says nothing")
    last, seen = at, 0
    async with bench.announced() as breaches:
        while seen < STORM:
            for _, made in await breaches():
                last, seen = max(last, made), seen + 1
    seconds = (last - at).total_seconds()
    await CLOCK.sleep(_LAST_MESSAGE)
    _print(
        f"storm of {STORM:,} deadlines at one instant",
        f"all announced after {seconds:.1f} s; the receiver got {len(pager.messages) - before} messages; "
        f"{bench.memory_mb():.0f} MB",
    )


def _print(what: str, said: str) -> None:
    Console().print(f"[bold]{what}[/]: {said}", highlight=False)
