"""sla-monitor on a real Kafka and MongoDB: from a customer's message to the person who is told."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rapport.runtime.alarms import asleep_since
from rapport.runtime.settings import Misconfigured
from sla_monitor.domain.states import ContactState
from sla_monitor.policies import Policies

from tests.support.receivers import Receiver
from tests.support.sla_service import CLOCK, RunningSla, policy, running_sla, until
from tests.support.stack import Addresses

ALERT = "C-1/first_response/1"


@pytest.fixture
async def sla(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str], desk: Receiver, lead: Receiver
) -> AsyncIterator[RunningSla]:
    """Answers are due within a second; the desk is rung at once, the lead much later."""
    path = policy(tmp_path, desk.address, lead.address, climb="1h")
    async with running_sla(tmp_path, stack, unique("sla"), policy=path) as running:
        yield running


def names(message: Any) -> set[str]:
    return {alert["labels"]["contact_id"] for alert in message.body["alerts"]}


async def messages(to: Receiver, count: int, *, seconds: float = 90) -> list[Any]:
    async def look() -> bool:
        return len(to.taken) >= count

    await until(look, seconds=seconds)
    return to.taken


async def test_an_unanswered_message_becomes_one_breach_one_alert_and_one_message(sla: RunningSla, desk: Receiver):
    for contact in ("C-1", "C-2", "C-3"):
        await sla.tell("contact.received", contact, customer_id=f"K-{contact}", subject=f"Where is {contact}?")
    alert = await sla.alert(ALERT, "breached")
    assert (alert["target"], alert["cycle"], alert["policy"], alert["team"]) == (
        "first_response",
        1,
        "quick",
        "billing",
    )
    [message, *_] = await messages(desk, 1)
    assert names(message) == {"C-1", "C-2", "C-3"}
    assert message.body["version"] == "4"
    assert message.body["status"] == "firing"
    assert message.body["count"] == 3
    assert len(desk.taken) == 1

    async def breaches() -> list[dict[str, Any]]:
        return await sla.told("sla.breached")

    [breach] = [event for event in await until(breaches) if event["data"]["contact_id"] == "C-1"]
    due_at = datetime.fromisoformat(alert["due_at"])
    assert datetime.fromisoformat(breach["time"]) == due_at == datetime.fromisoformat(breach["data"]["due_at"])

    async def told() -> bool:
        return len(await sla.told("alert.notified")) == 3

    await until(told)


async def test_the_figures_and_the_contact_say_the_same(sla: RunningSla):
    await sla.tell("contact.received", agent_id=None)
    await sla.alert(ALERT, "breached")
    board = (await sla.get("/v1/board")).json()
    assert (board["breached_waiting"], board["unacknowledged"], board["unowned"]) == (1, 1, 1)
    contact = (await sla.get("/v1/contacts/C-1")).json()
    first = next(one for one in contact["targets"] if one["target"] == "first_response")
    assert (first["status"], first["open"]) == ("breached", True)
    assert sum(piece["counted_seconds"] for piece in first["explain"]) == pytest.approx(first["open_seconds"])
    assert [line["event"] for line in contact["history"]][:2] == ["contact.received", "sla.breached"]
    listed = (await sla.get("/v1/contacts", status="open", team="billing")).json()
    assert [one["contact_id"] for one in listed["contacts"]] == ["C-1"]

    async def read() -> bool:
        return bool((await sla.get("/v1/board")).json()["lag_seconds"] == 0)

    await until(read)


async def test_who_acknowledges_stops_the_climb(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str], desk: Receiver, lead: Receiver
):
    path = policy(tmp_path, desk.address, lead.address, climb="6s")
    async with running_sla(tmp_path, stack, unique("sla"), policy=path) as sla:
        await sla.tell("contact.received", "C-1")
        await sla.tell("contact.received", "C-2", customer_id="K-2")
        await sla.alert(ALERT, "breached")
        taken = await sla.post(f"/v1/alerts/{ALERT}/acknowledge")
        assert (taken.json()["state"], taken.json()["by"]) == ("acknowledged", "ada")
        [message] = await messages(lead, 1)
        assert names(message) == {"C-2"}

        async def told() -> list[dict[str, Any]]:
            return await sla.told("alert.acknowledged")

        [event] = await until(told)
        assert (event["data"]["alert_id"], event["data"]["by"]) == (ALERT, "ada")


async def test_what_comes_late_about_a_customer_corrects_the_verdict_on_a_contact_that_is_closed(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str], desk: Receiver, lead: Receiver
):
    path = policy(tmp_path, desk.address, lead.address)
    path.write_text(path.read_text("utf-8").replace("match: {priority: low}", "match: {tier: gold}"), "utf-8")
    async with running_sla(tmp_path, stack, unique("sla"), policy=path) as sla:
        await sla.tell("contact.received", ago=30)
        await sla.tell("contact.responded", ago=20)
        await sla.tell("contact.resolved", ago=10, outcome="solved")

        async def closed() -> bool:
            return bool((await sla.get("/v1/contacts", status="resolved")).json()["contacts"])

        await until(closed)
        await sla.tell("customer.tier_changed", ago=40, tier="gold")

        async def corrected() -> list[dict[str, Any]]:
            return await sla.told("sla.corrected")

        told = {one["data"]["target"]: one["data"] for one in await until(corrected)}
        assert (told["first_response"]["announced"], told["first_response"]["verdict"]) == ("breached", "met")


async def test_of_two_who_take_an_alert_at_once_one_has_it_and_both_see_whose_it_is(sla: RunningSla):
    await sla.tell("contact.received")
    await sla.alert(ALERT, "breached")
    path = f"/v1/alerts/{ALERT}/acknowledge"
    answers = await asyncio.gather(*(sla.post(path, key=key) for key in ("ada-key", "bob-key") * 3))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["by"] for answer in answers}) == 1

    async def told() -> list[dict[str, Any]]:
        return await sla.told("alert.acknowledged")

    [event] = await until(told)
    assert event["data"]["by"] == answers[0].json()["by"]


async def test_an_answer_clears_the_alert_and_tells_who_was_rung(sla: RunningSla, desk: Receiver):
    await sla.tell("contact.received")
    await sla.alert(ALERT, "breached")
    await messages(desk, 1)
    await sla.tell("contact.responded", agent_id="agent-7")
    await sla.alert(ALERT, "cleared")
    [_, cleared] = await messages(desk, 2)
    assert cleared.body["status"] == "resolved"
    assert cleared.body["alerts"][0]["fingerprint"] == desk.taken[0].body["alerts"][0]["fingerprint"]


async def test_a_receiver_that_fails_and_recovers_gets_the_message_once(sla: RunningSla, desk: Receiver):
    desk.statuses = [500, 503, 429]
    await sla.tell("contact.received")
    [message] = await messages(desk, 1)
    assert len(desk.seen) == 4
    assert len({request.headers["webhook-id"] for request in desk.seen}) == 1
    assert names(message) == {"C-1"}

    async def recovered() -> bool:
        rows = (await sla.get("/v1/receivers")).json()["receivers"]
        [row] = [row for row in rows if row["name"] == "desk"]
        return bool(row["last_success"]) and not row["failing"] and row["last_error"]["error"] == "HTTP 429"

    await until(recovered)


async def test_a_receiver_that_hangs_delays_nobody_else(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str], desk: Receiver, lead: Receiver
):
    desk.held = threading.Event()
    path = policy(tmp_path, desk.address, lead.address, climb="0s", interval="0.1s")
    async with running_sla(tmp_path, stack, unique("sla"), policy=path, send_timeout=30) as sla:
        await sla.tell("contact.received", "C-1")

        async def hangs() -> bool:
            return len(desk.seen) == 1

        await until(hangs)
        await sla.tell("contact.received", "C-2", customer_id="K-2")
        told = await messages(lead, 2)
        assert [names(message) for message in told] == [{"C-1"}, {"C-2"}]
        assert not desk.taken
        desk.held.set()


async def test_a_receiver_that_refuses_for_good_is_escalated_past(sla: RunningSla, desk: Receiver, lead: Receiver):
    desk.statuses = [400]
    await sla.tell("contact.received")
    [message] = await messages(lead, 1)
    assert names(message) == {"C-1"}
    assert len(desk.seen) == 1


async def test_a_message_that_a_stop_interrupted_is_sent_again_under_the_same_name(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str], desk: Receiver, lead: Receiver
):
    desk.held = threading.Event()
    name, path = unique("sla"), policy(tmp_path, desk.address, lead.address)

    async def asked() -> bool:
        return bool(desk.seen)

    async with running_sla(tmp_path, stack, name, keep=True, policy=path, send_timeout=60) as sla:
        await sla.tell("contact.received")
        await until(asked)
    interrupted = desk.seen[0]
    desk.held.set()
    desk.taken.clear()
    async with running_sla(tmp_path, stack, name, policy=path):
        [message] = await messages(desk, 1)
        assert message.headers["webhook-id"] == interrupted.headers["webhook-id"]


async def test_a_storm_is_one_message_with_its_count_its_worst_and_its_oldest(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str], desk: Receiver
):
    path = policy(tmp_path, desk.address, desk.address, within="4s", wait="4s")
    async with running_sla(tmp_path, stack, unique("sla"), policy=path) as sla:
        wrote = CLOCK.now()
        storm = [
            sla.record("contact.received", f"C-{number}", at=wrote, customer_id=f"K-{number}") for number in range(250)
        ]
        await sla.service.publisher.publish(storm)
        [message] = await messages(desk, 1)
        assert message.body["count"] == 250
        assert message.body["truncatedAlerts"] == 150
        assert message.body["worst"] == "C-0/first_response/1"
        assert message.body["text"].startswith("250 BREACHED · billing/quick · oldest waits")

        async def told() -> bool:
            return len(await sla.told("alert.notified")) == 250

        await until(told)
        assert len(desk.seen) == 1


async def test_keys_of_a_team_see_and_touch_only_its_alerts(sla: RunningSla):
    await sla.tell("contact.received", "C-1")
    await sla.tell("contact.received", "C-2", customer_id="K-2", team="mail")
    await sla.alert(ALERT, "breached")
    await sla.alert("C-2/first_response/1", "breached")
    seen = (await sla.get("/v1/alerts", key="mail-key")).json()["alerts"]
    assert [alert["contact_id"] for alert in seen] == ["C-2"]
    assert (await sla.get("/v1/board", key="mail-key")).json()["breached_waiting"] == 1
    assert (await sla.get("/v1/contacts/C-1", key="mail-key")).status_code == 404
    assert (await sla.get("/v1/alerts", key="mail-key", team="billing")).status_code == 403
    assert (await sla.post(f"/v1/alerts/{ALERT}/acknowledge", key="mail-key")).status_code == 404
    assert (await sla.post(f"/v1/alerts/{ALERT}/acknowledge", key="watch-key")).status_code == 403


async def test_many_alerts_are_acted_on_at_once_and_each_answers_for_itself(sla: RunningSla):
    contacts = [f"a/b-{n}" for n in range(5)]
    for contact in contacts:
        await sla.tell("contact.received", contact, customer_id=contact)
    ids = [f"{contact}/first_response/1" for contact in contacts]
    for name in ids:
        await sla.alert(name, "breached")
    answer = (await sla.post("/v1/alerts/bulk", {"ids": [ids[0], "gone/first_response/1"], "action": "close"})).json()
    assert [result["status"] for result in answer["results"]] == ["refused", "refused"]
    answer = (await sla.post("/v1/alerts/bulk", {"filter": {"team": "billing"}, "action": "acknowledge"})).json()
    assert (answer["done"], answer["remaining"]) == (5, 0)
    for status in ("acknowledged", ["acknowledged", "breached"]):
        some = {"filter": {"status": status}, "action": "assign", "to": f"agent-{len(status)}"}
        assert (await sla.post("/v1/alerts/bulk", some)).json()["done"] == 5
    again = (await sla.post("/v1/alerts/bulk", {"filter": {"team": "billing"}, "action": "acknowledge"})).json()
    assert (again["done"], again["results"]) == (0, []), "it is done already"
    first = (await sla.get("/v1/alerts", limit=2, sort="due_at")).json()
    rest = (await sla.get("/v1/alerts", limit=9, sort="due_at", cursor=first["cursor"])).json()
    assert sorted(alert["id"] for alert in first["alerts"] + rest["alerts"]) == sorted(ids)
    assert rest["cursor"] is None
    assert (await sla.post(f"/v1/alerts/{ids[0]}/close", {})).status_code == 422
    assert (await sla.post(f"/v1/alerts/{ids[0]}/close", {"reason": "a test"})).json()["state"] == "closed"
    assert (await sla.post(f"/v1/alerts/{ids[1]}/assign", {"to": "agent-9"})).json()["owner"] == "agent-9"
    assert (await sla.post(f"/v1/alerts/{ids[1]}/snooze", {"until": "2020-01-01T00:00:00Z"})).status_code == 422


async def test_a_quote_says_what_the_contact_then_gets(sla: RunningSla):
    asked = {"channel": "email", "priority": "low", "at": "2026-03-02T09:00:00Z"}
    quoted = (await sla.post("/v1/quote", asked, key="emit-key")).json()
    assert quoted["policy"] == "slow"
    assert quoted["deadlines"] == [{"target": "first_response", "due_at": "2026-03-02T13:00:00Z"}]
    wrong = await sla.post("/v1/quote", {"channel": "pigeon"})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["pointer"] == "/channel"


async def test_a_receiver_can_be_tested(sla: RunningSla, desk: Receiver):
    assert (await sla.post("/v1/receivers/desk/test")).json()["ok"] is True
    body = desk.taken[0].body
    assert "Test message" in body["text"]
    assert (body["version"], body["status"], body["groupKey"]) == ("4", "firing", "test/desk")
    assert (body["commonLabels"]["alertname"], len(body["alerts"])) == ("rapport_test", 1)
    desk.statuses = [400]
    answer = (await sla.post("/v1/receivers/desk/test")).json()
    assert (answer["ok"], answer["results"][0]["detail"]) == (False, "HTTP 400")
    assert (await sla.get("/v1/board")).json()["receivers_failing"] == 1
    assert (await sla.post("/v1/receivers/nobody/test")).status_code == 404


async def test_history_that_comes_late_is_counted_and_never_rings(sla: RunningSla, desk: Receiver):
    await sla.tell("contact.received", "C-9", ago=3 * 24 * 3600, backfill=True)

    async def counted() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = (await sla.get("/v1/backfills")).json()["backfills"]
        return rows

    [row] = await until(counted, seconds=120)
    assert row["source"] == "/crm"
    assert row["breached"] >= 1
    assert not desk.seen


async def test_what_history_brought_is_listed_by_pages_the_newest_first(sla: RunningSla):
    hours = [datetime(2026, 3, 2, hour, tzinfo=UTC) for hour in (9, 10)]
    rows = [{"p": 0, "source": source, "hour": hour, "breached": 2} for hour in hours for source in ("/b", "/a")]
    await sla.service.database["backfills"].insert_many([*rows, {**rows[0], "p": 1, "_id": "another partition"}])
    listed: list[tuple[str, str, int]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await sla.get("/v1/backfills", limit=3, cursor=cursor)).json()
        listed += [(row["hour"][11:13], row["source"], row["breached"]) for row in page["backfills"]]
        cursor = page["cursor"]
    assert listed == [("10", "/a", 2), ("10", "/b", 2), ("09", "/a", 2), ("09", "/b", 4)]
    assert (await sla.get("/v1/backfills", cursor="yesterday /a")).status_code == 422


async def test_a_wrong_policy_is_told_before_anything_else_is_waited_for(tmp_path: Path):
    wrong = tmp_path / "policy.yaml"
    wrong.write_text("policies: [{name: a, calendar: nowhere}]", "utf-8")
    nothing_yet: Any = {"policies": None, "closures": None}
    with pytest.raises(Misconfigured, match="there is no calendar called 'nowhere'"):
        Policies(nothing_yet, nothing_yet, CLOCK, wrong)


async def test_whether_anybody_was_woken_too_late_is_asked_of_an_index_however_many_contacts_there_are(sla: RunningSla):
    late = sla.service.database[ContactState.collection].find(asleep_since(CLOCK.now()))
    plan = (await late.explain())["queryPlanner"]["winningPlan"]
    assert "'indexName': 'alarms'" in str(plan)
