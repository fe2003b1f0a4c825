"""What a query finds, some of it at a time."""

from collections.abc import AsyncIterable, AsyncIterator
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
