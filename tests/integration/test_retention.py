"""What is over is forgotten when its time has passed, and nothing else is."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from followup.domain.state import Message
from rapport.runtime.mongo import connect
from rapport.runtime.retention import Over, forget, forget_for_ever
from rapport.runtime.store import Store

from tests.support.clock import EPOCH, HeldClock

STAY = timedelta(days=90)
OVER = Over(Message, {"status": {"$in": ["sent", "failed"]}}, "next_at", STAY)


@pytest.fixture
async def store(stack, unique):
    client = connect(stack.mongodb)
    database = client[unique("retention")]
    yield Store(client, database, [Message])
    await client.drop_database(database.name)
    client.close()


async def keep(store: Store, status: str, *instants: datetime) -> None:
    documents = [{"_id": f"{status} {n}", "status": status, "next_at": at} for n, at in enumerate(instants)]
    await store.collection("messages").insert_many(documents)


async def kept(store: Store) -> list[str]:
    return [document["_id"] async for document in store.collection("messages").find().sort("_id", 1)]


async def test_only_what_is_over_and_old_goes(store):
    long_ago, just_so = EPOCH - STAY - timedelta(seconds=1), EPOCH - STAY
    await keep(store, "sent", long_ago, just_so, EPOCH)
    await keep(store, "failed", long_ago)
    await keep(store, "pending", long_ago)
    assert await forget(store, OVER, EPOCH) == 2
    assert await kept(store) == ["pending 0", "sent 1", "sent 2"]
    assert await forget(store, OVER, EPOCH) == 0


async def test_years_of_it_go_in_one_round(store):
    await keep(store, "sent", *(EPOCH - timedelta(days=91 + n) for n in range(2500)))
    await keep(store, "pending", EPOCH - timedelta(days=1000))
    assert await forget(store, OVER, EPOCH) == 2500
    assert await kept(store) == ["pending 0"]


async def test_what_something_still_needs_stays_however_old_it_is(store):
    await keep(store, "sent", *(EPOCH - timedelta(days=91 + n) for n in range(1500)))

    async def needed(ids: Sequence[str]) -> set[str]:
        return {name for name in ids if name.endswith("7")}

    assert await forget(store, replace(OVER, needed=needed), EPOCH) == 1350
    assert await forget(store, OVER, EPOCH) == 150


async def test_a_service_looks_when_it_starts_and_then_sleeps(store):
    await keep(store, "sent", EPOCH - timedelta(days=100), EPOCH)
    clock = HeldClock()
    forgetting = asyncio.create_task(forget_for_ever("followup", store, [OVER], clock))
    await clock.asleep.wait()
    assert await kept(store) == ["sent 1"]
    forgetting.cancel()
    await asyncio.wait({forgetting})
