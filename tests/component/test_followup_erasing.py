"""A customer who was erased: their id is in no collection of followup's, their links are friendly and tell nothing."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from followup.domain.state import CustomerState, Posting
from rapport.contracts import Data, Event

from tests.support.followup import event
from tests.support.followup_world import World, ago, eventually, followup_world, helped, link
from tests.support.stack import Addresses
from tests.support.traces import traces

ANNA = "K-4711-anna"
NAME = "erased:by-intake"


@pytest.fixture
async def world(tmp_path: Path, stack: Addresses, unique: Callable[[str], str]) -> AsyncIterator[World]:
    async with followup_world(tmp_path, stack, unique("erasing")) as running:
        yield running


def erased(seconds: float = 0.0) -> Event[Data]:
    """As intake lets it in."""
    return event("customer.erased", ago(seconds), customer=ANNA).model_copy(update={"erasedas": NAME})


async def nobody_left(world: World, *words: str) -> None:
    """Wait until nothing is left to be renamed; then nothing may be left of them."""
    customers = world.service.database[CustomerState.collection]

    async def settled() -> bool:
        kept = await customers.find({}).to_list(None)
        return any("erasure/" in one["_id"] for one in kept) and not any("erasing" in one for one in kept)

    await eventually(settled)
    assert await traces(world.service.database, ANNA, ANNA.lower(), "very words", *words) == []


async def test_the_id_of_an_erased_customer_is_nowhere_and_their_links_tell_nothing(world: World):
    await world.happen(*helped(ANNA))
    mail = await world.mail()
    survey, wishes = link(mail, "s"), link(mail, "u")
    await world.hear("followup.owed")
    world.intake.status = 503
    assert (await world.http.post(survey, data={"score": "2", "comment": "my very words"})).status_code == 202
    assert (await world.http.post(wishes, data={"choice": "stop"})).status_code == 202
    await world.happen(*helped(ANNA, "C-2"))
    found = {name for name, _ in await traces(world.service.database, ANNA)}
    assert found >= {"customers", "messages", "survey_links", "check_ins", "postings"}

    late = helped(ANNA, "C-3")
    await world.happen(erased())
    await nobody_left(world, "Rossi", "Invoice")
    world.intake.status = 202
    at_once = {"$set": {"next_at": world.service.clock.now()}}
    await world.service.database[Posting.collection].update_many({"status": "pending"}, at_once)

    async def arrived() -> list[Event[Data]]:
        return world.intake.events

    [answer] = await eventually(arrived)
    assert (vars(answer.data)["customer_id"], vars(answer.data)["comment"]) == (NAME, None)
    assert (await world.get(f"/v1/customers/{ANNA}/followups")).status_code == 404
    assert (await world.get(f"/v1/customers/{NAME}/followups")).status_code == 200
    for page in (await world.http.get(survey), await world.http.post(survey, data={"score": "5"})):
        assert (page.status_code, "This survey has ended" in page.text) == (410, True)
    for page in (await world.http.get(wishes), await world.http.post(wishes, data={"choice": "start"})):
        assert (page.status_code, "You will get no more messages" in page.text) == (200, True)
    assert {one.data.customer_id for one in await world.hear("followup.cancelled")} == {NAME}

    await world.happen(*late, event("contact.received", ago(-1), customer=ANNA, contact_id="C-1", channel="email"))
    await world.happen(*helped("K-2"))
    await world.mail(2)
    await nobody_left(world)
    assert [mail["To"] for mail in world.mails.mails] == [f"{ANNA.lower()}@example.org", "k-2@example.org"]
    assert len(world.intake.events) == 1


async def test_whoever_has_the_id_afterwards_is_somebody_new(world: World):
    await world.happen(erased(100), *helped(ANNA))
    mail = await world.mail()
    assert (await world.get(f"/v1/customers/{ANNA}/followups")).status_code == 200
    assert (await world.http.get(link(mail, "s"))).status_code == 200
    assert "You will get no more messages" not in (await world.http.get(link(mail, "u"))).text
