"""Law: crash anywhere. Started again, states, positions and what was told are as if nothing had happened."""

import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from rapport.contracts import topics
from rapport.runtime.clock import SystemClock
from rapport.runtime.processor import Processor

from tests.support.clock import EPOCH
from tests.support.replica import Log, Record, Site, horizons, received
from tests.support.suspension import Killed, Suspended, cancel_here, die_here, the_end_of
from tests.support.tally import WAKE_AFTER, Tally, click

MOST_AWAITS = 80
LATER = EPOCH + timedelta(hours=10)  # its wake-up lies past every horizon here


class Scene:
    """Two contacts of two partitions, a batch about both with a record nobody can read, and due wake-ups."""

    def __init__(self, site: Site, log: Log, n: int) -> None:
        self.site, self.log = site, log
        self.contacts = (f"a{n}", f"b{n}")
        self.new: list[Record] = []

    async def set(self) -> None:
        before = [self.log.append(p, received(c, f"{c}-1")) for p, c in enumerate(self.contacts)]
        await self.site.replica().process(before)
        self.new = [
            *(self.log.append(p, received(c, f"{c}-2", time=LATER)) for p, c in enumerate(self.contacts)),
            self.log.append(1, b"rubbish", key=self.contacts[1].encode(), headers=[("via", b"\xff")]),
            self.log.append(0, received(self.contacts[0], f"{self.contacts[0]}-3", time=LATER)),
        ]

    async def batch(self, replica: Processor) -> None:
        await replica.process(self.new)

    async def batch_that_wakes(self, replica: Processor) -> None:
        replica.horizons = lambda _now, _records: horizons()
        await replica.process(self.new)

    async def sweep(self, replica: Processor) -> None:
        await replica.sweep(horizons())

    async def click(self, replica: Processor) -> None:
        await replica.act(Tally, self.contacts[0], click)

    async def start_again(self) -> None:
        """A new process: Kafka gives it the batch again, and its sweep begins from the start."""
        replica = self.site.replica()
        await self.batch(replica)
        await self.sweep(replica)
        await replica.collect_left_overs()

    async def assert_all_is_as_if_nothing_had_happened(self) -> None:
        for contact, seen in zip(self.contacts, (3, 2), strict=True):
            tally = await self.site.tally(contact)
            assert tally is not None
            assert (len(tally.seen), tally.wakes) == (seen, (EPOCH + WAKE_AFTER,))
            told = self.site.published.told_about(contact)
            assert [step for _, step in told] == list(range(1, seen + 2 + tally.clicks)), told
            assert tally.clicks == sum("/click/" in name for name, _ in told)
        dead = {(r.key, r.value, r.headers[0]) for r in self.site.published.dead if r.key == self.contacts[1].encode()}
        assert dead == {(self.contacts[1].encode(), b"rubbish", ("via", b"\xff"))}
        assert await self.site.waiting() == 0
        at = await self.site.positions()
        assert {p: offsets.get(topics.CONTACT_EVENTS) for p, offsets in at.items() if offsets} == self.log.ends


Work = Callable[[Scene, Processor], Awaitable[None]]
EACH_WORK = pytest.mark.parametrize(
    "work",
    [Scene.batch, Scene.batch_that_wakes, Scene.sweep, Scene.click],
    ids=["batch", "batch that wakes", "sweep", "click"],
)
BATCHES = (Scene.batch, Scene.batch_that_wakes)


@EACH_WORK
async def test_stopped_at_whichever_await_the_next_start_carries_on(site, work):
    log = Log()
    for n in range(1, MOST_AWAITS):
        scene = Scene(site, log, n)
        await scene.set()
        stopped = Suspended(work(scene, site.replica()), n, cancel_here)
        await the_end_of(stopped)
        if not stopped.reached:
            break
        await scene.start_again()
        await scene.assert_all_is_as_if_nothing_had_happened()
    assert 5 < n < MOST_AWAITS - 1
    assert await site.counted() == 5 * (n - 1) + 2 + (3 if work in BATCHES else 0)


@EACH_WORK
async def test_killed_at_whichever_await_the_next_start_carries_on(site, work):
    log = Log()
    dead: list[Suspended[None]] = []
    for n in range(1, MOST_AWAITS):
        scene = Scene(site, log, n)
        await scene.set()
        site.sessions.clear()
        killed = Suspended(work(scene, site.replica()), n, die_here)
        with contextlib.suppress(Killed):
            await killed
        if not killed.reached:
            break
        dead.append(killed)
        await killed.last_words()
        await site.bury()
        await scene.start_again()
        await scene.assert_all_is_as_if_nothing_had_happened()
    assert 5 < n < MOST_AWAITS - 1
    counted = await site.counted()
    for zombie in dead:
        await the_end_of(zombie.rise())
    await site.replica().collect_left_overs()
    assert await site.counted() == counted == 5 * (n - 1) + 2 + (3 if work in BATCHES else 0)


async def test_the_transaction_that_a_killed_replica_left_open_is_ended_by_the_next(stack, unique):
    site = Site(stack.mongodb, unique("tally"), SystemClock())
    await site.prepare()
    scene = Scene(site, Log(), 1)
    await scene.set()
    for n in range(1, MOST_AWAITS):
        killed = Suspended(scene.batch(site.replica()), n, die_here)
        with pytest.raises(Killed):
            await killed
        await killed.last_words()
        if await site.is_locked(0):
            break
        await the_end_of(killed.rise(), cancelled=True)
    began = site.clock.now()
    await scene.start_again()
    assert timedelta(seconds=1) < site.clock.now() - began < timedelta(seconds=60)
    await scene.assert_all_is_as_if_nothing_had_happened()
    await the_end_of(killed.rise())
    await scene.assert_all_is_as_if_nothing_had_happened()
    await site.close()
