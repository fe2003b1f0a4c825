"""followup while MongoDB, the mail server or intake is away: each mail goes out once, and nothing said is lost."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from devkit.stack import Stack
from rapport.contracts import Data, Event

from tests.support.followup_world import World, eventually, followup_world, helped, link
from tests.support.stack import Addresses


@pytest.fixture
async def world(tmp_path: Path, own_stack: Stack, unique: Callable[[str], str]) -> AsyncIterator[World]:
    async with followup_world(tmp_path, Addresses(own_stack.kafka, own_stack.mongodb), unique("followup")) as running:
        yield running


async def until_ready(world: World, *, wrong: str = "") -> None:
    """Return once the service says that all is well, or that this is `wrong`."""

    async def ready() -> bool:
        answer = await world.http.get("/readyz")
        return wrong in answer.json()["wrong"] if wrong else answer.status_code == 200

    await eventually(ready)


async def test_a_mail_that_went_out_while_mongodb_was_away_is_recorded_once_it_is_back(world: World, own_stack: Stack):
    world.mails.before_answer = own_stack.mongodb_server.kill
    await world.happen(*helped())
    await world.mail()
    world.mails.before_answer = lambda: None
    await until_ready(world, wrong="mongodb")
    own_stack.mongodb_server.start()
    [sent] = await world.hear("followup.sent")
    assert sent.data.customer_id == "K-1"
    await world.happen(*helped("K-2", "C-2"))
    assert (await world.mail(2))["To"] == "k-2@example.org"
    assert len(world.mails.mails) == 2


async def test_a_mail_waits_for_its_server(world: World):
    await world.mails.stop()
    await world.happen(*helped())
    await world.put_off()
    await world.mails.start()
    await world.try_again_now()
    await world.hear("followup.sent")
    assert [one["To"] for one in world.mails.mails] == ["k-1@example.org"]


async def test_an_answer_is_handed_on_when_mongodb_and_intake_have_been_away(world: World, own_stack: Stack):
    await world.happen(*helped())
    path = link(await world.mail(), "s")
    world.intake.status = 503
    assert (await world.http.post(path, data={"score": "5"})).status_code == 202
    own_stack.mongodb_server.kill()
    await until_ready(world, wrong="mongodb")
    world.intake.status = 202
    own_stack.mongodb_server.start()

    async def arrived() -> list[Event[Data]]:
        return world.intake.events

    events = await eventually(arrived)
    assert {(one.id, one.data.score) for one in events} == {(events[0].id, 5)}
    await until_ready(world)
