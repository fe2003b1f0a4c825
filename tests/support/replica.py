"""Replicas of the toy service around one database, records as Kafka hands them out, and what was published."""

import asyncio
import json
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from pymongo.errors import ExecutionTimeout
from rapport.contracts import contact_events, encode, tell, topics
from rapport.contracts.topics import CONTACT_EVENTS
from rapport.decision import State
from rapport.runtime.clock import Clock
from rapport.runtime.mongo import connect
from rapport.runtime.processor import Processor
from rapport.runtime.publisher import NotAcknowledged, Outgoing, Publisher
from rapport.runtime.store import Store

from tests.support.clock import EPOCH
from tests.support.tally import Tally, TallyDomain

PARTITIONS = 3


@dataclass(frozen=True)
class Record:
    """A record as aiokafka gives it, as far as a processor looks."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = 0


@dataclass
class Log:
    """A topic: `append` gives the record that was written."""

    topic: str = CONTACT_EVENTS
    ends: dict[int, int] = field(default_factory=dict)

    def append(
        self, partition: int, value: bytes | None, *, key: bytes = b"c1", headers: Iterable[tuple[str, bytes]] = ()
    ) -> Record:
        offset = self.ends.get(partition, 0)
        self.ends[partition] = offset + 1
        return Record(self.topic, partition, offset, key, value, tuple(headers), int(EPOCH.timestamp() * 1000))


def received(
    contact: str,
    event_id: str,
    *,
    subject: str | None = None,
    time: datetime = EPOCH,
    customer: str = "c1",
    backfill: bool = False,
) -> bytes:
    """The bytes of an event that the toy domain counts; its subject may say what is to go wrong."""
    data = contact_events.ContactReceived(customer_id=customer, contact_id=contact, channel="email")
    event = tell("contact.received", data, source="/crm", id=event_id, time=time, backfill=backfill)
    return encode(event.model_copy(update={"subject": subject}))


async def suspension() -> None:
    """One turn of the loop, as any input or output takes."""
    loop = asyncio.get_running_loop()
    turn = loop.create_future()
    loop.call_soon(turn.set_result, None)
    await turn


@dataclass
class Published:
    """Stands in for the publisher: keeps what was acknowledged, and can be told to fail so many times."""

    records: list[Outgoing] = field(default_factory=list)
    failures: int = 0

    async def publish(self, records: Iterable[Outgoing], *, within: float = 30.0) -> None:
        await suspension()
        if self.failures:
            self.failures -= 1
            raise NotAcknowledged(f"told to fail, within {within}")
        self.records += records
        await suspension()

    def told_about(self, contact: str) -> list[tuple[str, int]]:
        return told_about(contact, [r.value for r in self.records if r.topic != topics.DEAD_LETTERS])

    @property
    def dead(self) -> list[Outgoing]:
        return [record for record in self.records if record.topic == topics.DEAD_LETTERS]


def told_about(contact: str, values: Iterable[bytes | None]) -> list[tuple[str, int]]:
    """(id, step) of the events about one contact, in order, without repeats of the same event."""
    events = [json.loads(value) for value in values if value]
    mine = {e["id"]: e["data"]["step"] for e in events if e["id"].split("/")[0] == contact}
    return list(mine.items())


class Site:
    """One database, of the toy service unless other states are named, and the replicas that work on it."""

    def __init__(
        self,
        mongodb: str,
        name: str,
        clock: Clock,
        kinds: Sequence[type[State]] = (Tally,),
        editions: Container[str] = (),
    ) -> None:
        # errors by their names: structlog's own rendering shows locals, and ours may hold megabytes
        structlog.configure(processors=[structlog.processors.JSONRenderer(default=lambda value: type(value).__name__)])
        self.client = connect(mongodb)
        self.database = self.client[name]
        self.clock = clock
        self.published = Published()
        self.kinds = kinds
        self.editions = editions
        self.store = self.new_store()
        self.sessions: list[Any] = []
        start_session = self.client.start_session

        async def remembered(*arguments: Any, **options: Any) -> Any:
            session = await start_session(*arguments, **options)
            self.sessions.append(session.session_id)
            return session

        self.client.start_session = remembered

    def new_store(self) -> Store:
        """The store of a process that has just started."""
        return Store(self.client, self.database, self.kinds, self.editions)

    async def prepare(self) -> None:
        await self.store.prepare(PARTITIONS)

    async def close(self) -> None:
        await self.bury()
        await self.client.drop_database(self.database.name)
        self.client.close()

    def replica(
        self,
        *,
        owned: Iterable[int] = range(PARTITIONS),
        publisher: Publisher | Published | None = None,
        clock: Clock | None = None,
        **options: Any,
    ) -> Processor:
        """A process that has just started."""
        made = Processor(
            "tally",
            options.pop("domain", None) or TallyDomain(),
            self.new_store(),
            publisher or self.published,  # type: ignore[arg-type] # the same call
            clock or self.clock,
            **options,
        )
        made.owned = set(owned)
        return made

    async def bury(self) -> None:
        """Abort what dead replicas have left open, as MongoDB itself does after a while."""
        if self.sessions:
            await self.client.admin.command("killSessions", [dict(session) for session in self.sessions])
        self.sessions.clear()

    async def is_locked(self, partition: int) -> bool:
        """Whether a transaction that has written the partition's row is open."""
        try:
            await self.database["partitions"].find_one_and_update(
                {"_id": partition}, {"$inc": {"touched": 1}}, maxTimeMS=50
            )
        except ExecutionTimeout:
            return True
        return False

    async def tally(self, contact: str) -> Tally | None:
        return await self.store.get(Tally, contact)

    async def counted(self) -> int:
        """The sum over all rows of figures."""
        return sum([row["events"] async for row in self.database["tally_rows"].find()])

    async def positions(self) -> dict[int, dict[str, int]]:
        return {p: row.offsets for p, row in (await self.store.rows(range(PARTITIONS))).items()}

    async def waiting(self) -> int:
        return int(await self.database["outbox"].count_documents({}))


def horizons(until: datetime = EPOCH + timedelta(hours=1)) -> dict[int, datetime]:
    return dict.fromkeys(range(PARTITIONS), until)


async def all_of(records: Sequence[Record], process: Callable[[Sequence[Record]], Any], *, at_once: int = 3) -> None:
    """Hand out records in polls of a few."""
    for first in range(0, len(records), at_once):
        await process(records[first : first + at_once])


def state_json(state: State | None) -> str:
    return state.stored() if state else "none"
