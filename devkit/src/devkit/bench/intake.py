"""
intake over HTTP, one by one and 500 at once, with a real Kafka (KAFKA_BOOTSTRAP_SERVERS, MONGODB_URI).

Singles are held against a handler of the same server that reads the body and does nothing; batches against a bare
aiokafka producer that sends the same bytes, equally safely (all replicas, idempotent), just as many at once.
"""

import asyncio
import hashlib
import itertools
import logging
import multiprocessing
import os
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from intake.app import create_app
from intake.settings import IntakeSettings
from pydantic_core import to_json
from rapport.contracts import format_instant, topics
from rapport.runtime.clock import SystemClock
from rapport.runtime.service import calm_collector
from starlette.requests import Request
from starlette.responses import Response

from devkit.bench.report import Row, render

SINGLES: Final = 6_000
BATCHES: Final = 100
BATCH: Final = 500
CUSTOMERS: Final = 1_000
ROUNDS: Final = 3
SINGLE_SENDERS: Final = 64
BATCH_SENDERS: Final = 8

_KEY = "bench"
_NOOP = "/noop"
_EVENTS = "/v1/events"

Post = Callable[[bytes], Awaitable[None]]


def run() -> list[Row]:
    """Both rows; each rate is the best of three rounds, in which it and its baseline take turns."""
    return asyncio.run(_run())


async def _run() -> list[Row]:
    kafka, mongodb = os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["MONGODB_URI"]
    prefix = f"bench-{uuid.uuid4().hex[:8]}"
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(theirs, kafka, mongodb, prefix), daemon=True)
    server.start()
    try:
        url: str = await asyncio.to_thread(ours.recv)
        memory = psutil.Process(server.pid)
        singles = await _singles(url)
        after_singles = memory.memory_info().rss / 2**20
        batches = await _batches(url, kafka, f"{prefix}.{topics.CONTACT_EVENTS}")
        after_batches = memory.memory_info().rss / 2**20
    finally:
        ours.send("stop")
        await asyncio.to_thread(server.join, 20)
        await _forget(kafka, prefix)
    return [
        Row("intake, one event a request", singles[0], "events", "no-op handler", singles[1], after_singles),
        Row(f"intake, {BATCH} events a request", batches[0], "events", "bare producer", batches[1], after_batches),
    ]


async def _singles(url: str) -> tuple[float, float]:
    best = [0.0, 0.0]
    events = _events()
    for _ in range(ROUNDS):
        for place, path in enumerate((_EVENTS, _NOOP)):
            requests = [_request(path, "application/cloudevents+json", next(events)) for _ in range(SINGLES)]
            best[place] = max(best[place], SINGLES / await _send(url, requests, SINGLE_SENDERS))
    return best[0], best[1]


async def _batches(url: str, kafka: str, topic: str) -> tuple[float, float]:
    best = [0.0, 0.0]
    events = _events()
    for _ in range(ROUNDS):
        bodies = [b"[" + b",".join(itertools.islice(events, BATCH)) + b"]" for _ in range(BATCHES)]
        requests = [_request(_EVENTS, "application/cloudevents-batch+json", body) for body in bodies]
        best[0] = max(best[0], BATCHES * BATCH / await _send(url, requests, BATCH_SENDERS))
        groups = [list(itertools.islice(events, BATCH)) for _ in range(BATCHES)]
        best[1] = max(best[1], BATCHES * BATCH / await _produce(kafka, topic, groups))
    return best[0], best[1]


def _events() -> Iterator[bytes]:
    """Events of this minute, of many customers, about 430 bytes each."""
    now = format_instant(SystemClock().now())
    for number in itertools.count():
        yield to_json(
            {
                "specversion": "1.0",
                "id": f"e-{number}",
                "source": "/crm",
                "type": "contact.received",
                "time": now,
                "datacontenttype": "application/json",
                "data": {
                    "customer_id": f"K-{number % CUSTOMERS}",
                    "contact_id": f"C-{number}",
                    "channel": "email",
                    "kind": "complaint",
                    "priority": "high",
                    "subject": "The delivery of last week has not arrived",
                    "topic": "delivery",
                    "region": "EU",
                    "location": "Lyon",
                    "team": "orders",
                    "language": "fr",
                    "attributes": {"campaign": "spring", "visits": 3},
                },
            }
        )


def _request(path: str, content_type: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {_KEY}\r\n"
        f"content-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _send(url: str, requests: list[bytes], senders: int) -> float:
    """Seconds until all are answered 202. A sender that costs next to nothing, so that the server is what is timed."""
    place = urlsplit(url)
    pending = iter(requests)

    async def sender() -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        for request in pending:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 202"):
                raise RuntimeError(head.decode(errors="replace"))
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(sender() for _ in range(senders)))
    return time.perf_counter() - start


async def _produce(kafka: str, topic: str, groups: list[list[bytes]]) -> float:
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all", enable_idempotence=True, linger_ms=2, max_batch_size=1 << 20
    )
    pending = iter(groups)

    async def sender() -> None:
        for group in pending:
            sent = [
                await producer.send(topic, value, key=b"K-%d" % (number % CUSTOMERS))
                for number, value in enumerate(group)
            ]
            await asyncio.gather(*sent)

    async with producer:
        start = time.perf_counter()
        await asyncio.gather(*(sender() for _ in range(BATCH_SENDERS)))
        return time.perf_counter() - start


async def _forget(kafka: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(f"{prefix}.")])
    finally:
        await admin.close()


def _serve(pipe: Connection, kafka: str, mongodb: str, prefix: str) -> None:
    """The service in a process of its own, with a handler beside it that does nothing, and no log lines."""
    import uvloop  # noqa: PLC0415 - as the service itself runs; needed in this process only

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    calm_collector()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_service(pipe, kafka, mongodb, prefix))


async def _service(pipe: Connection, kafka: str, mongodb: str, prefix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys.yaml"
        sha256 = hashlib.sha256(_KEY.encode()).hexdigest()
        keys.write_text(f"keys: [{{name: bench, roles: [emit], sha256: {sha256}}}]", "utf-8")
        service = create_app(
            IntakeSettings(
                kafka_bootstrap_servers=kafka,
                mongodb_uri=mongodb,
                port=0,
                topic_prefix=f"{prefix}.",
                database_prefix=f"{prefix}_",
                keys_file=keys,
            )
        )

        @service.http.post(_NOOP)
        async def noop(request: Request) -> Response:
            await request.body()
            return Response(b"{}", 202)

        async with service.running():
            pipe.send(service.url)
            await asyncio.to_thread(pipe.recv)
            await service.client.drop_database(service.database.name)


if __name__ == "__main__":
    render(run())
