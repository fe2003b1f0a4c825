"""Whose request is judged next, when more have come than can be judged at once."""

import asyncio
from collections import deque
from typing import Final

AT_ONCE: Final = 500
"""Events that are judged in one go, before anything else gets to run."""


class Turns:
    """
    Requests of different keys take turns; those of one key keep their order.

    A key that sends over a thousand connections gets no more of the processor
    than one that sends over a single one, once both have something to be judged.
    Where nobody waits, nobody is made to.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, deque[tuple[asyncio.Future[None], int]]] = {}
        self._judging = 0

    async def take(self, key: str, events: int) -> None:
        """Return when it is the turn of this key, which has so many events to be judged right then."""
        if not self._waiting and (not self._judging or self._judging + events <= self._at_once):
            self._begin(events)
            return
        turn: asyncio.Future[None] = self._loop.create_future()
        self._waiting.setdefault(key, deque()).append((turn, events))
        await turn

    def _begin(self, events: int) -> None:
        if not self._judging:
            self._loop.call_soon(self._next)
        self._judging += max(1, events)

    def _next(self) -> None:
        """What was let through has been judged: let the first in line of one key after the other through."""
        self._judging = 0
        while self._waiting:
            key, line = next(iter(self._waiting.items()))
            turn, events = line[0]
            if self._judging and self._judging + events > self._at_once:
                return
            line.popleft()
            del self._waiting[key]
            if line:
                self._waiting[key] = line
            if not turn.done():
                turn.set_result(None)
                self._begin(events)
