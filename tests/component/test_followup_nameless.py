"""A contact that was nobody's and turns out to be a customer's, in a service with a real Kafka and MongoDB."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from followup.domain.state import CustomerState, NamelessContact
from followup.store import Followup
from rapport.runtime.retention import Over, forget
from rapport.runtime.store import Store

from tests.support.followup import Story, event
from tests.support.followup_world import World, ago, eventually, followup_world, link
from tests.support.stack import Addresses

NOBODY = "anonymous:77"


@pytest.fixture
async def world(tmp_path: Path, stack: Addresses, unique: Callable[[str], str]) -> AsyncIterator[World]:
    async with followup_world(tmp_path, stack, unique("nameless")) as running:
        yield running


async def whose_call(world: World) -> str | None:
    """Who is to be called, by the work list."""
    [call] = (await world.get("/v1/check-ins")).json()["check_ins"]
    return str(call["customer_id"])


async def test_what_was_sent_to_somebody_nameless_is_withdrawn_when_they_are_known_and_it_is_opened_again(world: World):
    await world.happen(
        event("customer.updated", ago(50), customer=NOBODY, email="ada@example.org"),
        event("contact.received", ago(40), customer=NOBODY, contact_id="C-1", channel="chat", subject="Invoice"),
        event("contact.resolved", ago(30), customer=NOBODY, contact_id="C-1", outcome="solved"),
    )
    survey = link(await world.mail(), "s")
    await world.hear("followup.owed")
    assert await whose_call(world) == NOBODY
    await world.happen(event("contact.assigned", ago(20), contact_id="C-1", team="south"))

    async def named() -> bool:
        return await whose_call(world) == "K-1"

    await eventually(named)
    assert (await world.http.get(survey)).status_code == 200
    assert (await world.http.post(survey, data={"score": "4"})).status_code == 200
    assert [vars(one.data)["customer_id"] for one in world.intake.events] == ["K-1"]
    await world.happen(event("contact.received", ago(10), customer=NOBODY, contact_id="C-1", channel="chat"))
    [cancelled] = await world.hear("followup.cancelled")
    assert (cancelled.data.customer_id, cancelled.data.do) == ("K-1", "check_in")
    assert (await world.http.get(survey)).status_code == 410
    assert (await world.http.post(survey, data={"score": "5"})).status_code == 410


async def test_a_nameless_message_finds_the_customer_who_has_its_contact(world: World):
    await world.happen(event("contact.resolved", ago(30), contact_id="C-1", outcome="solved"))
    await world.hear("followup.owed")
    await world.happen(event("contact.received", ago(10), customer=NOBODY, contact_id="C-1", channel="chat"))
    [cancelled] = await world.hear("followup.cancelled")
    assert cancelled.data.customer_id == "K-1"
    customers = world.service.database[CustomerState.collection]
    assert await customers.find_one({"_id": NOBODY}) is None
    plan = (await customers.find({"contacts": {"$in": ["C-1", "C-2"]}}).explain())["queryPlanner"]["winningPlan"]
    assert "'indexName': 'contacts_1'" in str(plan)


async def test_a_nameless_contact_is_remembered_as_such_while_a_customers_state_knows_of_it(world: World):
    for name in ("C-1", "C-2"):
        await world.happen(event("contact.received", ago(10), customer=NOBODY, contact_id=name, channel="chat"))
    store = Store(world.service.client, world.service.database, [CustomerState, NamelessContact])
    queries = Followup(store, Story().domain)

    async def both() -> bool:
        return len(await store.find(NamelessContact, {})) == 2

    await eventually(both)
    over = Over(NamelessContact, {}, "since", timedelta(days=30), queries.held)
    later = world.service.clock.now() + timedelta(days=31)
    assert await forget(store, over, later) == 0
    await store.collection(CustomerState.collection).delete_many({})
    assert await forget(store, over, later) == 2
