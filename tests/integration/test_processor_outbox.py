"""What is told: left-overs first, in order, by the owner of the partition, and again after a failure."""

import asyncio
from typing import Any

from rapport.decision import Decision
from rapport.runtime.mongo import connect
from rapport.runtime.processor import Processor
from rapport.runtime.sweep import publish_left_overs_for_ever

from tests.support.replica import Log, Published, Site, received, suspension
from tests.support.tally import Tally, click


def steps(site: Site, contact: str) -> list[int]:
    return [step for _, step in site.published.told_about(contact)]


async def test_what_a_crash_left_in_the_outbox_is_told_first_and_in_order(site):
    log = Log()
    nobody = site.replica(owned=())
    for n in range(3):
        await nobody.process([log.append(0, received("k1", str(n)))])
    assert (site.published.records, await site.waiting()) == ([], 3)
    await site.replica().process([log.append(0, received("k1", "3"))])
    assert (steps(site, "k1"), await site.waiting()) == ([1, 2, 3, 4], 0)


async def test_a_partition_won_in_the_middle_of_a_batch_tells_what_is_older_first(site):
    log = Log()
    replica = site.replica(owned=())
    await replica.process([log.append(0, received("k1", "1"))])
    commit = replica._store.commit

    async def assigned_now(change) -> None:
        await commit(change)
        replica.owned = {0}

    replica._store.commit = assigned_now
    await replica.process([log.append(0, received("k1", "2"))])
    await replica.process([log.append(0, received("k1", "3"))])
    assert (steps(site, "k1"), await site.waiting()) == ([1, 2, 3], 0)


async def test_a_click_on_another_replica_is_told_by_the_owner(site):
    log = Log()
    owner, other = site.replica(owned={0}), site.replica(owned={1, 2}, publisher=Published())
    await owner.process([log.append(0, received("k1", "1"))])
    await other.act(Tally, "k1", click)
    assert steps(site, "k1") == [1]
    await other.collect_left_overs()
    assert steps(site, "k1") == [1]
    await owner.collect_left_overs()
    assert (steps(site, "k1"), await site.waiting()) == ([1, 2], 0)
    await other.act(Tally, "k1", click)
    await owner.process([log.append(0, received("k1", "2"))])
    assert (steps(site, "k1"), await site.waiting()) == ([1, 2, 3, 4], 0)


async def test_a_click_is_told_at_once_where_its_partition_is_owned(site):
    log = Log()
    owner = site.replica()
    await owner.process([log.append(0, received("k1", "1"))])
    loop = asyncio.create_task(publish_left_overs_for_ever(owner))
    try:
        await owner.act(Tally, "k1", click)
        async with asyncio.timeout(60):
            while steps(site, "k1") != [1, 2]:
                await suspension()
    finally:
        loop.cancel()
        await asyncio.wait({loop})


async def test_a_click_does_not_wait_for_kafka(site):
    log = Log()
    owner = site.replica()
    await owner.process([log.append(0, received("k1", "1"))])
    site.published.failures = 1_000_000
    batch = asyncio.create_task(owner.process([log.append(0, received("k1", "2"))]))
    while not await site.waiting():
        await suspension()
    async with asyncio.timeout(60):
        await owner.act(Tally, "k1", click)
    assert not batch.done()
    site.published.failures = 0
    await batch
    await owner.collect_left_overs()
    assert (steps(site, "k1"), await site.waiting()) == ([1, 2, 3], 0)


async def test_what_was_not_acknowledged_is_told_again(site):
    log = Log()
    site.published.failures = 5
    await site.replica().process([log.append(0, received("k1", "1"))])
    assert (steps(site, "k1"), await site.waiting()) == ([1], 0)


async def test_many_events_at_once_do_not_overflow_the_outbox(site, monkeypatch):
    monkeypatch.setattr("rapport.runtime.store.OUTBOX_LIMIT", 3_000)
    log = Log()
    await site.replica().process([log.append(0, received("k1", str(n))) for n in range(40)])
    assert steps(site, "k1") == list(range(1, 41))
    assert site.published.dead == []


async def test_a_click_by_somebody_who_knows_no_such_contact_changes_nothing(site):
    decided = []

    def decide(tally, states, now) -> Decision[Any]:
        decided.append(tally)
        return click(Tally(id="k1", partition=0, customer_id="c1"), states, now)

    replica: Processor = site.replica()
    await replica.act(Tally, "k1", decide)
    assert (decided, await site.tally("k1")) == ([None], None)
    await replica.act(Tally, "k1", decide, partition=0)
    tally = await site.tally("k1")
    assert tally is not None
    assert tally.clicks == 1


def test_a_client_fails_within_seconds_where_nobody_answers():
    assert connect("mongodb://127.0.0.1:1").delegate.options.server_selection_timeout == 3
