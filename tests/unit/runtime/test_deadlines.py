"""One timer for all that is waited for, on a loop whose time the test sets."""

import asyncio
from collections.abc import Callable

import pytest
from rapport.runtime.deadlines import Deadlines


class Loop:
    """Has a time and timers, and nothing else."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Callable[[], object]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, _: float, look: Callable[[], object], /) -> None:
        self.timers.append(look)

    def look(self, now: float) -> None:
        self.now = now
        due, self.timers = self.timers, []
        for timer in due:
            timer()


@pytest.fixture
def loop() -> Loop:
    return Loop()


def future() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


async def test_what_is_late_fails_and_what_is_not_goes_on(loop: Loop):
    deadlines, late, later = Deadlines(loop), future(), future()
    deadlines.watch(late, 101)
    deadlines.watch(later, 102)
    loop.look(100.9)
    assert not late.done()
    loop.look(101)
    assert isinstance(late.exception(), TimeoutError)
    assert not later.done()


async def test_what_is_done_already_stays_as_it_is(loop: Loop):
    deadlines, done = Deadlines(loop), future()
    deadlines.watch(done, 101)
    done.set_result(None)
    loop.look(102)
    assert done.result() is None


async def test_there_is_one_timer_and_none_where_nothing_is_waited_for(loop: Loop):
    deadlines, first, second = Deadlines(loop), future(), future()
    deadlines.watch(first, 101)
    deadlines.watch(second, 101)
    assert len(loop.timers) == 1
    deadlines.forget(first)
    loop.look(100.1)
    assert len(loop.timers) == 1
    deadlines.forget(second)
    loop.look(100.2)
    assert loop.timers == []
    deadlines.watch(first, 102)
    assert len(loop.timers) == 1
