"""Parts without a partition in common, two of them at work together."""

import asyncio

import pytest
from rapport.runtime.splitting import apart, side_by_side


def test_parts_have_no_partition_in_common_and_keep_the_order_within_one():
    items = [(n % 5, n) for n in range(500)]
    parts = apart(items, lambda item: item[0])
    assert len(parts) == 5
    assert [[n for _, n in part] for part in parts] == [list(range(p, 500, 5)) for p in range(5)]


def test_few_are_one_part_whatever_their_partitions():
    items = [(n % 5, n) for n in range(90)]
    [part] = apart(items, lambda item: item[0])
    assert sorted(part) == sorted(items)
    assert apart([], lambda _: 0) == []


async def test_two_are_at_work_together_and_never_three():
    at_work, most = 0, 0
    gate = asyncio.Event()

    async def work() -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        if at_work == 2:
            gate.set()
        await gate.wait()
        at_work -= 1

    await side_by_side([work] * 6)
    assert (at_work, most) == (0, 2)


async def test_when_one_fails_the_others_are_ended_and_its_error_is_raised():
    ended = asyncio.Event()

    async def fails() -> None:
        raise ValueError("not this one")

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(ValueError, match="not this one"):
        await side_by_side([waits, fails, waits])
    assert ended.is_set()
