"""At most one replica holds a lease, and a late writer is recognised by its token."""

import asyncio

import pytest
from rapport.runtime.lease import Lease
from rapport.runtime.mongo import connect

from tests.support.clock import ManualClock


@pytest.fixture
async def database(stack, unique):
    client = connect(stack.mongodb)
    name = unique("lease")
    yield client[name]
    await client.drop_database(name)
    client.close()


async def test_of_many_who_ask_at_once_one_holds_it(database):
    clock = ManualClock()
    leases = [Lease(database, "sender", clock) for _ in range(8)]
    for turn in range(1, 4):
        tokens = [token for token in await asyncio.gather(*(lease.held() for lease in leases)) if token is not None]
        assert tokens == [turn]
        clock.advance(15.001)


async def test_who_holds_it_keeps_it_by_asking_again_under_the_same_token(database):
    clock = ManualClock()
    one, other = Lease(database, "sender", clock), Lease(database, "sender", clock)
    assert await one.held() == 1
    for _ in range(4):
        clock.advance(14)
        assert (await one.held(), await other.held()) == (1, None)


async def test_after_it_has_run_out_the_next_gets_a_higher_token_and_the_last_has_lost_it(database):
    clock = ManualClock()
    one, other = Lease(database, "sender", clock), Lease(database, "sender", clock)
    assert await one.held() == 1
    clock.advance(15)
    assert await other.held() == 2
    assert await one.held() is None
    clock.advance(15)
    assert await one.held() == 3


async def test_given_back_it_is_free_at_once(database):
    clock = ManualClock()
    one, other = Lease(database, "sender", clock), Lease(database, "sender", clock)
    assert await one.held() == 1
    await other.release()
    assert await other.held() is None
    await one.release()
    assert await other.held() == 2


async def test_leases_of_other_names_are_apart(database):
    clock = ManualClock()
    assert await Lease(database, "sender", clock).held() == 1
    assert await Lease(database, "reports", clock).held() == 1


async def test_it_lasts_for_a_term_from_when_it_was_asked_for_last(database):
    clock = ManualClock()
    one, other = Lease(database, "sender", clock), Lease(database, "sender", clock)
    assert not one.lasts
    await one.held()
    await other.held()
    clock.advance(14)
    assert (one.lasts, other.lasts) == (True, False)
    await one.held()
    clock.advance(14)
    assert one.lasts
    clock.advance(1)
    assert not one.lasts
    assert await other.held() == 2
    assert (await one.held(), one.lasts, other.lasts) == (None, False, True)


async def test_given_back_by_a_clock_that_is_ahead_it_is_free_at_once(database):
    ahead, clock = ManualClock(), ManualClock()
    ahead.advance(90)
    one, other = Lease(database, "sender", ahead), Lease(database, "sender", clock)
    assert await one.held() == 1
    await one.release()
    assert await other.held() == 2


async def test_a_holder_whose_clock_is_ahead_keeps_it_while_it_lives_and_no_longer(database):
    """It was written until next year, and the process is gone that would have renewed it."""
    ahead, clock = ManualClock(), ManualClock()
    ahead.advance(365 * 24 * 3600)
    one, other = Lease(database, "sender", ahead), Lease(database, "sender", clock)
    assert await one.held() == 1
    for _ in range(4):
        assert (await one.held(), await other.held()) == (1, None)
        ahead.advance(10)
        clock.advance(10)
    assert await other.held() is None
    clock.advance(10)
    assert await other.held() == 2
    assert other.lasts
