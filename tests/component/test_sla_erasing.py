"""A customer who was erased: their id is in no collection of sla-monitor's, whatever comes and whenever."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sla_monitor.domain.states import CustomerState

from tests.support.receivers import Receiver, receiver
from tests.support.sla_service import CLOCK, RunningSla, policy, running_sla, until
from tests.support.stack import Addresses
from tests.support.traces import traces

ANNA = "K-4711-anna"
NAME = "erased:by-intake"
RISK = """
risk: {repeat_contacts: {count: 2, within: 7d}, low_score: {csat: 2}, notify: [lead]}
"""


@pytest.fixture
def pager():
    with receiver() as desk:
        yield desk


@pytest.fixture
async def sla(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str], pager: Receiver
) -> AsyncIterator[RunningSla]:
    path = policy(tmp_path, pager.address, pager.address, within="1s")
    text = path.read_text("utf-8").replace("by: [team, policy]", "by: [team, customer_id]") + RISK
    path.write_text(text.replace("{priority: low}", "{customer_id: [nobody]}"), "utf-8")
    async with running_sla(tmp_path, stack, unique("erasing"), policy=path) as found:
        yield found


async def tell(sla: RunningSla, kind: str, contact: str = "C-1", **data: Any) -> None:
    await sla.tell(kind, contact, **{"customer_id": ANNA, **data})


async def nobody_left(sla: RunningSla) -> None:
    """Wait until nothing is left to be written anew, or to be told; then nothing may be left of them."""

    async def found() -> bool:
        return not await traces(sla.service.database, ANNA)

    async def settled() -> bool:
        kept = await sla.service.database[CustomerState.collection].find({}).to_list(None)
        return bool(kept) and not any("erasing" in one for one in kept)

    await until(settled)
    try:
        await until(found, seconds=20)
    except AssertionError:
        assert await traces(sla.service.database, ANNA, "divorce", "Rossi") == []
    assert await traces(sla.service.database, "divorce", "Rossi") == []


async def contacts_of(sla: RunningSla, customer_id: str) -> list[str]:
    answer = await sla.get("/v1/contacts", customer_id=customer_id)
    return sorted(one["contact_id"] for one in answer.json()["contacts"])


async def test_the_id_of_an_erased_customer_is_nowhere_and_their_deadlines_run_on(sla: RunningSla):
    await tell(sla, "customer.updated", name="Anna Rossi")
    await tell(sla, "contact.received", "C-0", customer_id="anonymous:77", subject="My divorce", team="billing")
    await tell(sla, "contact.received", ago=3, subject="My divorce")
    await tell(sla, "contact.responded", "C-0", ago=2)
    await tell(sla, "survey.answered", survey_id="s-1", survey="csat", score=1)
    await sla.alert("C-1/first_response/1", "breached")
    body = {"match": {"customer_id": [ANNA]}, "ends_at": (CLOCK.now() + timedelta(days=1)).isoformat()}
    silenced = await sla.post("/v1/silences", {**body, "comment": "on holiday"})
    assert silenced.status_code == 201, silenced.text
    await until(lambda: _is_there(sla, "risks"))
    assert {name for name, _ in await traces(sla.service.database, ANNA)} >= {
        *("contacts", "customers", "alerts", "notifications", "risks", "silences"),
    }

    await tell(sla, "customer.erased", erasedas=NAME)
    await nobody_left(sla)
    assert await contacts_of(sla, ANNA) == []
    assert await contacts_of(sla, NAME) == ["C-0", "C-1"]
    [silence] = (await sla.get("/v1/silences")).json()["silences"]
    assert silence["match"] == {"customer_id": [NAME]}

    await tell(sla, "contact.responded")
    await tell(sla, "contact.received", "C-2", ago=60, subject="My divorce")
    await tell(sla, "customer.updated", ago=60, name="Anna Rossi")
    await tell(sla, "survey.answered", survey_id="s-2", survey="csat", score=1, ago=60)
    await sla.alert("C-1/first_response/1", "cleared")
    await sla.alert("C-2/first_response/1", "breached")
    await nobody_left(sla)
    assert await contacts_of(sla, NAME) == ["C-0", "C-1", "C-2"]
    for kind, contact in (("alert.cleared", "C-1"), ("sla.breached", "C-2")):
        told = await until(partial(_told_of, sla, kind, contact))
        assert {(one["data"]["customer_id"], one["partitionkey"]) for one in told} == {(NAME, NAME)}


async def test_whoever_has_the_id_afterwards_is_somebody_else(sla: RunningSla):
    await tell(sla, "contact.received", ago=3)
    await sla.alert("C-1/first_response/1", "breached")
    await tell(sla, "customer.erased", ago=1, erasedas=NAME)
    await tell(sla, "contact.received", "C-2")
    await until(lambda: _is_named(sla, NAME))
    assert await contacts_of(sla, NAME) == ["C-1"]
    assert await contacts_of(sla, ANNA) == ["C-2"]


async def _told_of(sla: RunningSla, kind: str, contact: str) -> list[dict[str, Any]]:
    return [one for one in await sla.told(kind) if one["data"]["contact_id"] == contact]


async def _is_named(sla: RunningSla, name: str) -> bool:
    return bool(await contacts_of(sla, name)) and bool(await contacts_of(sla, ANNA))


async def _is_there(sla: RunningSla, collection: str) -> bool:
    return await sla.service.database[collection].find_one({}) is not None
