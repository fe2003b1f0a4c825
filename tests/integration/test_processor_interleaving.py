"""Law: nobody overwrites anybody. Whoever goes first at whichever await, the end equals some order one by one."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from rapport.runtime.processor import Processor

from tests.support.clock import EPOCH, HeldClock
from tests.support.replica import Log, Record, Site, horizons, received
from tests.support.suspension import Suspended
from tests.support.tally import WAKE_AFTER, Tally, click

MOST_AWAITS = 80


class Scene:
    """A contact whose first event is settled and whose wake-up is due, and the three who want to change it."""

    def __init__(self, site: Site, log: Log, contact: str) -> None:
        self.site, self.contact, self.log = site, contact, log
        self.new: list[Record] = []

    async def set(self) -> None:
        await self.site.replica().process([self.log.append(0, received(self.contact, f"{self.contact}-1"))])
        late = EPOCH.replace(hour=20)  # its own wake-up lies past every horizon here
        self.new = [self.log.append(0, received(self.contact, f"{self.contact}-2", time=late))]

    async def batch(self, replica: Processor) -> None:
        await replica.process(self.new)

    async def batch_that_wakes(self, replica: Processor) -> None:
        replica.horizons = lambda _now, _records: horizons()
        await replica.process(self.new)

    async def sweep(self, replica: Processor) -> None:
        await replica.sweep(horizons())

    async def click(self, replica: Processor) -> None:
        await replica.act(Tally, self.contact, click)

    async def assert_nothing_is_lost(self, *, clicks: int = 1) -> None:
        await self.site.replica().collect_left_overs()
        tally = await self.site.tally(self.contact)
        assert tally is not None
        assert (len(tally.seen), tally.clicks, tally.wakes) == (2, clicks, (EPOCH + WAKE_AFTER,))
        told = self.site.published.told_about(self.contact)
        assert [step for _, step in told] == list(range(1, 4 + clicks)), told
        assert await self.site.waiting() == 0


Work = Callable[[Scene, Processor], Coroutine[Any, Any, None]]


async def interleaved(scene: Scene, n: int, first: Work, others: Sequence[Work]) -> bool:
    """
    Let one replica begin, and at its n-th await another do all of its own work; False when there are fewer awaits.

    Where the other has to wait for what the first has open in MongoDB, the first goes on.
    """
    clock = HeldClock()
    other = scene.site.replica(clock=clock)

    async def work() -> None:
        for one in others:
            await one(scene, other)

    async with asyncio.TaskGroup() as tasks:

        async def come_between() -> None:
            asleep = tasks.create_task(clock.asleep.wait())
            await asyncio.wait({tasks.create_task(work()), asleep}, return_when=asyncio.FIRST_COMPLETED)
            asleep.cancel()

        suspended = Suspended(first(scene, scene.site.replica()), n, come_between)
        await suspended
        clock.release()
    return suspended.reached


async def assert_nothing_is_lost_wherever_they_come_between(site: Site, first: Work, others: Sequence[Work]) -> None:
    log = Log()
    for n in range(1, MOST_AWAITS):
        scene = Scene(site, log, f"k{n}")
        await scene.set()
        if not await interleaved(scene, n, first, others):
            break
        await scene.assert_nothing_is_lost()
        assert await site.counted() == 2 * n
    assert 5 < n < MOST_AWAITS - 1


@pytest.mark.parametrize(
    ("first", "others"),
    [
        (Scene.batch, (Scene.sweep, Scene.click)),
        (Scene.batch_that_wakes, (Scene.sweep, Scene.click)),
        (Scene.sweep, (Scene.click, Scene.batch)),
        (Scene.click, (Scene.batch, Scene.sweep)),
    ],
    ids=["batch", "batch that wakes", "sweep", "click"],
)
async def test_whoever_comes_between_at_whichever_await_nothing_is_overwritten(site, first, others):
    await assert_nothing_is_lost_wherever_they_come_between(site, first, others)


async def test_a_replica_that_has_lost_its_partition_changes_nothing_wherever_it_was_overtaken(site):
    others = (Scene.batch, Scene.sweep, Scene.click)
    await assert_nothing_is_lost_wherever_they_come_between(site, Scene.batch, others)


async def test_two_sweeps_at_once_wake_each_contact_once(site):
    others = (Scene.sweep, Scene.batch, Scene.click)
    await assert_nothing_is_lost_wherever_they_come_between(site, Scene.sweep, others)
