"""What intake needs of memory while clients are slow, and while Kafka is away."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from typing import Final

from rapport.cloudevents import json_format
from rapport.runtime.clock import SystemClock

from devkit.bench import servers
from devkit.bench.report import Row
from devkit.bench.servers import EVENTS, Place, Running, serving
from devkit.bench.wire import Line, request
from devkit.stack import Stack, local_stack

SLOW_CLIENTS: Final = 64
AWAY_SECONDS: Final = 60.0
SENDERS: Final = 16

_PAUSE: Final = 0.02
_LOOK_EVERY: Final = 0.1


async def hardships(events: Sequence[bytes]) -> list[Row]:
    """Two rows, on a stack of its own, whose broker is stopped for a minute."""
    with local_stack(ephemeral=True) as stack:
        place = Place(stack.kafka, stack.mongodb, f"bench-{uuid.uuid4().hex[:8]}")
        async with serving(servers.intake, place) as ours:
            return [await _slow_clients(ours, events), await _kafka_away(ours, stack, events)]


async def _slow_clients(ours: Running, events: Sequence[bytes]) -> Row:
    """Batches of almost 4 MiB from 64 clients, each in pieces of 16 KiB with pauses."""
    large = request(EVENTS, json_format.BATCH, b"[" + b",".join(_padded(events, 3_800_000)) + b"]")
    before, answers = ours.megabytes, Counter[int]()

    async def client() -> None:
        line = await Line.open(ours.url)
        answers[await line.trickle(large, _PAUSE)] += 1
        line.close()

    start = asyncio.get_running_loop().time()
    most = await _watched(ours, asyncio.gather(*(client() for _ in range(SLOW_CLIENTS))))
    rate = SLOW_CLIENTS / (asyncio.get_running_loop().time() - start)
    note = f"{before:.0f} MB before; {_told(answers)}: what would not have fitted was answered 503 at once"
    return Row(
        f"intake, {SLOW_CLIENTS} slow clients with batches of 3.8 MB", rate, "requests", "none", rate, most, note
    )


async def _kafka_away(ours: Running, stack: Stack, events: Sequence[bytes]) -> Row:
    """Senders that go on as fast as they may while the broker is stopped, and until it is back."""
    batch = request(EVENTS, json_format.BATCH, b"[" + b",".join(events) + b"]")
    clock, before, answers, away = SystemClock(), ours.megabytes, Counter[int](), asyncio.Event()

    async def sender() -> None:
        line = await Line.open(ours.url)
        while not away.is_set():
            answers[await line.ask(batch)] += 1
        line.close()

    async def interrupted() -> None:
        await clock.sleep(AWAY_SECONDS)
        away.set()

    stack.kafka_server.pause()
    try:
        most = await _watched(ours, asyncio.gather(interrupted(), *(sender() for _ in range(SENDERS))))
    finally:
        stack.kafka_server.resume()
    start = asyncio.get_running_loop().time()
    line = await Line.open(ours.url)
    while await line.ask(batch) != 202:  # noqa: PLR2004 - HTTP's own number
        await clock.sleep(_LOOK_EVERY)
    back = asyncio.get_running_loop().time() - start
    rate = answers.total() / AWAY_SECONDS
    note = f"{before:.0f} MB before; {_told(answers)}; taking in again {back:.1f} s after Kafka was back"
    return Row(f"intake, Kafka away for {AWAY_SECONDS:.0f} s", rate, "requests", "none", rate, most, note)


async def _watched(ours: Running, work: Awaitable[object]) -> float:
    """The most megabytes that the server had while the work was done."""
    most = ours.megabytes
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.wait({task}, timeout=_LOOK_EVERY)
        most = max(most, ours.megabytes)
    await task
    return most


def _padded(events: Sequence[bytes], size: int) -> Iterator[bytes]:
    """The events, each made longer, so that all together have about this size."""
    pad = b'"subject":"' + b"x" * (size // len(events) - len(events[0]))
    for event in events:
        yield event.replace(b'"subject":"', pad, 1)


def _told(answers: Counter[int]) -> str:
    return ", ".join(f"{count:,} times {status}" for status, count in sorted(answers.items()))
