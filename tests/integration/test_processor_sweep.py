"""Timers are data: what is woken, up to where, and what a wake-up that fails does not hold up."""

import asyncio
from datetime import datetime, timedelta
from typing import ClassVar

import pytest
from rapport.decision import Decision, State
from rapport.runtime.documents import document_of
from rapport.runtime.due import Due
from rapport.runtime.sweep import sweep_for_ever
from rapport.runtime.waking import AT_ONCE

from tests.support.clock import EPOCH
from tests.support.replica import PARTITIONS, Log, Site, horizons, received
from tests.support.tally import WAKE_AFTER, Tally, TallyDomain

DUE = EPOCH + WAKE_AFTER
MINUTE = timedelta(minutes=1)


async def woken(site: Site) -> list[str]:
    return sorted([d["_id"] async for d in site.database["tallies"].find({"wake_at": None})])


class Moody(TallyDomain):
    """Raises for contacts that begin with "bad", says nothing new of "stuck", grows "huge" beyond what is stored."""

    def touches_on_clock(self, state):
        if state.id.startswith("shy"):
            raise RuntimeError("can't say what it touches")
        return super().touches_on_clock(state)

    def on_clock(self, state, states, now):
        if state.id.startswith("bad"):
            raise RuntimeError("not today")
        if state.id.startswith("stuck"):
            return Decision((state,))
        if state.id.startswith("silent"):
            return Decision()
        decision = super().on_clock(state, states, now)
        if state.id.startswith("huge"):
            return Decision((decision.states[0].but(seen=("x" * (17 << 20),)),))
        return decision


async def test_nothing_is_woken_past_what_has_been_read_of_its_partition(site):
    log = Log()
    await site.replica().process([log.append(p, received(f"k{p}", "1")) for p in range(3)])
    await site.replica().sweep({0: DUE - timedelta(milliseconds=1), 1: DUE})
    assert await woken(site) == ["k1"]


async def test_the_sweep_answers_when_the_next_falls_due(site):
    log = Log()
    replica = site.replica()
    await replica.process(
        [log.append(0, received(f"k{n}", "1", time=EPOCH + n * MINUTE)) for n in (1, 2)],
    )
    site.clock.set(DUE + MINUTE)
    assert await replica.sweep(horizons(DUE + MINUTE)) == DUE + 2 * MINUTE
    assert await replica.sweep({}) is None


async def test_an_alarm_between_two_milliseconds_is_neither_found_too_early_nor_passed_over(site):
    just_before, after = EPOCH + timedelta(microseconds=100), EPOCH + timedelta(milliseconds=1)
    state = Tally(id="k", partition=0, customer_id="c", wake_at=EPOCH + timedelta(microseconds=300))
    await site.store.collection(Tally.collection).insert_one(document_of(state))
    site.clock.set(just_before)
    assert await Due(site.store).oldest(Tally, horizons(just_before), live_only=set(), limit=1) == []
    assert await site.replica().sweep(horizons(just_before)) == after
    assert await Due(site.store).oldest(Tally, horizons(after), live_only=set(), limit=1) == [state]


async def test_a_backfilled_contact_is_left_alone_until_its_partition_is_quiet(site):
    log = Log()
    replica = site.replica()
    await replica.process(
        [log.append(0, received("old", "1", backfill=True)), log.append(0, received("live", "2"))],
    )
    await replica.sweep(horizons())
    assert await woken(site) == ["live"]
    site.clock.advance(59)
    await replica.process([log.append(0, received("old", "3", backfill=True))])
    site.clock.advance(59)
    await replica.sweep(horizons())
    assert await woken(site) == ["live"]
    site.clock.advance(2)
    await replica.sweep(horizons())
    assert await woken(site) == ["live", "old"]


async def test_a_partition_that_comes_back_from_another_replica_is_not_taken_as_it_was(site):
    log = Log()
    replica, other = site.replica(), site.replica()
    await replica.process([log.append(0, received("live", "1"))])
    replica.owned = set()
    await other.process([log.append(0, received("old", "2", backfill=True))])
    replica.owned = {0}
    await replica.sweep(horizons())
    assert await woken(site) == ["live"]


async def test_a_backfilled_contact_is_left_alone_while_records_wait_however_long_ago_the_last_one_came(site):
    log = Log()
    replica = site.replica()
    await replica.process([log.append(0, received("old", "1", backfill=True)), log.append(0, received("live", "2"))])
    site.clock.advance(600)
    await replica.sweep(horizons(), behind={0})
    assert await woken(site) == ["live"]
    await replica.sweep(horizons())
    assert await woken(site) == ["live", "old"]


async def test_a_wake_up_that_fails_is_put_off_and_holds_up_no_other(site):
    log = Log()
    names = ["bad", "good-1", "huge", "shy", "good-2", "silent", "stuck", "good-3"]
    replica = site.replica(domain=Moody())
    await replica.process([log.append(n % PARTITIONS, received(name, "1")) for n, name in enumerate(names)])
    site.clock.set(DUE)
    await replica.sweep(horizons(DUE))
    assert await woken(site) == ["good-1", "good-2", "good-3"]
    waiting = site.database["tallies"].find({"wake_at": {"$ne": None}})
    assert {d["_id"]: d["wake_at"] for d in [d async for d in waiting]} == dict.fromkeys(
        ["bad", "huge", "shy", "silent", "stuck"], DUE + MINUTE
    )
    failing = [d async for d in site.database["tallies"].find({"failing_since": {"$exists": True}})]
    assert {d["_id"]: d["failing_since"] for d in failing} == dict.fromkeys(
        ["bad", "huge", "shy", "silent", "stuck"], DUE
    )
    await site.replica().sweep(horizons(DUE + MINUTE - timedelta(milliseconds=1)))
    assert len(await woken(site)) == 3
    await site.replica().sweep(horizons(DUE + MINUTE))
    assert sorted(await woken(site)) == sorted(names)
    assert await site.database["tallies"].count_documents({"failing_since": {"$exists": True}}) == 0


async def test_putting_off_does_not_touch_what_is_no_longer_due(site):
    log = Log()
    replica = site.replica()
    await replica.process([log.append(0, received("k1", "1"))])
    await replica.sweep(horizons())
    await Due(site.store).put_off((await site.tally("k1")).__class__, "k1", due=DUE, until=DUE + MINUTE)
    assert await woken(site) == ["k1"]


async def test_more_than_one_sweep_takes_at_once_are_all_woken(site):
    log = Log()
    many = [log.append(n % PARTITIONS, received(f"k{n}", "1")) for n in range(AT_ONCE + 200)]
    await site.replica().process(many)
    await site.replica().sweep(horizons())
    assert len(await woken(site)) == AT_ONCE + 200


async def test_what_is_to_be_left_alone_hides_nothing_that_is_due(site):
    log = Log()
    await site.replica().process(
        [
            *(log.append(0, received(f"later-{n}", "1", time=EPOCH + n * MINUTE)) for n in range(5)),
            *(log.append(1, received(f"old-{n}", "1", backfill=True)) for n in range(5)),
            *(log.append(2, received(f"due-{n}", "1", time=EPOCH + n * MINUTE)) for n in range(5)),
        ]
    )
    until = DUE + 10 * MINUTE
    left_alone = {0: EPOCH, 1: until, 2: until}
    for limit in (2, 5, 11, 100):
        due = await Due(site.store).oldest(Tally, left_alone, live_only={1}, limit=limit)
        assert [state.id for state in due] == [f"due-{n}" for n in range(min(5, limit))]
        of_each = await Due(site.store).of_each(Tally, left_alone, live_only={1}, most=limit)
        assert [state.id for state in of_each] == [state.id for state in due]
    assert await Due(site.store).oldest(Tally, {}, live_only=set(), limit=5) == []


async def test_when_many_are_due_at_one_instant_each_partition_has_its_turn_with_its_oldest(site):
    log = Log()
    later = [log.append(p, received(f"later-{p}{n}", "1", time=EPOCH + MINUTE)) for p in range(2) for n in range(3)]
    await site.replica().process(
        [*later, *(log.append(p, received(f"old-{p}{n}", "1")) for p in range(2) for n in range(3))]
    )
    found = await Due(site.store).of_each(Tally, horizons(), live_only=set(), most=4)
    assert [(state.partition, state.id.partition("-")[0]) for state in found] == [
        (p, age) for p in range(2) for age in ("old", "old", "old", "later")
    ]


async def test_what_falls_due_while_records_come_is_woken_with_them_in_one_transaction(site):
    log = Log()
    replica = site.replica()
    await replica.process([log.append(0, received(f"k{n}", "1")) for n in range(2)])
    before = (await site.store.rows([0]))[0].seq
    replica.horizons = until(DUE)
    await replica.process([log.append(0, received("k0", "2")), log.append(0, received("k2", "1", time=DUE))])
    assert await woken(site) == ["k0", "k1"]
    assert (await site.store.rows([0]))[0].seq == before + 1
    assert [step for _, step in site.published.told_about("k0")] == [1, 2, 3]


async def test_records_wake_nothing_beyond_what_will_have_been_read_with_them(site):
    log = Log()
    replica = site.replica()
    seen = []

    def horizons_with(_now, records) -> dict[int, datetime]:
        seen.append(list(records))
        return {0: DUE - timedelta(milliseconds=1), 1: DUE}

    await replica.process([log.append(0, received("k1", "1")), log.append(1, received("k2", "1"))])
    replica.horizons = horizons_with
    new = [log.append(0, received("k3", "1")), log.append(1, received("k4", "1", time=DUE))]
    await replica.process(new)
    assert await woken(site) == ["k2"]
    assert seen == [new]


async def test_records_wake_no_backfill_since_more_of_it_may_follow(site):
    log = Log()
    replica = site.replica()
    await replica.process([log.append(0, received("old", "1", backfill=True))])
    site.clock.advance(3600)
    replica.horizons = until(DUE)
    await replica.process([log.append(0, received("new", "1", time=DUE))])
    assert await woken(site) == []


async def test_a_wake_up_that_fails_harms_none_of_the_records_it_was_woken_with(site):
    log = Log()
    names = ["bad", "good", "huge", "shy", "stuck"]
    replica = site.replica(domain=Moody())
    await replica.process([log.append(0, received(name, "1")) for name in names])
    site.clock.set(DUE)
    replica.horizons = until(DUE)
    await replica.process([log.append(0, received(f"new-{n}", "1", time=DUE)) for n in range(2)])
    assert (await site.tally("new-0"), await site.tally("new-1")) != (None, None)
    assert site.published.dead == []
    await replica.sweep(horizons(DUE))
    assert await woken(site) == ["good"]
    waiting = site.database["tallies"].find({"wake_at": DUE + MINUTE})
    assert sorted([d["_id"] async for d in waiting]) == ["bad", "huge", "shy", "stuck"]


async def test_a_sweep_passes_over_a_partition_whose_records_are_being_settled(site):
    log = Log()
    settling = site.replica()
    await settling.process([log.append(p, received(f"k{p}", "1")) for p in range(2)])
    site.clock.set(DUE)
    held = asyncio.Event()

    async def hold(_records, *, within=30.0) -> None:  # noqa: ARG001 - the publisher's shape
        held.set()
        await release.wait()

    release = asyncio.Event()
    publish, site.published.publish = site.published.publish, hold
    batch = asyncio.create_task(settling.process([log.append(0, received("k2", "1", time=DUE))]))
    await held.wait()
    site.published.publish = publish
    assert await settling.sweep(horizons(DUE)) == DUE + timedelta(milliseconds=50), "to look again soon"
    assert await woken(site) == ["k1"]
    site.clock.advance(1.1)
    waiting = asyncio.create_task(settling.sweep(horizons(DUE)))
    release.set()
    await batch
    await waiting
    assert await woken(site) == ["k0", "k1"]


def until(instant):
    """Horizons that do not depend on the records."""
    return lambda _now, _records: dict.fromkeys(range(PARTITIONS), instant)


def test_a_state_that_is_not_wakeful_is_refused_an_alarm():
    class Sleeper(State, frozen=True, kw_only=True):
        collection: ClassVar[str] = "sleepers"

    assert "wake_at" in document_of(Sleeper(id="s", partition=0))
    with pytest.raises(TypeError, match="Sleeper is not wakeful"):
        document_of(Sleeper(id="s", partition=0, wake_at=DUE))


class Everything:
    def horizons(self, now):
        return horizons(now)


async def test_a_batch_that_sets_an_earlier_alarm_wakes_the_loop_at_once(site, monkeypatch):
    monkeypatch.setattr("rapport.runtime.sweep._LONGEST", timedelta(hours=1))  # nothing but the alarm ends its sleep
    log = Log()
    replica = site.replica()
    site.clock.set(DUE)
    loop = asyncio.create_task(sweep_for_ever(replica, Everything(), site.clock))
    try:
        async with asyncio.timeout(60):
            while replica.woken.is_set() or replica.next_wake:
                await replica.patiently("turn", lambda: site.tally("none"))
            await replica.process([log.append(0, received("k1", "1"))])
            while not await woken(site):
                assert not loop.done()
    finally:
        loop.cancel()
        await asyncio.wait({loop})


async def test_looking_for_what_is_due_reads_only_what_is_awake(site):
    replica = site.replica()
    log = Log()
    await replica.process([log.append(0, received(f"c-{n}", "1")) for n in range(20)])
    await replica.sweep(horizons())
    used = {
        index["name"]: index["accesses"]["ops"]
        async for index in site.database["tallies"].aggregate([{"$indexStats": {}}])
    }
    assert used["alarms"] >= 2, "both for what is due and for what falls due next"
