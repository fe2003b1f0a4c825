"""A followup service with a real Kafka, MongoDB and mail server, and an intake that answers as told."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiosmtpd.controller import UnthreadedController
from followup.app import create_app
from followup.domain.state import Message
from followup.settings import FollowupSettings
from rapport.contracts import Data, Event, decode, encode, topics
from rapport.runtime.service import Service

from tests.support.documented import as_documented
from tests.support.followup import event
from tests.support.stack import Addresses

KEYS: dict[str, dict[str, Any]] = {
    "watch-key": {"name": "screen", "roles": ["watch"]},
    "act-key": {"name": "ada", "roles": ["act"]},
    "north-key": {"name": "north", "roles": ["act"], "teams": ["north"]},
    "south-key": {"name": "south", "roles": ["watch"], "teams": ["south"]},
}

PLAYS = """
plays:
  - name: after-resolution
    on: {type: contact.resolved, match: {outcome: [solved]}}
    steps: [{after: 0s, do: survey, survey: csat, template: thanks}, {after: 0s, do: check_in, within: 8h}]
    cancel_on: [contact.reopened, contact.received]
timezone: Europe/Berlin
consent: {default: {survey: true, marketing: true, service: true}}
senders: {default: {from: "Care <care@example.org>", reply_to: "help@example.org", url: "SMTP"}}
"""


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)  # noqa: TID251 - the real clock is under test


def helped(customer: str = "K-1", contact: str = "C-1", **fields: str) -> list[Event[Data]]:
    """A customer of whom a matter was just settled."""
    profile = {"email": f"{customer.lower()}@example.org", "name": "Ada Rossi", "timezone": "Europe/Berlin", **fields}
    return [
        event("customer.updated", ago(50), customer=customer, **profile),
        event("contact.received", ago(40), customer=customer, contact_id=contact, channel="email", subject="Invoice"),
        event("contact.assigned", ago(30), customer=customer, contact_id=contact, agent_id="agent-7", team="south"),
        event("contact.resolved", ago(1), customer=customer, contact_id=contact, outcome="solved"),
    ]


def link(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    found = re.search(rf"http\S+/{kind}/\S+", body.get_content())
    assert found is not None
    parts = urlsplit(found[0])
    return parts.path + (f"?{parts.query}" if parts.query else "")


async def eventually(ask: Callable[[], Awaitable[Any]], *, seconds: float = 90.0) -> Any:
    """What `ask` answers once it is something; fails when it stays nothing."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not (found := await ask()):
        assert loop.time() < end, f"still {found!r} after {seconds} s"
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.05)
    return found


@dataclass
class MailServer:
    """
    A mail server of this process; `answers` are given in turn, then it takes everything. Of senders it says what
    `to_senders` is. `left` counts those who said goodbye.

    `before_answer` is called when it has a mail and has not said so yet.
    """

    answers: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    hang_up: bool = False
    utf8: bool = False
    to_senders: str = "250 OK"
    recipients: list[str] = field(default_factory=list)
    left: int = 0
    before_answer: Callable[[], None] = lambda: None
    port: int = 0
    _running: Any = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen, on the port that it had before if it had one."""
        loop = asyncio.get_running_loop()
        controller = UnthreadedController(
            self, hostname="127.0.0.1", port=self.port, loop=loop, enable_SMTPUTF8=self.utf8
        )
        self._running = await controller._create_server()
        self.port = _port(self._running)

    async def stop(self) -> None:
        self._running.close()
        await self._running.wait_closed()

    async def handle_MAIL(self, _: Any, __: Any, envelope: Any, address: str, ___: Any) -> str:  # noqa: N802 - aiosmtpd's name
        envelope.mail_from = address
        return self.to_senders

    async def handle_QUIT(self, *_: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.left += 1
        return "221 Bye"

    async def handle_RCPT(self, _: Any, __: Any, envelope: Any, address: str, ___: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.answers:
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        self.recipients.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        mail = message_from_bytes(envelope.original_content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.before_answer()
        if self.hang_up:
            server.transport.abort()
        return "250 OK"


@contextlib.asynccontextmanager
async def mail_server(*, utf8: bool = False) -> AsyncIterator[MailServer]:
    server = MailServer(utf8=utf8)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def _port(server: Any) -> int:
    return int(server.sockets[0].getsockname()[1])


@dataclass
class IntakeStub:
    """Answers POST /v1/events with `status` and keeps what it answered 202."""

    status: int = 202
    events: list[Any] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    url: str = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = await reader.readexactly(int(headers["content-length"]))
        if self.status == 202:
            self.events.append(decode(body))
            self.keys.append(headers.get("authorization", ""))
        writer.write(f"HTTP/1.1 {self.status} X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def intake_stub() -> AsyncIterator[IntakeStub]:
    stub = IntakeStub()
    server = await asyncio.start_server(stub.answer, "127.0.0.1", 0)
    stub.url = f"http://127.0.0.1:{_port(server)}"
    try:
        yield stub
    finally:
        server.close()
        await server.wait_closed()


@dataclass
class World:
    service: Service
    http: httpx.AsyncClient
    producer: AIOKafkaProducer
    told: AIOKafkaConsumer
    mails: MailServer
    intake: IntakeStub
    prefix: str
    events: list[Event[Data]] = field(default_factory=list)

    async def happen(self, *events: Event[Data]) -> None:
        for one in events:
            key = str(getattr(one.data, "customer_id", "")).encode()
            await self.producer.send_and_wait(self.prefix + topics.CONTACT_EVENTS, encode(one), key=key)

    async def hear(self, kind: str, count: int = 1) -> list[Any]:
        """What followup has told of a type, once it is that much."""

        async def told() -> list[Event[Data]]:
            for records in (await self.told.getmany(timeout_ms=50)).values():
                self.events += [decode(record.value) for record in records]
            found = [one for one in self.events if one.type == kind]
            return found if len(found) >= count else []

        found: list[Any] = await eventually(told)
        return found

    async def mail(self, count: int = 1) -> EmailMessage:
        async def come() -> list[EmailMessage]:
            return self.mails.mails if len(self.mails.mails) >= count else []

        mails: list[EmailMessage] = await eventually(come)
        return mails[count - 1]

    async def put_off(self) -> str:
        """The id of a message that a mail server did not take and that waits for its next try, in a minute."""
        where = {"status": "pending", "next_at": {"$gt": self.service.clock.now()}}

        async def waits() -> str | None:
            found = await self.service.database[Message.collection].find_one(where, {"_id": 1})
            return found["_id"] if found else None

        name: str = await eventually(waits)
        return name

    async def try_again_now(self) -> None:
        """Let what was put off be tried again at once."""
        due = {"$set": {"next_at": self.service.clock.now()}}
        await self.service.database[Message.collection].update_one({"_id": await self.put_off()}, due)

    async def get(self, path: str, key: str = "watch-key", **query: str) -> httpx.Response:
        return await self.http.get(path, params=query, headers={"authorization": f"Bearer {key}"})

    async def post(self, path: str, key: str = "act-key", **body: Any) -> httpx.Response:
        return await self.http.post(path, json=body, headers={"authorization": f"Bearer {key}"})


def keys_file(folder: Path) -> Path:
    path = folder / "keys.yaml"
    lines = [{"sha256": hashlib.sha256(secret.encode()).hexdigest(), **key} for secret, key in KEYS.items()]
    path.write_text(yaml.safe_dump({"keys": lines}), "utf-8")
    return path


@contextlib.asynccontextmanager
async def followup_world(folder: Path, stack: Addresses, name: str, plays: str = PLAYS) -> AsyncIterator[World]:
    """The service as it runs for real, on topics and a database of its own."""
    prefix = f"{name}."
    async with mail_server() as mails, intake_stub() as intake, contextlib.AsyncExitStack() as exits:
        path = folder / "plays.yaml"
        path.write_text(plays.replace('"SMTP"', f'"{mails.url}"'), "utf-8")
        settings = FollowupSettings(
            kafka_bootstrap_servers=stack.kafka,
            mongodb_uri=stack.mongodb,
            port=0,
            database_prefix=f"{name}_",
            topic_prefix=prefix,
            partitions=2,
            keys_file=keys_file(folder),
            secret="a secret",
            public_url="https://care.example.org",
            plays=path,
            intake_url=intake.url,
            intake_key="intake-key",
        )
        service = create_app(settings)
        await exits.enter_async_context(service.running())
        producer = AIOKafkaProducer(bootstrap_servers=stack.kafka)
        await producer.start()
        exits.push_async_callback(producer.stop)
        told = AIOKafkaConsumer(
            prefix + topics.FOLLOWUP_EVENTS, bootstrap_servers=stack.kafka, auto_offset_reset="earliest"
        )
        await told.start()
        exits.push_async_callback(told.stop)
        http = await exits.enter_async_context(
            httpx.AsyncClient(base_url=service.url, event_hooks=as_documented(service.http))
        )
        yield World(service, http, producer, told, mails, intake, prefix)
