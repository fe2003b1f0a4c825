"""What may be asked of sla-monitor, written as callers write it, and what is answered to what can't be."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rapport.contracts import format_instant

from tests.support.sla_service import CLOCK, RunningSla, policy, running_sla
from tests.support.stack import Addresses

ALERT = "/v1/alerts/C-1/first_response/1"
BEYOND = "9999-12-31T23:59:59-10:00"


@pytest.fixture
async def sla(tmp_path: Path, stack: Addresses, unique: Callable[[str], str]) -> AsyncIterator[RunningSla]:
    path = policy(tmp_path, "webhook:http://127.0.0.1:9/", "webhook:http://127.0.0.1:9/")
    async with running_sla(tmp_path, stack, unique("asking"), policy=path) as running:
        await running.tell("contact.received", "C-1")
        await running.alert("C-1/first_response/1", "breached")
        yield running


async def test_an_instant_may_have_a_bare_plus_and_one_beyond_the_calendar_is_the_callers_fault(sla: RunningSla):
    async def asked(address: str) -> Any:
        return await sla.http.get(address, headers={"authorization": "Bearer watch-key"})

    for hours, there in ((-1, []), (1, ["C-1"])):
        bare = (CLOCK.now() + timedelta(hours=hours)).isoformat()
        assert "+" in bare
        assert [
            one["contact_id"] for one in (await asked(f"/v1/contacts?due_before={bare}")).json()["contacts"]
        ] == there
        assert [one["contact_id"] for one in (await asked(f"/v1/alerts?due_before={bare}")).json()["alerts"]] == there
    assert (await asked(f"/v1/forecast?until={bare}")).status_code == 200
    for address in ("/v1/contacts?due_before=", "/v1/alerts?due_before=", "/v1/forecast?until="):
        assert (await asked(address + BEYOND)).status_code == 422
    assert (await sla.post(f"{ALERT}/snooze", {"until": BEYOND})).status_code == 422
    match = {"match": {"team": "billing"}, "comment": "away"}
    assert (await sla.post("/v1/silences", {**match, "ends_at": BEYOND})).status_code == 422
    for begin, end in ((BEYOND, BEYOND), ("9999-12-31T10:00:00Z", "9999-12-31T09:00:00Z")):
        closure = {"calendar": "always", "from": begin, "to": end, "reason": "snow"}
        assert (await sla.post("/v1/closures", closure, key="admin-key")).status_code == 422
    assert (await sla.post("/v1/quote", {"at": BEYOND})).status_code == 422


async def test_what_nobody_can_look_for_is_refused_and_not_our_fault(sla: RunningSla):
    for address in ("/v1/contacts", "/v1/alerts", "/"):
        assert (await sla.get(address, q="C-\0")).status_code == 422
    answer = await sla.post("/v1/alerts/bulk", {"action": "acknowledge", "filter": {"q": "\0"}})
    assert answer.status_code == 422


async def test_a_status_that_there_is_not_is_refused_with_those_that_there_are(sla: RunningSla):
    for address, word in (("/v1/contacts", "breached"), ("/v1/alerts", "open")):
        answer = await sla.get(address, status=f"{word},unheard")
        [error] = answer.json()["errors"]
        assert (answer.status_code, error["pointer"]) == (422, "/query/status")
        assert error["reason"].endswith(f"'{word}', 'unheard' is not")
    answer = await sla.post("/v1/alerts/bulk", {"action": "acknowledge", "filter": {"status": "open"}})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/body/filter/status")
    asked = (("contacts", "waiting,open"), ("alerts", "warned,breached"), ("alerts", "active"), ("alerts", ""))
    for what, words in asked:
        [found] = (await sla.get(f"/v1/{what}", status=words)).json()[what]
        assert found["contact_id"] == "C-1"


async def test_an_empty_field_asks_for_nothing_in_particular(sla: RunningSla):
    fields = ("status", "team", "agent", "customer_id", "policy", "q", "due_before", "sort", "cursor")
    for what in ("contacts", "alerts"):
        [found] = (await sla.get(f"/v1/{what}", **dict.fromkeys(fields, ""))).json()[what]
        assert found["contact_id"] == "C-1"


async def test_the_alerts_of_a_contact_are_those_of_no_other_whose_id_begins_like_its_own(sla: RunningSla):
    for contact in ("C-1/first_response", "C-10"):
        await sla.tell("contact.received", contact)
        await sla.alert(f"{contact}/first_response/1", "breached")
        found = (await sla.get("/v1/alerts", contact_id=contact)).json()["alerts"]
        assert {alert["contact_id"] for alert in found} == {contact}
    found = (await sla.get("/v1/alerts", contact_id="C-1")).json()["alerts"]
    assert {alert["contact_id"] for alert in found} == {"C-1"}


async def test_the_instants_of_an_alert_read_like_those_of_its_contact(sla: RunningSla):
    targets = (await sla.get("/v1/contacts/C-1")).json()["targets"]
    target = next(one for one in targets if one["target"] == "first_response")
    alert = (await sla.get("/v1/alerts", contact_id="C-1")).json()["alerts"][0]
    assert (alert["due_at"], alert["breached_at"]) == (target["due_at"], target["breached_at"])


async def test_a_blank_reason_is_none(sla: RunningSla):
    for body in (None, {}, {"reason": None}, {"reason": " \n"}):
        answer = await sla.post(f"{ALERT}/close", body)
        assert (answer.status_code, answer.json()["detail"]) == (422, "somebody still waits: closing needs a reason")


async def test_blanks_name_nobody_to_whom_an_alert_could_be_given(sla: RunningSla):
    answer = await sla.post(f"{ALERT}/assign", {"to": " "})
    assert (answer.status_code, answer.json()["detail"]) == (422, "say to whom")


async def test_the_forecast_looks_as_far_as_a_year_ahead(sla: RunningSla):
    for days, status in ((365, 200), (400, 422)):
        until = format_instant(CLOCK.now() + timedelta(days=days))
        assert (await sla.get("/v1/forecast", until=until)).status_code == status
