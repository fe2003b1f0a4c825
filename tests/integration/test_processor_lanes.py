"""Polls are settled in two lanes at once, which share no partition."""

import asyncio

import pytest
from rapport.runtime.dead_letter import TooManyDeadLetters
from rapport.runtime.lanes import Lanes

from tests.support.replica import PARTITIONS, Log, Record, Site, horizons, received, suspension

EACH = 3
CONTACTS = 90
AT_ONCE = 40


def large(log: Log) -> list[Record]:
    """Some events of many contacts over all partitions, one of each contact after the other."""
    return [
        log.append(n % PARTITIONS, received(f"k{n}", f"k{n}-{step}", customer=f"c{n}"))
        for step in range(EACH)
        for n in range(CONTACTS)
    ]


async def assert_exact(site: Site, log: Log) -> None:
    for n in range(CONTACTS):
        tally = await site.tally(f"k{n}")
        assert tally is not None
        assert len(tally.seen) == EACH
        assert [step for _, step in site.published.told_about(f"k{n}")] == list(range(1, EACH + 1))
    assert await site.counted() == CONTACTS * EACH
    assert await site.waiting() == 0
    assert {p: offsets["contact-events"] for p, offsets in (await site.positions()).items()} == log.ends


def lanes_of(site: Site) -> Lanes:
    return Lanes(site.replica().process, at_once=AT_ONCE, fail=lambda _: None)


async def test_both_lanes_are_stored_and_told_in_order(site):
    log = Log()
    lanes = lanes_of(site)
    records = large(log)
    for first in range(0, len(records), CONTACTS):
        await lanes.feed(records[first : first + CONTACTS])
    await lanes.settled()
    await assert_exact(site, log)


async def test_stopped_after_any_number_of_turns_the_next_start_carries_on(site):
    log = Log()
    records = large(log)
    for turns in range(10, 200, 10):
        lanes = lanes_of(site)
        feeding = asyncio.create_task(lanes.feed(records))
        for _ in range(turns):
            await suspension()
        await lanes.stop()
        await feeding
    lanes = lanes_of(site)
    await lanes.feed(records)
    await lanes.settled()
    await assert_exact(site, log)


async def test_killed_after_any_number_of_turns_the_next_start_carries_on(site):
    log = Log()
    records = large(log)
    for turns in range(0, 200, 10):
        work = asyncio.create_task(site.replica().process(records))
        for _ in range(turns):
            await suspension()
        work.cancel()
        await asyncio.wait({work})
    await site.bury()
    await site.replica().process(records)
    await site.replica().collect_left_overs()
    await assert_exact(site, log)


async def test_the_error_of_one_lane_ends_the_other_and_is_told(site):
    log = Log()
    told: list[BaseException] = []
    lanes = Lanes(site.replica().process, at_once=CONTACTS * EACH, fail=told.append)
    bad = [log.append(0, b"rubbish") for _ in range(CONTACTS * EACH)]
    with pytest.raises(TooManyDeadLetters) as raised:
        await lanes.feed(bad * 6)
    assert told == [raised.value]
    with pytest.raises(TooManyDeadLetters):
        await lanes.feed(large(log))
    assert await site.counted() == 0


async def test_a_sweep_of_many_wakes_each_once_whichever_lane_it_is_in(site):
    log = Log()
    await site.replica().process(large(log))
    await site.replica().sweep(horizons())
    for n in range(CONTACTS):
        tally = await site.tally(f"k{n}")
        assert tally is not None
        assert len(tally.wakes) == 1
        assert [step for _, step in site.published.told_about(f"k{n}")] == list(range(1, EACH + 2))
    assert await site.waiting() == 0
