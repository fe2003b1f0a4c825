"""Work in parts: two lanes side by side, or halves until what can't be done is alone."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

T = TypeVar("T")

_WORTH_TWO_LANES: Final = 64


def in_lanes(items: Sequence[T], partition_of: Callable[[T], int]) -> list[Sequence[T]]:
    """The items in two parts without a partition in common: one is decided while the other is written."""
    sizes = Counter(map(partition_of, items))
    if len(sizes) == 1 or len(items) < _WORTH_TWO_LANES:
        return [items]
    first: set[int] = set()
    filled = 0
    for partition, size in sizes.most_common():
        if filled + size <= len(items) // 2 or not first:
            first.add(partition)
            filled += size
    lanes: tuple[list[T], list[T]] = ([], [])
    for item in items:
        lanes[partition_of(item) in first].append(item)
    return [*lanes]


async def together(attempts: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Return when all have; when one fails the others are ended, and its error is raised."""
    if len(attempts) == 1:
        await attempts[0]
        return
    try:
        async with asyncio.TaskGroup() as group:
            for attempt in attempts:
                group.create_task(attempt)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


def halves(items: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    middle = len(items) // 2
    return items[:middle], items[middle:]
