"""What a query finds, or what it is asked for, some of it at a time."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


async def parts(found: AsyncIterable[T], most: int) -> AsyncIterator[list[T]]:
    """All that is found in order, `most` at a time; the last part may be smaller, and none is empty."""
    some: list[T] = []
    async for one in found:
        some.append(one)
        if len(some) == most:
            yield some
            some = []
    if some:
        yield some


def slices(names: Iterable[str], most: int) -> Iterator[list[str]]:
    """All of them in order, `most` at a time."""
    listed = sorted(names)
    return (listed[start : start + most] for start in range(0, len(listed), most))
