"""Sources that know only the contact, people who are forgotten, and who has sent what lately; with a real MongoDB."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from intake.domain import Accepted
from intake.sources import Sources
from rapport.contracts import decode, format_instant
from rapport.runtime.mongo import connect

from tests.support.clock import ManualClock
from tests.support.intake import BATCH, STRUCTURED, RealIntake, batch, event, real_intake
from tests.support.stack import Addresses

ADMIN = {"authorization": "Bearer admin-key", "content-type": STRUCTURED}


@pytest.fixture
async def intake(tmp_path: Path, stack: Addresses, unique: Callable[[str], str]) -> AsyncIterator[RealIntake]:
    async with real_intake(tmp_path, stack.kafka, stack.mongodb, unique("customers")) as running:
        yield running


def news(event_id: str, event_type: str = "contact.received", minutes: float = 1, **data: Any) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(minutes=minutes)  # noqa: TID251 - the real clock is under test
    said = {"contact_id": "C-1", **({"channel": "phone"} if event_type == "contact.received" else {}), **data}
    return event(id=event_id, source="/pbx", type=event_type, time=format_instant(at), data=said)


async def pbx(intake: RealIntake, *events: dict[str, Any]) -> httpx.Response:
    """Sent with the key of the source that may leave the customer out."""
    return await intake.post(batch(*events), BATCH, key="pbx-key")


async def owners(intake: RealIntake, count: int) -> dict[str, str]:
    records = [decode(record.value) for record in await intake.stored(count)]
    return {record.id: record.data.customer_id for record in records}  # type: ignore[attr-defined]


async def test_a_source_that_knows_only_the_contact_is_helped_out(intake: RealIntake):
    assert (await pbx(intake, news("a", customer_id="K-1"))).status_code == 202
    assert (await pbx(intake, news("b", "contact.responded"))).status_code == 202
    one_request = [news("d", "contact.responded", contact_id="C-2"), news("c", contact_id="C-2", customer_id="K-2")]
    assert (await pbx(intake, *one_request)).status_code == 202
    assert await owners(intake, 4) == {"a": "K-1", "b": "K-1", "c": "K-2", "d": "K-2"}


async def test_a_contact_never_seen_is_refused_and_another_key_must_name_the_customer(intake: RealIntake):
    refused = await pbx(intake, news("a", "contact.responded"))
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/0/data/customer_id"
    await pbx(intake, news("b", customer_id="K-1"))
    assert (await intake.post(news("c", "contact.responded"), key="slow-key")).status_code == 422


async def test_what_another_key_has_just_said_is_known_at_once(intake: RealIntake):
    for number in range(2):
        contact = f"C-{number}"
        told = news(f"a{number}", contact_id=contact, customer_id=f"K-{number}")
        assert (await intake.post(told, key="slow-key")).status_code == 202
        assert (await pbx(intake, news(f"b{number}", "contact.responded", contact_id=contact))).status_code == 202


async def test_what_another_key_said_right_before_a_stop_is_known_afterwards(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str]
):
    name = unique("customers")
    async with real_intake(tmp_path, stack.kafka, stack.mongodb, name) as before:
        assert (await before.post(news("a", customer_id="K-1"), key="slow-key")).status_code == 202
    async with real_intake(tmp_path, stack.kafka, stack.mongodb, name) as after:
        assert (await pbx(after, news("b", "contact.responded"))).status_code == 202


async def test_a_contact_opened_by_another_key_or_by_kafka_is_known_too(intake: RealIntake):
    other = news("other", contact_id="C-8", customer_id="K-8")
    assert (await intake.post(other, key="slow-key")).status_code == 202
    by_kafka = news("kafka", contact_id="C-9", customer_id="K-9")
    await intake.produce(json.dumps(by_kafka).encode(), content_type=STRUCTURED)
    async with asyncio.timeout(60):
        for contact in ("C-8", "C-9"):
            answer = news(f"on {contact}", "contact.responded", contact_id=contact)
            while (await pbx(intake, answer)).status_code != 202:
                await intake.service.clock.sleep(0.1)
    found = await owners(intake, 4)
    assert (found["on C-8"], found["on C-9"]) == ("K-8", "K-9")


async def test_what_was_refused_for_want_of_a_customer_goes_through_once_its_contact_is_known(intake: RealIntake):
    assert (await pbx(intake, news("early", "contact.responded"))).status_code == 422
    await intake.letters(1)
    assert (await intake.replay(all=True)).json()["still_refused"] == 1
    await pbx(intake, news("late", customer_id="K-1"))
    assert (await intake.replay(all=True)).json()["replayed"] == 1
    assert await owners(intake, 2) == {"late": "K-1", "early": "K-1"}


async def test_an_anonymous_contact_becomes_somebodys_and_stays_so(intake: RealIntake):
    await pbx(intake, news("a", customer_id="anonymous:77"))
    await pbx(intake, news("b", "contact.responded"))
    await pbx(intake, news("c", "contact.assigned", customer_id="K-5", agent_id="x"))
    await pbx(intake, news("d", "contact.updated", customer_id="anonymous:77", minutes=0))
    await pbx(intake, news("e", "contact.responded"))
    found = await owners(intake, 5)
    assert (found["b"], found["e"]) == ("anonymous:77", "K-5")


async def test_whoever_is_erased_is_forgotten_here_too(intake: RealIntake):
    await pbx(intake, news("a", customer_id="$K-1"), news("bad", "contact.sung", customer_id="$K-1"))
    await intake.letters(1)
    order = news("forget", "customer.erased", customer_id="$K-1")
    assert (await intake.http.post("/v1/events", content=json.dumps(order), headers=ADMIN)).status_code == 202
    assert (await pbx(intake, news("b", "contact.responded"))).status_code == 422
    page = await intake.get("/v1/dead-letters")
    assert "bad" not in {letter["event_id"] for letter in page["items"]}


async def test_a_source_is_shown_with_its_last_event_and_its_clock(intake: RealIntake):
    ahead = news("a", customer_id="K-1", minutes=-3)
    await pbx(intake, ahead, news("b", customer_id="K-1", minutes=9))
    async with httpx.AsyncClient(base_url=intake.http.base_url) as http:
        async with asyncio.timeout(60):
            while 'rapport_source_last_event_seconds{source="/pbx"}' not in (await http.get("/metrics")).text:
                await intake.service.clock.sleep(0.1)
    [source] = (await intake.get("/v1/sources"))["items"]
    assert (await intake.get("/v1/sources", limit=1))["cursor"] is None
    assert (source["source"], source["silent"]) == ("/pbx", False)
    assert source["last_event_at"] > format_instant(datetime.now(UTC) - timedelta(minutes=1))  # noqa: TID251 - likewise
    assert -181 < source["skew_seconds"] < -170
    assert (await intake.get("/v1/sources", silent=True))["items"] == []


async def test_sources_come_by_the_page(intake: RealIntake):
    events = [news("1", customer_id="K-1") | {"source": name} for name in ("/b", "/c", "/a")]
    assert (await intake.post(batch(*events), BATCH, key="slow-key")).status_code == 202
    async with asyncio.timeout(60):
        while len((await intake.get("/v1/sources"))["items"]) < 3:
            await intake.service.clock.sleep(0.1)
    first = await intake.get("/v1/sources", limit=2)
    rest = await intake.get("/v1/sources", limit=2, cursor=first["cursor"])
    assert [one["source"] for page in (first, rest) for one in page["items"]] == ["/a", "/b", "/c"]
    assert rest["cursor"] is None
    assert (
        await intake.http.get("/v1/sources?cursor=%00", headers={"authorization": "Bearer watch-key"})
    ).status_code == 422


async def test_pauses_are_measured_over_all_replicas(stack: Addresses, unique: Callable[[str], str]):
    client = connect(stack.mongodb)
    clock = ManualClock()
    one, other = (Sources(client[unique("sources")], clock) for _ in range(2))
    other._rows = one._rows
    accepted = _accepted(news("a", customer_id="K-1"))
    for replica, seconds in ((one, 0), (other, 40), (one, 100), (other, 5)):
        clock.advance(seconds)
        replica.note([accepted], clock.now())
        await replica.settle()
    [source] = await one.all()
    assert source.gaps == {clock.now().date().isoformat(): 100.0}
    assert source.last == clock.now()
    client.close()


def _accepted(written: dict[str, Any]) -> Any:
    return Accepted(written["id"], "K-1", json.dumps(written).encode())
