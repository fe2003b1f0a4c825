"""intake and its broker, killed under load: whether a 2xx was a promise."""

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rapport.runtime.clock import SystemClock

from devkit.platform.keys import KeyRing
from devkit.platform.service import ServiceProcess
from devkit.stack import local_stack
from devkit.stack.ports import free_port
from devkit.torture.finding import Found, find
from devkit.torture.killing import Killer
from devkit.torture.senders import Sender, Told

REPLICAS: Final = 2
_SETTLE_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How often was killed what, which answers came, and what was found in the end."""

    kills: Counter[str]
    answers: dict[str, int]
    found: Found


def torture(kills: int, *, clients: int = 4, seed: int = 0, killed: Callable[[int], None] = lambda _: None) -> Outcome:
    """Kill so many times, on an own stack that is thrown away; `killed` is told how often so far."""
    with local_stack(ephemeral=True) as stack, tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stops:
        folder = Path(place)
        keys = KeyRing.of(folder)
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": stack.kafka,
            "MONGODB_URI": stack.mongodb,
            "RAPPORT_KEYS_FILE": str(KeyRing.file(folder)),
            "RAPPORT_LOG_LEVEL": "WARNING",
        }
        services = [
            ServiceProcess("intake", folder / f"intake-{n}.log", port=free_port(), environment=environment)
            for n in range(REPLICAS)
        ]
        for service in services:
            stops.callback(service.stop)
            service.start()
        killer = Killer(services, stack.kafka_server, SystemClock(), seed)
        told = Told()
        senders = [
            Sender(f"k{n}", [s.address for s in services], keys.emit, told, SystemClock(), seed + n)
            for n in range(clients)
        ]
        asyncio.run(_under_load(killer, senders, kills, killed))
        return Outcome(killer.kills, told.answers, asyncio.run(find(stack.kafka, told)))


async def _under_load(killer: Killer, senders: list[Sender], kills: int, killed: Callable[[int], None]) -> None:
    """Return when the killing is over and every sender has had its last answer."""
    stopped = asyncio.Event()
    sending = [asyncio.create_task(sender.run(stopped)) for sender in senders]
    await killer.run(kills, killed)
    stopped.set()
    async with asyncio.timeout(_SETTLE_SECONDS):
        await asyncio.gather(*sending)
