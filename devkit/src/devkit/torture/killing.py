"""Somebody who kills processes at random moments, and starts them again."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from rapport.runtime.clock import Clock

from devkit.stack import Server, StackError

_BROKER_SHARE: Final = 0.15
_WHILE_STARTING_SHARE: Final = 0.1
_BETWEEN: Final = (0.1, 2.0)
_DOWN: Final = (0.0, 1.0)


class Killer:
    """
    Ends servers with kill -9. Several may be down at the same time, the broker among them.

    While no service serves, nothing is killed: services wait for the broker, and would never be back.
    """

    def __init__(self, services: Sequence[Server], broker: Server, clock: Clock, seed: int) -> None:
        self._services = services
        self._broker = broker
        self._clock = clock
        self._random = random.Random(seed)
        self._down: set[Server] = set()
        self._raising: set[asyncio.Task[None]] = set()
        self.kills: Counter[str] = Counter()

    async def run(self, kills: int, killed: Callable[[int], None]) -> None:
        """Kill so many times, then return when all are up again."""
        while (count := self.kills.total()) < kills:
            killed(count)
            await self._clock.sleep(self._random.uniform(*_BETWEEN))
            up = [server for server in (*self._services, self._broker) if server not in self._down]
            services = [server for server in up if server is not self._broker]
            if services:
                broker_too = self._broker in up and self._random.random() < _BROKER_SHARE
                await self._kill(self._broker if broker_too else self._random.choice(services))
        killed(kills)
        while self._raising:
            await asyncio.wait(self._raising)

    async def _kill(self, server: Server) -> None:
        self._down.add(server)
        await asyncio.to_thread(server.kill)
        self.kills[server.name] += 1
        task = asyncio.create_task(self._raise(server))
        self._raising.add(task)
        task.add_done_callback(self._raising.discard)

    async def _raise(self, server: Server) -> None:
        """Start it again after a moment, as often as it takes; most are left in peace until they serve."""
        await self._clock.sleep(self._random.uniform(*_DOWN))
        in_peace = server is self._broker or self._random.random() > _WHILE_STARTING_SHARE
        while True:
            try:
                await asyncio.to_thread(server.start if in_peace else server.launch)
            except StackError:
                await asyncio.to_thread(server.kill)
            else:
                self._down.discard(server)
                return
