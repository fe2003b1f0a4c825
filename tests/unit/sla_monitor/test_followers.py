"""Who follows too slowly misses something, is told so, and costs nobody else anything."""

import asyncio
from contextlib import ExitStack
from typing import Any

from rapport.runtime.clock import others_first
from sla_monitor.followers import Followers


async def test_a_follower_who_is_full_is_told_that_something_is_missing_and_costs_no_other_a_change():
    followers: Followers[str] = Followers(100)
    with ExitStack() as stack:
        queues = [stack.enter_context(followers.joined()) for _ in range(9)]
        fill(queues[4])
        followers.tell("news")
        assert [last(queue) for queue in queues] == [None if at == 4 else "news" for at in range(9)]


async def test_somebody_is_waited_for_until_there_is_one_and_again_once_all_have_left():
    followers: Followers[str] = Followers(1)
    waiting = asyncio.ensure_future(followers.somebody())
    with followers.joined():
        await waiting
        assert followers
    assert not followers
    waiting = asyncio.ensure_future(followers.somebody())
    await others_first()
    assert not waiting.done()
    waiting.cancel()


def fill(queue: "asyncio.Queue[Any]") -> None:
    while not queue.full():
        queue.put_nowait("old")


def last(queue: "asyncio.Queue[Any]") -> Any:
    found = None
    while not queue.empty():
        found = queue.get_nowait()
    return found
