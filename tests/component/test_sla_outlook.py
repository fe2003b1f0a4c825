"""The outlook of a running service: what will be missed, and with whom a conflict is near."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rapport.contracts import format_instant

from tests.support.sla_service import CLOCK, RunningSla, policy, running_sla, until
from tests.support.stack import Addresses

RISK = """
risk:
  repeat_contacts: {count: 2, within: 7d, same: topic}
  breaches: {count: 2, within: 30d}
  low_score: {csat: 2}
"""


@pytest.fixture
async def sla(tmp_path: Path, stack: Addresses, unique: Callable[[str], str]) -> AsyncIterator[RunningSla]:
    path = policy(tmp_path, "webhook:http://127.0.0.1:9/", "webhook:http://127.0.0.1:9/", within="2h")
    path.write_text(path.read_text("utf-8") + RISK, "utf-8")
    async with running_sla(tmp_path, stack, unique("outlook"), policy=path) as running:
        yield running


async def test_a_customer_at_risk_is_told_of_once_with_the_reasons_and_listed(sla: RunningSla):
    for number in (1, 2, 3):
        await sla.tell("contact.received", f"C-{number}", ago=60 - number, topic="billing")
    await sla.tell("survey.answered", survey_id="s-1", survey="csat", score=1, customer_id="K-2")

    async def listed() -> dict[str, Any] | None:
        found = (await sla.get("/v1/risks")).json()["risks"]
        return {one["customer_id"]: one["causes"] for one in found} if len(found) == 2 else None

    risks = await until(listed)
    assert risks
    assert [cause["cause"] for cause in risks["K-1"]] == ["repeat_contacts"]
    assert risks["K-1"][0]["reasons"] == ["2 contacts about the same topic (billing) within 7 days: C-1, C-2"]
    assert [cause["cause"] for cause in risks["K-2"]] == ["low_score"]

    async def told() -> list[dict[str, Any]]:
        events = await sla.told("risk.raised")
        return events if len(events) >= 2 else []

    events = await until(told)
    assert sorted((event["data"]["customer_id"], event["data"]["cause"]) for event in events) == [
        ("K-1", "repeat_contacts"),
        ("K-2", "low_score"),
    ]
    one = (await sla.get("/v1/risks", customer_id="K-2", limit="1")).json()
    assert ([risk["customer_id"] for risk in one["risks"]], one["cursor"]) == (["K-2"], None)
    first = (await sla.get("/v1/risks", limit="1")).json()
    second = (await sla.get("/v1/risks", limit="1", cursor=first["cursor"])).json()
    assert [risk["customer_id"] for page in (first, second) for risk in page["risks"]] == ["K-1", "K-2"]
    assert second["cursor"] is None
    assert (await sla.get("/v1/risks", "mail-key")).json()["risks"] == []
    await sla.tell("contact.received", "C-4", customer_id="K-2", team="mail", subject="Again")

    async def seen() -> list[str]:
        return [one["customer_id"] for one in (await sla.get("/v1/risks", "mail-key")).json()["risks"]]

    assert await until(seen) == ["K-2"]
    contact = (await sla.get("/v1/contacts/C-4", "mail-key")).json()
    assert [(one["cause"], one["reasons"]) for one in contact["risks"]] == [("low_score", ["csat score of 1"])]
    assert "csat score of 1" in (await sla.get("/contacts/C-4", "mail-key")).text
    board = (await sla.get("/", status="risk")).text
    assert set(re.findall('data-key="([^"]+)"', board)) == {"C-1", "C-2", "C-3", "C-4"}
    assert 'Customer at risk: <span dir="auto">csat score of 1' in board
    own = (await sla.get("/", "mail-key", status="risk")).text
    assert re.findall('data-key="([^"]+)"', own) == ["C-4"]


async def test_the_forecast_says_what_will_be_missed_by_team_and_owner(sla: RunningSla):
    await sla.tell("contact.received", "C-1", agent_id="ada")
    await sla.tell("contact.received", "C-2", customer_id="K-2", team="mail")
    await sla.tell("contact.received", "C-3", customer_id="K-3")
    await sla.tell("contact.responded", "C-3", customer_id="K-3")

    async def forecast(hours: float) -> dict[str, Any]:
        at = CLOCK.now() + timedelta(hours=hours)
        answer = await sla.get("/v1/forecast", until=format_instant(at))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def all_known() -> bool:
        """The first answers that two still owe, and three resolutions."""
        return bool((await forecast(9))["breaches"] == 5)

    await until(all_known)
    found = await forecast(3)
    assert found["breaches"] == 2
    assert {(team["team"], team["breaches"]) for team in found["teams"]} == {("billing", 1), ("mail", 1)}
    assert found["teams"][0]["owners"] == [{"owner": "ada", "breaches": 1}]
    assert [one["target"] for one in found["first"]] == ["first_response"] * 2
    assert (await forecast(1))["breaches"] == 0
    past = format_instant(CLOCK.now() - timedelta(hours=1))
    assert (await sla.get("/v1/forecast", until=past)).status_code == 422
