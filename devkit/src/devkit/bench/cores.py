"""sla-monitor's processor in several processes, as replicas run: one interpreter uses one of a machine's cores."""

import asyncio
import multiprocessing
import resource
import time
from contextlib import AsyncExitStack
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any, Final

from rapport.runtime.interpreter import collect_seldom, take_turns_soon
from rapport.runtime.mongo import connect
from rapport.runtime.publisher import Publisher
from rapport.runtime.service import event_loop
from rapport.runtime.settings import Settings

from devkit.bench.folding import PARTITIONS, replica, sla_monitor

_JOIN_SECONDS: Final = 20


async def folded_by(replicas: int, settings: Settings, effective_from: datetime, database: str) -> tuple[float, float]:
    """Seconds that so many replicas, each with its share of the partitions, take for all, and their megabytes."""
    context = multiprocessing.get_context("spawn")
    started: list[tuple[Connection, Any]] = []
    for number in range(replicas):
        ours, theirs = context.Pipe()
        share = range(number, PARTITIONS, replicas)
        process = context.Process(target=_run, args=(theirs, settings, effective_from, database, share), daemon=True)
        process.start()
        started.append((ours, process))
    try:
        await _all_say(started)
        begun = time.perf_counter()
        for pipe, _ in started:
            pipe.send("begin")
        megabytes = await _all_say(started)
        return time.perf_counter() - begun, sum(megabytes)
    finally:
        for _, process in started:
            await asyncio.to_thread(process.join, _JOIN_SECONDS)
            if process.is_alive():
                process.kill()


async def _all_say(started: list[tuple[Connection, Any]]) -> list[float]:
    """What each says next: 0 when it is ready, and how many megabytes it had when it is done."""
    return [await asyncio.to_thread(pipe.recv) for pipe, _ in started]


def _run(pipe: Connection, settings: Settings, effective_from: datetime, database: str, share: range) -> None:
    with asyncio.Runner(loop_factory=event_loop()) as runner:
        runner.run(_fold(pipe, settings, effective_from, database, share))


async def _fold(pipe: Connection, settings: Settings, effective_from: datetime, database: str, share: range) -> None:
    collect_seldom()
    take_turns_soon()
    publisher = Publisher(
        settings.kafka_bootstrap_servers, client_id="rapport-bench", topic_prefix=settings.topic_prefix
    )
    async with AsyncExitStack() as last:
        await publisher.start()
        last.push_async_callback(publisher.stop)
        client = connect(settings.mongodb_uri)
        last.callback(client.close)
        subject = sla_monitor(effective_from)
        fold_all = await last.enter_async_context(replica(subject, settings, publisher, client, database, share))
        pipe.send(0.0)
        await asyncio.to_thread(pipe.recv)
        await fold_all()
        pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
