import asyncio

from intake.turns import Turns


async def order_of(*asked: tuple[str, int], at_once: int = 500) -> list[str]:
    """In which order those who asked all at the same time were let through."""
    turns, order = Turns(at_once), list[str]()

    async def ask(key: str, events: int) -> None:
        await turns.take(key, events)
        order.append(key)

    await asyncio.gather(*(ask(key, events) for key, events in asked))
    return order


async def test_who_asks_alone_never_waits():
    turns = Turns()
    await asyncio.wait_for(turns.take("crm", 1000), 30)
    await asyncio.wait_for(turns.take("crm", 1), 30)


async def test_a_key_with_many_requests_takes_turns_with_one_that_has_a_single_one():
    order = await order_of(*[("flood", 500)] * 20, ("shop", 500))
    assert order.index("shop") <= 2
    assert order.count("flood") == 20


async def test_keys_are_served_in_rotation():
    order = await order_of(*[("a", 500)] * 4, *[("b", 500)] * 4)
    assert order == ["a", "a", "b", "a", "b", "a", "b", "b"]


async def test_single_events_go_through_together():
    turns = Turns(at_once=10)
    async with asyncio.timeout(30):
        await asyncio.gather(*(turns.take("crm", 1) for _ in range(35)))


async def test_who_has_gone_away_while_waiting_keeps_nobody_waiting():
    turns = Turns(at_once=1)
    first = asyncio.ensure_future(turns.take("a", 1))
    gone = asyncio.ensure_future(turns.take("b", 1))
    last = asyncio.ensure_future(turns.take("c", 1))
    gone.cancel()
    await asyncio.wait_for(asyncio.gather(first, last), 30)
