"""Those who follow something as it happens, each at their own pace."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Followers(Generic[T]):
    """Everybody gets everything in order. Who lies more than `most` behind misses the oldest, and gets None for it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._queues: set[asyncio.Queue[T | None]] = set()
        self._somebody = asyncio.Event()

    def __bool__(self) -> bool:
        return bool(self._queues)

    async def somebody(self) -> None:
        """Return when there is a follower."""
        await self._somebody.wait()

    def tell(self, item: T | None) -> None:
        """To all of them; None says that something was missed."""
        for queue in self._queues:
            missed = queue.full()
            if missed:
                queue.get_nowait()
            queue.put_nowait(None if missed else item)

    @contextmanager
    def joined(self) -> Iterator["asyncio.Queue[T | None]"]:
        """What is told from now on."""
        queue: asyncio.Queue[T | None] = asyncio.Queue(self._most)
        self._queues.add(queue)
        self._somebody.set()
        try:
            yield queue
        finally:
            self._queues.discard(queue)
            if not self._queues:
                self._somebody.clear()
