"""Stop a coroutine at its n-th suspension: to let somebody else go first, to cancel it there, or never to go on."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Killed(BaseException):
    """The coroutine will not go on: its process is dead."""


class Suspended(Generic[T]):
    """
    A coroutine that calls `at` once, at its n-th suspension, and then goes on.

    Awaited in a task like the coroutine itself. `reached` says whether it was
    suspended that often: a loop over n has seen all when it was not.
    """

    def __init__(self, coro: Coroutine[Any, Any, T], n: int, at: Callable[[], Awaitable[Any]]) -> None:
        self._coro = coro
        self._n = n
        self._at = at
        self._waits_for: Any = None
        self.reached = False

    async def last_words(self) -> None:
        """Return when what was sent off at the suspension has been answered; the process did not live to hear it."""
        if isinstance(self._waits_for, asyncio.Future):
            await asyncio.wait({self._waits_for}, timeout=1)

    async def rise(self) -> T:
        """Let it go on after all, long after it was thought dead."""
        return await _Steps(self._rest())

    def __await__(self) -> Generator[Any, Any, T]:
        count = 0
        try:
            self._go_on(None)
            while True:
                count += 1
                if count == self._n:
                    self.reached = True
                    yield from self._at().__await__()
                yield from self._step()
        except _Ended as end:
            return end.args[0]  # type: ignore[no-any-return]

    def _rest(self) -> Generator[Any, Any, T]:
        try:
            while True:
                yield from self._step()
        except _Ended as end:
            return end.args[0]  # type: ignore[no-any-return]

    def _step(self) -> Generator[Any, Any, None]:
        """Wait for what the coroutine waits for, and hand it what came of that, as a task does."""
        try:
            yield self._waits_for
        except BaseException as error:  # noqa: BLE001 - the coroutine's to handle
            failure: BaseException | None = error
        else:
            failure = None
        self._go_on(failure)

    def _go_on(self, failure: BaseException | None) -> None:
        try:
            self._waits_for = self._coro.throw(failure) if failure else self._coro.send(None)
        except StopIteration as end:
            raise _Ended(end.value) from None


class _Ended(Exception):
    """The coroutine has ended with a value."""


class _Steps(Generic[T]):
    def __init__(self, steps: Generator[Any, Any, T]) -> None:
        self._steps = steps

    def __await__(self) -> Generator[Any, Any, T]:
        return self._steps


async def cancel_here() -> None:
    """Cancel the task that is running, as a stop of the service does."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


async def die_here() -> None:
    """End without any of the coroutine's own ends: no abort, no release, no goodbye."""
    raise Killed


async def the_end_of(work: Awaitable[Any], *, cancelled: bool = False) -> None:
    """Return when it has ended, in whichever way."""

    async def run() -> None:
        await work

    task = asyncio.create_task(run())
    if cancelled:
        asyncio.get_running_loop().call_soon(task.cancel)
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
