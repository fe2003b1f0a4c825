"""Between polls and the processor: batches side by side, so that one is decided while another is written."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

LANES: Final = 2
_STOP_SECONDS: Final = 10.0

_MOST_WAIT: Final = 4
"""Batches. Kafka often answers with one partition at a time, so that little would leave a lane without work."""

Settle = Callable[[Sequence[Any]], Awaitable[None]]


class Lanes:
    """
    Settles records in batches of at most `at_once`, those of one partition strictly in order.

    A partition stays in its lane as long as records of it wait or are being
    settled there; one at rest goes to the lane with the least to do. `fail` is
    told of the first error; nothing is settled after it.
    """

    def __init__(self, settle: Settle, *, at_once: int, fail: Callable[[BaseException], None]) -> None:
        self._settle = settle
        self._at_once = at_once
        self._fail = fail
        self._lanes = [_Lane() for _ in range(LANES)]
        self._lane_of: dict[int, _Lane] = {}
        self._room = asyncio.Condition()
        self._error: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def feed(self, records: Sequence[Any]) -> None:
        """
        Take in a poll; return when little enough waits for the next, which may be for another lane.

        Raises the error that has ended the settling.
        """
        if self._error:
            raise self._error
        by_partition: defaultdict[int, list[Any]] = defaultdict(list)
        for record in records:
            by_partition[record.partition].append(record)
        for partition, some in by_partition.items():
            lane = self._lane_of.get(partition) or min(self._lanes, key=lambda lane: lane.load)
            self._lane_of[partition] = lane
            lane.waiting.extend(some)
            if not lane.busy:
                lane.busy = True
                task = asyncio.create_task(self._settle_all(lane))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        async with self._room:
            await self._room.wait_for(self._has_room)
        if self._error:
            raise self._error

    async def settled(self) -> None:
        """Return when nothing waits any more; raises the error that has ended the settling."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._error:
            raise self._error

    async def stop(self) -> None:
        """Forget what waits, which will be read again, and let the batches that have begun finish, or end them."""
        for lane in self._lanes:
            lane.waiting.clear()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_STOP_SECONDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    def _has_room(self) -> bool:
        return self._error is not None or sum(len(lane.waiting) for lane in self._lanes) <= _MOST_WAIT * self._at_once

    async def _settle_all(self, lane: "_Lane") -> None:
        try:
            while lane.waiting and not self._error:
                batch = [lane.waiting.popleft() for _ in range(min(len(lane.waiting), self._at_once))]
                lane.settling = len(batch)
                async with self._room:
                    self._room.notify_all()
                await self._settle(batch)
                lane.settling = 0
                left = {record.partition for record in lane.waiting}
                for partition in {record.partition for record in batch} - left:
                    del self._lane_of[partition]
        except Exception as error:  # noqa: BLE001 - told by the service as it ends
            self._error = self._error or error
            self._fail(error)
        finally:
            lane.busy = False
            async with self._room:
                self._room.notify_all()


class _Lane:
    """Records that wait, in order, and how many of them are being settled."""

    __slots__ = ("busy", "settling", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Any] = deque()
        self.settling = 0
        self.busy = False

    @property
    def load(self) -> int:
        return len(self.waiting) + self.settling
