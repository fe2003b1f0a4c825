"""Alerts on a real Kafka and MongoDB: taken anywhere, silenced, told again, and watched over."""

import json
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rapport.runtime.retention import Over, forget
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.states import AlertState
from sla_monitor.store import Queries

from tests.support.pagerduty import SECRET, PagerDuty, webhook
from tests.support.receivers import Receiver, answering
from tests.support.sla_service import CLOCK, RunningSla, policy, running_sla, until
from tests.support.stack import Addresses

ALERT = "C-1/first_response/1"
Start = Callable[..., AbstractAsyncContextManager[RunningSla]]


@pytest.fixture
def start(tmp_path: Path, stack: Addresses, unique: Callable[[str], str], desk: Receiver, lead: Receiver) -> Start:
    """sla-monitor with a policy of seconds; `change` replaces parts of the policy's text."""

    def begin(
        *, to: str = "", climb: str = "1h", change: tuple[str, str] = ("", ""), **settings: Any
    ) -> AbstractAsyncContextManager[RunningSla]:
        path = policy(tmp_path, to or desk.address, lead.address, climb=climb, interval="1s")
        path.write_text(path.read_text("utf-8").replace(*change), "utf-8")
        return running_sla(tmp_path, stack, unique("alerting"), policy=path, **settings)

    return begin


async def soon(said: Callable[[], Any]) -> None:
    async def look() -> bool:
        return bool(said())

    await until(look)


async def told_back(sla: RunningSla, kind: str, key: str = ALERT) -> int:
    content, headers = webhook(kind, key)
    return (await sla.http.post("/v1/hooks/pagerduty", content=content, headers=headers)).status_code


async def test_an_acknowledgement_and_a_close_go_to_pagerduty_and_come_back_from_it(start: Start, pager: PagerDuty):
    async with start(to=pager.address, pagerduty_secret=SECRET) as sla:
        await sla.tell("contact.received", subject="Invoice wrong")
        await soon(lambda: pager.opened)
        [incident] = pager.opened
        assert incident.key == ALERT
        await sla.post(f"/v1/alerts/{ALERT}/acknowledge")
        await soon(lambda: incident.status == "acknowledged")
        await sla.post(f"/v1/alerts/{ALERT}/close", {"reason": "called them"})
        await soon(lambda: incident.status == "resolved")

        await sla.tell("contact.received", "C-2", customer_id="K-2")
        other = "C-2/first_response/1"
        await soon(lambda: pager.open(other))
        assert await told_back(sla, "incident.acknowledged", other) == 200
        taken = await sla.alert(other, "acknowledged")
        assert taken["by"] == "Ada Lovelace (PagerDuty)"
        assert await told_back(sla, "incident.acknowledged", other) == 200
        assert await told_back(sla, "incident.resolved", other) == 200
        closed = await sla.alert(other, "closed")
        assert closed["reason"] == "resolved in PagerDuty"
        assert pager.refused == []

        content, headers = webhook("incident.acknowledged", ALERT)
        forged = await sla.http.post("/v1/hooks/pagerduty", content=content + b" ", headers=headers)
        assert forged.status_code == 401
        assert await told_back(sla, "pagey.ping", "") == 200


async def test_an_incident_of_a_warning_alone_ends_with_the_answer(start: Start, pager: PagerDuty):
    people = f'people: {{ada: {{name: Ada, url: "{pager.address}"}}}}\nteams:'
    async with start(change=("teams:", people)) as sla:
        await sla.tell("contact.received", ago=3 * 3600 - 2, priority="low", agent_id="ada")
        await soon(lambda: pager.opened)
        [incident] = pager.opened
        assert (incident.key, (await sla.alert(ALERT, "warned"))["paged"]) == (ALERT, False)
        await sla.tell("contact.responded", agent_id="ada")
        await soon(lambda: incident.status == "resolved")


async def test_who_was_told_long_ago_hears_that_it_is_over_and_only_then_is_it_forgotten(start: Start, desk: Receiver):
    async with start() as sla:
        await sla.tell("contact.received")
        await soon(lambda: desk.taken)
        store = sla.service.store(AlertState, NotificationState)
        done = {"status": {"$in": ["sent", "failed", "dropped"]}}
        old = Over(NotificationState, done, "due", timedelta(days=365), Queries(store).messages_still_needed)
        next_year = CLOCK.now() + timedelta(days=400)
        assert await forget(store, old, next_year) == 0
        await sla.tell("contact.responded")
        await soon(lambda: desk.taken[-1].body["status"] == "resolved")
        forgotten: list[int] = []

        async def told() -> bool:
            forgotten.append(await forget(store, old, next_year))  # both at once, or one before the other is recorded
            return sum(forgotten) >= 2

        assert await until(told)
        assert sum(forgotten) == 2


async def test_who_may_have_been_told_hears_that_it_is_over(start: Start, desk: Receiver):
    """The message arrived, its answer did not, and by the time it could be sent again nobody waited any more."""
    desk.held = threading.Event()
    async with start(send_timeout=0.3) as sla:
        await sla.tell("contact.received")
        await soon(lambda: desk.seen)
        await sla.tell("contact.responded")
        await sla.alert(ALERT, "cleared")
        desk.held.set()
        desk.held = None
        await soon(lambda: desk.seen[-1].body["status"] == "resolved")


async def test_a_link_shows_to_whoever_looks_and_acts_only_when_asked_to(start: Start, desk: Receiver):
    async with start(public_url="https://sla.example") as sla:
        await sla.tell("contact.received", subject="Where is it?")
        await soon(lambda: desk.taken)
        link = desk.taken[0].body["commonAnnotations"]["acknowledge_url"]
        assert f"Acknowledge: {link}" in desk.taken[0].body["text"]
        path = link.removeprefix("https://sla.example")
        page = await sla.http.get(path, headers={"accept": "text/html"})
        assert (page.status_code, "Where is it?" in page.text) == (200, True)
        shown = (await sla.http.get(path)).json()
        [one] = shown["alerts"]
        assert (shown["receiver"], one["id"], one["state"]) == ("desk", ALERT, "breached")
        assert one["explain"][0]["why"] == "open"
        assert one["promised"] in page.text
        assert one["to_do"] in page.text
        assert one["to_do"] == desk.taken[0].body["alerts"][0]["annotations"]["to_do"]
        done = await sla.http.post(path, data={"action": "acknowledge", "id": ALERT}, headers={"accept": "text/html"})
        assert done.status_code == 303
        taken = await sla.alert(ALERT, "acknowledged")
        assert taken["by"] == "desk (link)"
        other = await sla.http.post(path, json={"action": "close", "id": "C-9/first_response/1", "reason": "x"})
        assert other.status_code == 404
        assert (await sla.http.post(path, json={"action": "close"})).json()["results"][0]["status"] == "refused"
        assert (await sla.http.get(path[:-1] + ("A" if path[-1] != "A" else "B"))).status_code == 404


async def test_a_link_that_comes_too_late_is_gone_whether_one_looks_or_acts(start: Start, desk: Receiver):
    async with start(public_url="https://sla.example", link_lifetime=timedelta(seconds=1)) as sla:
        await sla.tell("contact.received")
        await soon(lambda: desk.taken)
        link = desk.taken[0].body["commonAnnotations"]["acknowledge_url"]
        path, received_at = link.removeprefix("https://sla.example"), CLOCK.now()
        await soon(lambda: CLOCK.now() > received_at + timedelta(seconds=1))
        for answer in (await sla.http.get(path), await sla.http.post(path, json={"action": "acknowledge"})):
            assert (answer.status_code, answer.json()["detail"]) == (410, "the time of this link is over")
        assert (await sla.alert(ALERT, "breached"))["by"] is None


async def test_a_silence_mutes_stops_no_clock_and_is_looked_at_again_when_it_ends(start: Start, desk: Receiver):
    async with start() as sla:
        ends = (CLOCK.now() + timedelta(hours=1)).isoformat()
        endless = {"match": {"team": "billing"}, "comment": "moving"}
        assert (await sla.post("/v1/silences", endless)).status_code == 422
        assert (await sla.post("/v1/silences", {**endless, "ends_at": "9999-12-31T00:00:00Z"})).status_code == 422
        assert (await sla.post("/v1/silences", {**endless, "match": {}, "ends_at": ends})).status_code == 422
        foreign = await sla.post("/v1/silences", {**endless, "ends_at": ends}, key="mail-key")
        assert foreign.status_code == 403
        made = await sla.post("/v1/silences", {**endless, "ends_at": ends})
        assert (made.status_code, made.json()["state"], made.json()["by"]) == (201, "active", "ada")

        await sla.tell("contact.received")
        await sla.tell("contact.received", "C-2", customer_id="K-2", team="mail")
        await soon(lambda: desk.taken)
        assert desk.taken[0].body["alerts"][0]["labels"]["contact_id"] == "C-2"
        await sla.alert(ALERT, "breached")
        assert len(desk.taken) == 1
        ended = await sla.http.delete(f"/v1/silences/{made.json()['id']}", headers={"authorization": "Bearer ada-key"})
        assert ended.json()["state"] == "ended"
        await soon(lambda: len(desk.taken) == 2)
        assert desk.taken[1].body["alerts"][0]["labels"]["contact_id"] == "C-1"
        assert [one["ended_by"] for one in (await sla.get("/v1/silences")).json()["silences"]] == ["ada"]


async def silenced(sla: RunningSla, team: str) -> None:
    ends = (CLOCK.now() + timedelta(hours=1)).isoformat()
    asked = {"match": {"team": team}, "comment": "moving", "ends_at": ends}
    assert (await sla.post("/v1/silences", asked)).status_code == 201


async def held_back(sla: RunningSla) -> bool:
    return "rapport_sla_messages_held 1.0" in (await sla.http.get("/metrics")).text


async def test_what_a_silence_mutes_is_told_once_it_belongs_to_others(start: Start, desk: Receiver):
    async with start() as sla:
        await silenced(sla, "billing")
        await sla.tell("contact.received")
        await until(lambda: held_back(sla))
        await sla.tell("contact.assigned", team="mail")
        await soon(lambda: desk.taken)
        assert desk.taken[0].body["alerts"][0]["labels"]["team"] == "mail"


async def test_what_is_given_to_whom_a_silence_mutes_while_it_waits_for_its_group_is_not_told(
    start: Start, desk: Receiver
):
    async with start(change=("interval: 1s", "interval: 8s")) as sla:
        await silenced(sla, "mail")
        await sla.tell("contact.received")
        await soon(lambda: desk.taken)
        for name in ("C-2", "C-3"):
            await sla.tell("contact.received", name)
            await sla.alert(f"{name}/first_response/1", "breached")
        await until(lambda: waits(sla, 2))
        await sla.tell("contact.assigned", "C-2", team="mail")
        await soon(lambda: len(desk.taken) > 1)
        assert [one["labels"]["contact_id"] for one in desk.taken[1].body["alerts"]] == ["C-3"]
        await until(lambda: held_back(sla))


async def waits(sla: RunningSla, count: int) -> bool:
    return f"rapport_sla_messages_waiting {count}.0" in (await sla.http.get("/metrics")).text


async def test_a_group_that_nobody_takes_is_told_again_and_not_once_somebody_has(start: Start, desk: Receiver):
    async with start(change=("interval: 1s", "interval: 1s, repeat: 2s")) as sla:
        await sla.tell("contact.received")
        await soon(lambda: len(desk.taken) == 3)
        assert len({one.headers["webhook-id"] for one in desk.taken}) == 3
        assert {one.body["alerts"][0]["fingerprint"] for one in desk.taken} == {
            desk.taken[0].body["alerts"][0]["fingerprint"]
        }
        await sla.post(f"/v1/alerts/{ALERT}/acknowledge")
        count = len(desk.taken)
        asked = CLOCK.now()
        await soon(lambda: CLOCK.now() - asked > timedelta(seconds=4))
        assert len(desk.taken) <= count + 1


async def test_a_member_that_joins_an_acknowledged_group_pages_anew(start: Start, desk: Receiver):
    async with start() as sla:
        await sla.tell("contact.received")
        await soon(lambda: desk.taken)
        await sla.post("/v1/alerts/bulk", {"action": "acknowledge", "group": "billing/quick"})
        await sla.tell("contact.received", "C-2", customer_id="K-2")
        await soon(lambda: len(desk.taken) == 2)
        [joined] = desk.taken[1].body["alerts"]
        assert joined["labels"]["contact_id"] == "C-2"


async def test_a_receiver_that_answers_500_for_long_is_climbed_past_once_and_hears_of_it_when_it_is_well(
    start: Start, desk: Receiver, lead: Receiver
):
    desk.statuses = [500] * 4
    async with start(send_attempts=2) as sla:
        await sla.tell("contact.received")
        await soon(lambda: lead.taken)
        await soon(lambda: desk.taken)
        assert (len(desk.seen), len(lead.taken)) == (5, 1)
        assert len({one.headers["webhook-id"] for one in desk.seen}) == 1
        listed = (await sla.get("/v1/receivers")).json()["receivers"]
        health = next(one for one in listed if one["name"] == "desk")
        assert (health["failing"], health["failures"], health["last_error"]["error"]) == (False, 0, "HTTP 500")


async def test_breaches_of_a_silent_source_wait_behind_one_page_that_says_so_until_it_speaks(
    start: Start, desk: Receiver, lead: Receiver
):
    with answering({"items": [{"source": "/crm", "last_event_at": "2026-03-02T08:00:00Z"}]}) as intake:
        async with start(audit_every=timedelta(seconds=0.5), intake_url=intake.url) as sla:
            await soon(lambda: intake.asked)
            await sla.tell("contact.received")
            await soon(lambda: lead.taken)
            told = lead.taken[0].body
            assert told["groupKey"] == "audit/source_silent"
            assert "nothing has come from /crm since 2026-03-02 08:00 UTC; 1 breaches are held back" in told["text"]
            assert desk.taken == []
            assert (await sla.alert(ALERT, "breached"))["level"] == 1
            await sla.tell("contact.responded")
            await sla.alert(ALERT, "cleared")
            await soon(lambda: len(lead.taken) == 2)
            assert lead.taken[1].body["status"] == "resolved"
            assert desk.taken == []


async def test_an_intake_that_never_answers_delays_no_page(start: Start, desk: Receiver):
    with answering(None) as intake:
        async with start(intake_url=intake.url) as sla:
            await sla.tell("contact.received")
            await soon(lambda: desk.taken)
            assert intake.asked


async def test_a_snow_day_is_looked_at_first_and_then_stops_the_clocks_of_what_is_open(start: Start):
    async with start(change=("within: 1s", "within: 1h")) as sla:
        await sla.tell("contact.received")

        async def due() -> Any:
            found = await sla.get("/v1/contacts/C-1")
            return found.json()["targets"][0]["due_at"] if found.status_code == 200 else None

        before = await until(due)
        now = CLOCK.now()
        asked = {"calendar": "always", "from": now.isoformat(), "to": (now + timedelta(hours=2)).isoformat()}
        preview = await sla.post("/v1/closures", {**asked, "reason": "snow", "preview": True}, key="admin-key")
        assert (preview.json()["moves"], preview.json()["id"]) == (2, None)
        assert await due() == before
        refused = await sla.post("/v1/closures", {**asked, "reason": "snow", "calendar": "sky"}, key="admin-key")
        assert refused.status_code == 422
        backwards = {**asked, "to": asked["from"], "reason": "snow"}
        assert (await sla.post("/v1/closures", backwards, key="admin-key")).status_code == 422
        assert (await sla.post("/v1/closures", {**asked, "reason": "snow"})).status_code == 403
        made = await sla.post("/v1/closures", {**asked, "reason": "snow"}, key="admin-key")
        assert made.status_code == 200

        async def carried_out() -> Any:
            return (await sla.get("/v1/closures")).json()["closures"][0]["finished_at"]

        await until(carried_out)
        moved = datetime.fromisoformat(await due()) - datetime.fromisoformat(before)
        assert timedelta(hours=2) - timedelta(seconds=1) < moved <= timedelta(hours=2)

        async def told() -> list[dict[str, Any]]:
            return await sla.told("sla.rescheduled")

        assert {event["data"]["cause"] for event in await until(told)} == {"closure"}


async def test_a_snow_day_made_known_later_corrects_what_has_been_closed_since(start: Start):
    async with start() as sla:
        await sla.tell("contact.received", ago=60)
        await sla.tell("contact.responded", ago=30)
        await sla.tell("contact.resolved", ago=20, outcome="solved")

        async def breached() -> list[dict[str, Any]]:
            return await sla.told("sla.breached")

        await until(breached)
        now = CLOCK.now()
        stretch = {"from": (now - timedelta(minutes=2)).isoformat(), "to": (now - timedelta(seconds=25)).isoformat()}
        asked = {"calendar": "always", "reason": "snow", **stretch}
        preview = await sla.post("/v1/closures", {**asked, "preview": True}, key="admin-key")
        assert (preview.json()["contacts"], preview.json()["withdrawn"]) == (1, 1)
        assert (await sla.post("/v1/closures", asked, key="admin-key")).status_code == 200

        async def corrected() -> list[dict[str, Any]]:
            return await sla.told("sla.corrected")

        told = {event["data"]["target"]: event["data"] for event in await until(corrected)}
        assert (told["first_response"]["announced"], told["first_response"]["verdict"]) == ("breached", "met")
        assert all(one["verdict"] == "met" for one in told.values())


async def test_alertmanager_is_told_no_more_of_a_contact_again_than_at_first(start: Start, desk: Receiver):
    address = f"alertmanager:{desk.url.removesuffix('/hook')}"
    bare = (f'desk: {{url: "{address}"}}', f'desk: {{url: "{address}", fields: []}}')
    async with start(to=address, change=bare, tell_again_every=timedelta(seconds=0.5)) as sla:
        await sla.tell("customer.updated", title="Ms", name="Rossi", tier="gold")
        await sla.tell("contact.received", subject="Where is it?", agent_id="agent-7", url="https://crm/1")
        await soon(lambda: len(desk.taken) > 3)
        told = [json.loads(one.content)[0] for one in desk.taken]
        assert all("BREACHED" in one["annotations"]["summary"] for one in told)
        assert {tuple(one) for one in told} == {("labels", "annotations", "startsAt", "endsAt")}
        for secret in ("Rossi", "gold", "Where is it?", "agent-7", "crm"):
            assert all(secret not in one.content.decode() for one in desk.taken), secret


async def test_alertmanager_is_told_again_of_what_stands_until_it_is_over(start: Start, desk: Receiver):
    address = f"alertmanager:{desk.url.removesuffix('/hook')}"
    async with start(to=address, tell_again_every=timedelta(seconds=0.5)) as sla:
        await sla.tell("contact.received", subject="Where is it?")
        await soon(lambda: len(desk.taken) > 3)
        told: list[Any] = [json.loads(one.content) for one in desk.taken]
        assert {alert["labels"]["contact_id"] for post in told for alert in post} == {"C-1"}
        assert all(post[0]["labels"] == told[0][0]["labels"] for post in told)
        assert all(post[0]["endsAt"] > post[0]["startsAt"] for post in told)
        await sla.post(f"/v1/alerts/{ALERT}/close", {"reason": "called them"})

        def ended() -> bool:
            [last] = json.loads(desk.taken[-1].content)
            return datetime.fromisoformat(last["endsAt"]) <= CLOCK.now()

        await soon(ended)
