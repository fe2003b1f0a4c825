"""The servers that are measured, each in a process of its own: intake, and what people would write instead of it."""

import asyncio
import contextlib
import hashlib
import logging
import multiprocessing
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import structlog
import uvicorn
from fastapi import APIRouter, FastAPI
from faststream.kafka import KafkaBroker
from intake.app import create_app
from intake.settings import IntakeSettings
from pydantic import BaseModel
from rapport.contracts import topics
from rapport.runtime.interpreter import collect_seldom, take_turns_soon
from rapport.runtime.shortcut import Bare
from starlette.requests import Request
from starlette.responses import Response

from devkit.bench.wire import KEY
from devkit.stack.ports import HOST, free_port

NOOP = "/noop"
SHORT_NOOP = "/noop-by-the-short-cut"
EVENTS = "/v1/events"
PEER_BATCH = "/v1/batches"


@dataclass(frozen=True, slots=True)
class Place:
    """The Kafka and the MongoDB to use, and the prefix of everything that is made there."""

    kafka: str
    mongodb: str
    prefix: str

    def topic(self, name: str) -> str:
        return f"{self.prefix}.{name}"


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs."""

    url: str
    process: Any

    @property
    def megabytes(self) -> float:
        return float(self.process.memory_info().rss / 2**20)

    @property
    def cpu_seconds(self) -> float:
        """What it has used of the processors so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


Serve = Callable[[Connection, Place], Any]


@contextlib.asynccontextmanager
async def serving(serve: Serve, place: Place) -> AsyncIterator[Running]:
    """One of the two below, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(serve, theirs, place), daemon=True)
    process.start()
    try:
        yield Running(await asyncio.to_thread(ours.recv), psutil.Process(process.pid))
    finally:
        ours.send("stop")
        await asyncio.to_thread(process.join, 20)
        if process.is_alive():
            process.kill()


def _run(serve: Serve, pipe: Connection, place: Place) -> None:
    import uvloop  # noqa: PLC0415 - as the service itself runs; needed in this process only

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(pipe, place))


async def intake(pipe: Connection, place: Place) -> None:
    """The service as it runs, and two handlers beside it that read the body and do nothing."""
    collect_seldom()
    take_turns_soon()
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys.yaml"
        sha256 = hashlib.sha256(KEY.encode()).hexdigest()
        keys.write_text(f"keys: [{{name: bench, roles: [emit], sha256: {sha256}}}]", "utf-8")
        service = create_app(
            IntakeSettings(
                kafka_bootstrap_servers=place.kafka,
                mongodb_uri=place.mongodb,
                port=0,
                topic_prefix=f"{place.prefix}.",
                database_prefix=f"{place.prefix}_",
                keys_file=keys,
            )
        )
        _add_noops(service.http)
        async with service.running():
            pipe.send(service.url)
            await asyncio.to_thread(pipe.recv)
            await service.client.drop_database(service.database.name)


def _add_noops(app: FastAPI) -> None:
    async def noop(request: Request) -> Response:
        await request.body()
        return Response(b"{}", 202)

    app.post(NOOP)(noop)
    short = APIRouter(route_class=Bare)
    short.post(SHORT_NOOP)(noop)
    app.include_router(short)


class PeerEvent(BaseModel):
    """An event as the peer knows it."""

    specversion: str
    id: str
    source: str
    type: str
    time: str
    datacontenttype: str
    data: dict[str, Any]


async def peer(pipe: Connection, place: Place) -> None:
    """
    FastAPI and FastStream, as their documentation shows and starts them: with uvicorn's access log (thrown away).

    `publish_batch` takes no key, so the order per customer is lost; and with its
    default of 16 KiB a batch, it refuses batches of 500.
    """
    broker = KafkaBroker(place.kafka, acks="all", enable_idempotence=True, max_batch_size=1 << 20, logger=None)
    topic = place.topic(topics.CONTACT_EVENTS)
    app = FastAPI()

    @app.post(EVENTS, status_code=202)
    async def one(event: PeerEvent) -> dict[str, int]:
        await broker.publish(event, topic, key=event.data["customer_id"].encode())
        return {"accepted": 1}

    @app.post(PEER_BATCH, status_code=202)
    async def many(events: list[PeerEvent]) -> dict[str, int]:
        await broker.publish_batch(*events, topic=topic)
        return {"accepted": len(events)}

    port = free_port()
    config = uvicorn.Config(app, host=HOST, port=port, lifespan="off")
    sys.stdout = await asyncio.to_thread(Path(os.devnull).open, "w")  # where the access log goes
    server = uvicorn.Server(config)
    await broker.connect()
    serving_it = asyncio.create_task(server.serve())
    await asyncio.to_thread(_wait_for, port)
    pipe.send(f"http://{HOST}:{port}")
    await asyncio.to_thread(pipe.recv)
    server.should_exit = True
    await serving_it
    await broker.stop()


def _wait_for(port: int) -> None:
    import socket  # noqa: PLC0415 - of this process only
    import time  # noqa: PLC0415 - of this process only

    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError("the peer does not listen")
