"""The auditor on a real Kafka and MongoDB: what is wrong with alerting itself is told to whoever can hear it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sla_monitor.domain.watch import WatchDomain
from sla_monitor.risk_teller import RiskTeller

from tests.support.receivers import Receiver
from tests.support.sla_service import RunningSla, policy, running_sla, until
from tests.support.stack import Addresses

ALERT = "C-1/first_response/1"
Start = Callable[..., AbstractAsyncContextManager[RunningSla]]


@pytest.fixture
def start(tmp_path: Path, stack: Addresses, unique: Callable[[str], str], desk: Receiver, lead: Receiver) -> Start:
    """sla-monitor with a policy of seconds, whose auditor looks often; `change` replaces parts of the policy's text."""

    def begin(*, change: tuple[str, str] = ("", ""), **settings: Any) -> AbstractAsyncContextManager[RunningSla]:
        path = policy(tmp_path, desk.address, lead.address, interval="1s")
        path.write_text(path.read_text("utf-8").replace(*change), "utf-8")
        return running_sla(
            tmp_path, stack, unique("auditor"), policy=path, audit_every=timedelta(seconds=0.5), **settings
        )

    return begin


async def soon(said: Callable[[], Any]) -> None:
    async def look() -> bool:
        return bool(said())

    await until(look)


@pytest.fixture
async def watched(start: Start, desk: Receiver) -> AsyncIterator[RunningSla]:
    """The desk fails for long, and the auditor looks often."""
    desk.statuses = [503] * 400
    async with start() as running:
        yield running


async def test_the_auditor_tells_others_of_a_receiver_that_fails_and_when_it_is_over(
    watched: RunningSla, desk: Receiver, lead: Receiver
):
    await watched.tell("contact.received")
    await soon(lambda: lead.taken)
    told = lead.taken[0].body
    assert (told["status"], told["groupLabels"]) == ("firing", {"alertname": "rapport_receiver_failing"})
    assert "desk has not taken" in told["text"]

    async def listed() -> Any:
        return [one for one in (await watched.get("/v1/trouble")).json()["trouble"] if one["told"]]

    [trouble] = await until(listed)
    assert (trouble["cause"], trouble["receiver"], trouble["told"]) == ("receiver_failing", "desk", ["lead"])
    desk.statuses = []
    await soon(lambda: any(one.body["status"] == "resolved" for one in lead.taken))
    assert [one.body["status"] for one in lead.taken] == ["firing", "resolved"]


async def test_who_can_not_be_told_that_a_trouble_is_over_is_told_so_once_they_can(
    watched: RunningSla, desk: Receiver, lead: Receiver
):
    await watched.tell("contact.received")
    await soon(lambda: lead.taken)
    lead.statuses, desk.statuses = [503, 503], []
    await soon(lambda: len(lead.taken) > 1)
    assert [one.body["status"] for one in lead.seen] == ["firing", "resolved", "resolved", "resolved"]
    assert len({one.headers["webhook-id"] for one in lead.seen[1:]}) == 1
    assert (await watched.get("/v1/trouble")).json()["trouble"] == []


async def test_alertmanager_is_told_again_of_a_trouble_that_lasts(start: Start, desk: Receiver, lead: Receiver):
    desk.statuses = [503] * 400
    kept_by = (lead.address, lead.address.replace("webhook:", "alertmanager:"))
    async with start(change=kept_by, tell_again_every=timedelta(seconds=0.5)) as sla:
        await sla.tell("contact.received")
        await soon(lambda: len(lead.taken) > 2)
        told = [json.loads(one.content) for one in lead.taken]
        assert {one["labels"]["alertname"] for [one] in told} == {"rapport_receiver_failing"}
        ends = [one["endsAt"] for [one] in told]
        assert ends == sorted(set(ends))


@pytest.mark.parametrize("last", ["{after: 0s, notify: [owner]}", "{after: 0s, notify: [owner], repeat: 1h}"])
async def test_the_auditor_says_when_nobody_could_be_reached(start: Start, lead: Receiver, last: str):
    quick = timedelta(seconds=0.5)
    only = (
        "climb: [{after: 0s, notify: [team]}, {after: 1h, notify: [lead]}]",
        f"climb: [{last}]\nauditor: [lead]",
    )
    async with start(change=only, overdue_after=quick) as sla:
        await sla.tell("contact.received")
        says = f"nobody could be reached about 1 alerts: {ALERT}"
        await soon(lambda: any(says in one.body["text"] for one in lead.taken))


async def test_the_auditor_says_of_whom_nothing_is_known_that_they_are_to_be_told(start: Start, lead: Receiver):
    loose = (
        "climb: [{after: 0s, notify: [team]}, {after: 1h, notify: [lead]}]\nreceivers:\n",
        "climb: [{after: 0s, notify: [pager-9]}]\nauditor: [lead]\nreceivers:\n  night: {url: x, calendar: moon}\n",
    )
    async with start(change=loose) as sla:
        await soon(lambda: len(lead.taken) == 2)
        found = (await sla.get("/v1/trouble")).json()["trouble"]
        assert {(one["cause"], one["receiver"]) for one in found} == {
            ("receiver_missing", "pager-9"),
            ("receiver_missing", "night"),
        }
        assert "pager-9 can't be reached: there is no receiver or person called 'pager-9'" in {
            one["says"].partition(";")[0] for one in found
        }


async def test_the_auditor_sees_a_wake_up_that_always_fails(
    start: Start, lead: Receiver, monkeypatch: pytest.MonkeyPatch
):
    def never(*_: Any) -> Any:
        raise RuntimeError("this contact is beyond us")

    monkeypatch.setattr(WatchDomain, "on_clock", never)
    quick = timedelta(seconds=0.5)
    async with start(overdue_after=quick) as sla:
        await sla.tell("contact.received")
        await soon(lambda: lead.taken)
        assert "1 contacts have deadlines or steps that are overdue" in lead.taken[0].body["text"]


async def test_the_auditor_sees_that_nobody_is_told_of_a_customer_at_risk(
    start: Start, lead: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(RiskTeller, "run", lambda _: asyncio.Event().wait())
    risky = ("grouping:", "auditor: [lead]\nrisk: {low_score: {csat: 2}, notify: [team]}\ngrouping:")
    async with start(change=risky, overdue_after=timedelta(seconds=0.5)) as sla:
        await sla.tell("contact.received", "C-9", customer_id="K-9")
        await sla.tell("survey.answered", customer_id="K-9", contact_id="C-9", survey_id="s", survey="csat", score=1)
        await soon(lambda: any("1 messages wait that should have been sent" in one.body["text"] for one in lead.taken))
