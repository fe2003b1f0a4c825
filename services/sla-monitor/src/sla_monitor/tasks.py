"""Work that goes on beside the loop that began it."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any


class Tasks:
    """Tasks by the name of whom they serve, one for each."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._running

    def __iter__(self) -> Iterator[str]:
        return iter(self._running)

    def begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._running[name] = asyncio.create_task(work)

    def reap(self) -> None:
        """Forget those that have ended; what one of them failed with is raised."""
        for name in [name for name, task in self._running.items() if task.done()]:
            self._running.pop(name).result()

    async def stop(self) -> None:
        """Return when none runs any more."""
        tasks, self._running = self._running, {}
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
