"""Work in parts: a few side by side, or halves until what can't be done is alone."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

T = TypeVar("T")

_PART: Final = 100
_SIDE_BY_SIDE: Final = 3


def apart(items: Sequence[T], partition_of: Callable[[T], int]) -> list[list[T]]:
    """
    The items in parts without a partition in common, so that one is decided while another is written.

    A part is as small as is worth a transaction. Within a partition they keep their order.
    """
    by_partition: defaultdict[int, list[T]] = defaultdict(list)
    for item in items:
        by_partition[partition_of(item)].append(item)
    parts: list[list[T]] = []
    for some in by_partition.values():
        if parts and len(parts[-1]) < _PART:
            parts[-1] += some
        else:
            parts.append(some)
    return parts


async def side_by_side(attempts: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Return when all have, a few at the same time; when one fails the others are ended, and its error is raised."""
    if len(attempts) == 1:
        await attempts[0]()
        return
    turn = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def take_turn(attempt: Callable[[], Awaitable[None]]) -> None:
        async with turn:
            await attempt()

    try:
        async with asyncio.TaskGroup() as group:
            for attempt in attempts:
                group.create_task(take_turn(attempt))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


def halves(items: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    middle = len(items) // 2
    return items[:middle], items[middle:]
