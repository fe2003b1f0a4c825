"""What is asked while people look at the board reads no more contacts than it shows, however many there are."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rapport.contracts import format_instant
from sla_monitor.domain.states import AlertState, ContactState

from tests.support.receivers import receiver
from tests.support.sla_service import CLOCK, RunningSla, policy, running_sla, until
from tests.support.stack import Addresses

CONTACTS = 300


@pytest.fixture
async def sla(tmp_path: Path, stack: Addresses, unique: Callable[[str], str]) -> AsyncIterator[RunningSla]:
    """Many contacts of two teams, in time; every question to MongoDB is written down."""
    with receiver() as desk:
        path = policy(tmp_path, desk.address, desk.address, within="4h")
        async with running_sla(tmp_path, stack, unique("plans"), policy=path) as running:
            now = CLOCK.now()
            await running.service.publisher.publish(
                [
                    running.record("contact.received", f"C-{n}", at=now, customer_id=f"K-{n}", team="ab"[n % 2])
                    for n in range(CONTACTS)
                ]
            )
            contacts = running.service.database[ContactState.collection]

            async def there() -> bool:
                return bool(await contacts.count_documents({"in_work": True}) == CONTACTS)

            await until(there)
            await running.service.database.command("profile", 2)
            yield running
            await running.service.database.command("profile", 0)


async def asked(sla: RunningSla, collection: str, **where: Any) -> list[dict[str, Any]]:
    """What was asked of a collection, as MongoDB has carried it out."""
    database = sla.service.database
    found = database["system.profile"].find({"ns": f"{database.name}.{collection}", **where})
    return [row async for row in found]


async def test_the_board_s_figures_and_the_workload_read_no_contact(sla: RunningSla):
    board = (await sla.get("/v1/board")).json()
    assert (board["unowned"], board["no_policy"], board["breached_waiting"]) == (CONTACTS, 0, 0)
    [team, _] = (await sla.get("/v1/workload", by="team")).json()["rows"]
    assert team["open"] == CONTACTS // 2
    counts = await asked(sla, ContactState.collection, **{"command.aggregate": {"$exists": True}})
    assert [row["docsExamined"] for row in counts] == [0, 0]


@pytest.mark.parametrize(("wanted", "shown"), [({}, CONTACTS), ({"team": "a"}, CONTACTS // 2), ({"agent": "ann"}, 0)])
async def test_the_board_reads_the_contacts_that_it_shows(sla: RunningSla, wanted: dict[str, str], shown: int):
    page = await sla.get("/", **wanted)
    assert page.text.count("<li ") >= shown
    lists = await asked(
        sla,
        ContactState.collection,
        **{"command.find": {"$exists": True}, "command.sort": {"next_due_at": 1, "_id": 1}},
    )
    assert [(row["docsExamined"], row.get("hasSortStage", False)) for row in lists] == [(shown, False)]


async def test_nothing_that_people_on_call_look_at_reads_a_whole_collection(sla: RunningSla):
    soon = format_instant(CLOCK.now() + timedelta(hours=8))
    for path in ("/", "/v1/board", "/v1/workload"):
        assert (await sla.get(path)).status_code == 200, path
    assert (await sla.get("/v1/forecast", until=soon)).status_code == 200
    assert (await sla.get("/v1/alerts", contact_id="C-1")).status_code == 200
    await sla.tell("customer.tier_changed", customer_id="K-1", tier="gold")
    for collection in (ContactState.collection, AlertState.collection):
        assert await asked(sla, collection, planSummary="COLLSCAN") == []


@pytest.mark.parametrize("parameters", [{}, {"team": "a"}, {"cursor": "next"}])
async def test_a_list_without_an_order_of_its_own_reads_what_it_shows(sla: RunningSla, parameters: dict[str, str]):
    if "cursor" in parameters:
        parameters = {"cursor": (await sla.get("/v1/contacts", limit=50)).json()["cursor"]}
        await sla.service.database.command("profile", 0)
        await sla.service.database["system.profile"].drop()
        await sla.service.database.command("profile", 2)
    listed = (await sla.get("/v1/contacts", limit=10, **parameters)).json()["contacts"]
    assert [one["due_at"] for one in listed] == sorted(one["due_at"] for one in listed)
    lists = await asked(sla, ContactState.collection, **{"command.find": {"$exists": True}, "command.limit": 11})
    assert sum(row["docsExamined"] for row in lists) in (11, 12)
