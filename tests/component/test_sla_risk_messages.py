"""Risks told to people, on a real Kafka and MongoDB: grouped, once, durably, and not while they are muted."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rapport.contracts import format_instant
from sla_monitor import risk_waiting
from sla_monitor.domain.grouping import STORM

from tests.support.pagerduty import pagerduty
from tests.support.receivers import Receiver
from tests.support.sla_service import CLOCK, RunningSla, policy, running_sla, until
from tests.support.stack import Addresses

RISK = """
risk:
  low_score: {csat: 2, nps: 6}
  notify: [team, lead]
"""
Start = Callable[..., AbstractAsyncContextManager[RunningSla]]


@pytest.fixture
def start(tmp_path: Path, stack: Addresses, unique: Callable[[str], str], desk: Receiver, lead: Receiver) -> Start:
    name = unique("risks")

    def begin(*, interval: str = "5m", lead_at: str = "", **settings: Any) -> AbstractAsyncContextManager[RunningSla]:
        path = policy(tmp_path, desk.address, lead_at or lead.address, within="2h", wait="1s", interval=interval)
        path.write_text(path.read_text("utf-8") + RISK, "utf-8")
        return running_sla(tmp_path, stack, name, policy=path, **settings)

    return begin


async def displease(sla: RunningSla, *customers: str, survey: str = "csat") -> None:
    now, records = CLOCK.now(), []
    for customer in customers:
        records.append(sla.record("contact.received", f"C-{customer}", at=now, customer_id=customer))
        about: dict[str, Any] = {
            "customer_id": customer,
            "contact_id": f"C-{customer}",
            "survey_id": f"{survey}-{customer}",
        }
        records.append(sla.record("survey.answered", "", at=now, survey=survey, score=1, **about))
    await sla.service.publisher.publish(records)


async def please(sla: RunningSla, *customers: str) -> None:
    for customer in customers:
        about: dict[str, Any] = {"contact_id": f"C-{customer}", "survey_id": f"better-{customer}"}
        await sla.tell("survey.answered", customer_id=customer, survey="csat", score=5, **about)


async def told(sla: RunningSla, customer: str) -> list[list[str]]:
    """Who has heard, of each cause that stands."""
    risks = (await sla.get("/v1/risks", customer_id=customer)).json()["risks"]
    return [sorted(cause["told"]) for one in risks for cause in one["causes"]]


def ends(receiver: Receiver) -> set[str]:
    """Of whom it has heard that they are at risk no longer."""
    over = [one.body for one in receiver.taken if one.body["status"] == "resolved"]
    return {alert["labels"]["customer_id"] for body in over for alert in body["alerts"]}


def texts(receiver: Receiver) -> list[str]:
    return [request.body["text"] for request in receiver.taken]


async def test_what_waits_together_is_one_message_to_each_and_whoever_heard_is_shown(
    start: Start, desk: Receiver, lead: Receiver
):
    async with start(public_url="https://rapport.example") as sla:
        await displease(sla, "K-1", "K-2")

        async def all_told() -> bool:
            return [await told(sla, name) for name in ("K-1", "K-2")] == [[["desk", "lead"]]] * 2

        await until(all_told)
        [message] = desk.taken
        assert message.body["text"] == (
            "2 customers AT RISK · first: AT RISK · K-1 · csat score of 1 · #C-K-1 · owner none · "
            "Open: https://rapport.example/contacts/C-K-1"
        )
        assert [alert["labels"]["customer_id"] for alert in message.body["alerts"]] == ["K-1", "K-2"]
        assert len(lead.taken) == 1
        contact = (await sla.get("/v1/contacts/C-K-1")).json()
        assert [sorted(one["told"]) for one in contact["risks"]] == [["desk", "lead"]]
        assert f"(told: {', '.join(contact['risks'][0]['told'])})" in (await sla.get("/contacts/C-K-1")).text
        rules = (await sla.get("/policy")).text
        assert "<li>CSAT of 2 or less, until a better one</li>" in rules
        assert "Told, once for each: team, lead." in rules


async def test_a_place_that_fails_is_tried_again_under_the_same_name_and_delays_nobody(
    start: Start, desk: Receiver, lead: Receiver
):
    desk.statuses = [503, 503]
    async with start() as sla:
        await displease(sla, "K-1")

        async def lead_alone() -> bool:
            return await told(sla, "K-1") == [["lead"]]

        async def both() -> bool:
            return await told(sla, "K-1") == [["desk", "lead"]]

        await until(lead_alone)
        await until(both)
        assert len(desk.seen) == 3
        assert len({request.headers["webhook-id"] for request in desk.seen}) == 1
        assert len(lead.seen) == 1


async def test_what_was_not_told_before_a_restart_is_told_after_it(start: Start, desk: Receiver, lead: Receiver):
    desk.statuses = lead.statuses = [503] * 1000
    async with start(keep=True) as sla:
        await displease(sla, "K-1")

        async def tried() -> bool:
            return bool(desk.seen and lead.seen)

        await until(tried)
    desk.statuses, lead.statuses = [], []
    async with start() as sla:

        async def both() -> bool:
            return await told(sla, "K-1") == [["desk", "lead"]]

        await until(both)
        assert texts(desk) == texts(lead)


async def test_a_place_that_refuses_for_good_is_not_asked_again(start: Start, desk: Receiver):
    desk.statuses = [400]
    async with start(interval="0s") as sla:
        await displease(sla, "K-1")

        async def lead_heard() -> bool:
            return await told(sla, "K-1") == [["lead"]]

        await until(lead_heard)
        await displease(sla, "K-1", survey="nps")

        async def desk_heard_of_the_next() -> bool:
            return sorted(await told(sla, "K-1")) == [["desk", "lead"], ["lead"]]

        await until(desk_heard_of_the_next)
        assert [line.partition(" · #")[0] for line in texts(desk)] == ["AT RISK · K-1 · nps score of 1"]


async def test_a_silence_keeps_it_back_until_it_ends_and_nobody_else(
    start: Start, desk: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(risk_waiting, "_AT_ONCE", 1)
    async with start(interval="0s") as sla:
        ends = format_instant(CLOCK.now() + timedelta(hours=1))
        match = {"customer_id": ["K-1"]}
        made = await sla.post("/v1/silences", {"match": match, "ends_at": ends, "comment": "we are on it"})
        assert made.status_code == 201, made.text
        await displease(sla, "K-1", "K-2")

        async def other_told() -> bool:
            return await told(sla, "K-2") == [["desk", "lead"]]

        await until(other_told)
        assert await told(sla, "K-1") == [[]]
        assert len(desk.taken) == 1
        await sla.http.delete(f"/v1/silences/{made.json()['id']}", headers={"authorization": "Bearer ada-key"})

        async def told_at_last() -> bool:
            return await told(sla, "K-1") == [["desk", "lead"]]

        await until(told_at_last)
        assert [line.partition(" · ")[2].partition(" · ")[0] for line in texts(desk)] == ["K-2", "K-1"]


async def test_the_end_is_told_once_after_a_restart_too_and_the_incident_of_many_ends_with_the_last_of_them(
    start: Start, desk: Receiver
):
    many = [f"K-{number}" for number in range(STORM)]
    with pagerduty() as pager:
        async with start(lead_at=pager.address, interval="0s", keep=True) as sla:
            await displease(sla, *many)

            async def all_told() -> bool:
                return [await told(sla, name) for name in many] == [[["desk", "lead"]]] * STORM

            await until(all_told)
            [storm] = pager.opened
        async with start(lead_at=pager.address, interval="0s", keep=True) as sla:
            await please(sla, *many[1:])

            async def some_over() -> bool:
                return ends(desk) == set(many[1:])

            await until(some_over)
            assert storm.status == "triggered"
            await please(sla, many[0])

            async def resolved() -> bool:
                """And that is recorded: a sender that stops before would tell it again."""
                left = await sla.service.database["risks"].find_one({"ends_at": {"$exists": True}})
                return storm.status == "resolved" and ends(desk) == set(many) and left is None

            await until(resolved)
        async with start(lead_at=pager.address, interval="0s") as sla:
            await displease(sla, "K-99")

            async def next_one() -> bool:
                return await told(sla, "K-99") == [["desk", "lead"]]

            await until(next_one)
    assert sum(len(one.body["alerts"]) for one in desk.taken if one.body["status"] == "resolved") == STORM
    assert [event["event_action"] for event in pager.events] == ["trigger", "resolve", "trigger"]


async def test_an_end_that_a_silence_mutes_is_told_when_the_silence_is_over(start: Start, desk: Receiver):
    async with start(interval="0s") as sla:
        await displease(sla, "K-1", "K-2")

        async def both_told() -> bool:
            return [await told(sla, name) for name in ("K-1", "K-2")] == [[["desk", "lead"]]] * 2

        await until(both_told)
        match = {"customer_id": ["K-1"], "group": ["risk"]}
        until_later = format_instant(CLOCK.now() + timedelta(hours=1))
        made = await sla.post("/v1/silences", {"match": match, "ends_at": until_later, "comment": "not now"})
        await please(sla, "K-1", "K-2")

        async def other_over() -> bool:
            return ends(desk) == {"K-2"}

        await until(other_over)
        await sla.http.delete(f"/v1/silences/{made.json()['id']}", headers={"authorization": "Bearer ada-key"})

        async def both_over() -> bool:
            return ends(desk) == {"K-1", "K-2"}

        await until(both_over)
        assert texts(desk)[-1].startswith("RISK OVER · K-1 · csat score of 1")
