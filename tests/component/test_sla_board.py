"""The board over HTTP: what a filter lists is what it pushes, to whom it may, and the workload adds up."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
from sla_monitor.domain.board_filter import BoardFilter
from sla_monitor.domain.states import AlertState

from tests.support.receivers import receiver
from tests.support.sla_service import RunningSla, policy, running_sla, until
from tests.support.stack import Addresses

CONTACTS: dict[str, dict[str, Any]] = {
    "A-1": {"agent_id": "agent-7"},
    "A-2": {"customer_id": "K-2", "subject": "Invoice wrong", "reference": "#4711"},
    "A-3": {"team": "mail", "customer_id": "K-3", "agent_id": "agent-8", "subject": "Re: INVOICE WRONG (Hauptstraße"},
    "B-1": {"team": "mail"},
    "B-2": {"priority": "low"},
}
FILTERS = (
    BoardFilter(),
    BoardFilter(status="breached"),
    BoardFilter(status="acknowledged"),
    BoardFilter(status="warned"),
    BoardFilter(team="mail"),
    BoardFilter(team="mail", status="breached"),
    BoardFilter(agent="agent-7"),
    BoardFilter(agent="nobody"),
    BoardFilter(policy="quick"),
    BoardFilter(policy="slow"),
    BoardFilter(q="A-"),
    BoardFilter(q="K-2"),
    BoardFilter(q="a-"),
    BoardFilter(q="#471"),
    BoardFilter(q="invoice W"),
    BoardFilter(q="straße"),
    BoardFilter(q="invoice W", status="acknowledged"),
    BoardFilter(q="(wrong|x"),
    BoardFilter(q=".*"),
    BoardFilter(status="late"),
)


@pytest.fixture(scope="module")
async def sla(tmp_path_factory: pytest.TempPathFactory, stack: Addresses) -> AsyncIterator[RunningSla]:
    from tests.support.stack import unique  # noqa: PLC0415 - the fixture of that name lives shorter

    folder = tmp_path_factory.mktemp("board")
    with receiver() as desk:
        path = policy(folder, desk.address, desk.address, within="1s")
        async with running_sla(folder, stack, unique("board"), policy=path) as running:
            for contact, data in CONTACTS.items():
                await running.tell("contact.received", contact, ago=5, **data)
            await running.tell("customer.updated", customer_id="K-S", audience="staff")
            await running.tell("contact.received", "S-1", customer_id="K-S")
            await running.tell("contact.responded", "U-1", customer_id="K-U")
            for contact in ("A-1", "A-2", "A-3", "B-1"):
                await running.alert(f"{contact}/first_response/1", "breached")
            assert (await running.post("/v1/alerts/A-1/first_response/1/acknowledge")).status_code == 200
            yield running


async def test_what_a_filter_lists_is_what_it_lets_through_when_it_changes(sla: RunningSla):
    told = (await sla.get("/v1/alerts", status="active")).json()["alerts"]
    alerts = [AlertState.restored(json.dumps({"partition": 0, **one})) for one in told]
    assert len(alerts) == 4
    for wanted in FILTERS:
        page = await sla.get("/", **dict(parse_qsl(wanted.address)))
        listed = {key for key in re.findall('data-key="([^"]+)"', page.text) if key.count("/") == 2}
        assert listed == {alert.id for alert in alerts if wanted.fits(alert)}, wanted


async def test_an_alert_is_found_by_what_the_message_about_it_says(sla: RunningSla):
    for q, found in (("#4711", {"A-2"}), ("invoice wrong", {"A-2", "A-3"}), ("HAUPTSTRASSE", {"A-3"}), ("(", {"A-3"})):
        for path in ("/v1/alerts", "/"):
            answer = await sla.get(path, q=q)
            ids = re.findall(r"[AB]-\d(?=/first_response/1)", answer.text)
            assert set(ids) == found, (q, path)


async def test_a_filter_by_contacts_lists_what_no_alert_speaks_of(sla: RunningSla):
    for status, keys in (("running", {"B-2"}), ("late", {"A-1", "A-2", "A-3", "B-1"}), ("paused", set())):
        page = await sla.get("/", status=status)
        assert set(re.findall('data-key="([^"]+)"', page.text)) == keys
    assert (await sla.get("/", status="no such")).status_code == 422


async def test_figures_leave_out_staff_and_contacts_of_which_nothing_but_an_answer_is_known(sla: RunningSla):
    async def known() -> bool:
        contacts = (await sla.get("/v1/contacts")).json()["contacts"]
        return {"S-1", "U-1"} <= {one["contact_id"] for one in contacts}

    await until(known)
    board = (await sla.get("/v1/board")).json()
    assert (board["no_policy"], board["unowned"], board["breached_waiting"]) == (0, 3, 4)


@pytest.mark.parametrize(("key", "buttons"), [("watch-key", 0), ("bob-key", 1)])
async def test_a_change_is_pushed_drawn_for_who_looks(sla: RunningSla, key: str, buttons: int):
    [row] = await pushed(sla, key, "", change="A-2")
    assert row["key"] == "A-2/first_response/1"
    assert row["html"].count("<button") == buttons


async def test_what_no_longer_fits_is_taken_away_and_other_teams_are_never_told(sla: RunningSla):
    assert await pushed(sla, "watch-key", "?status=warned", change="A-2") == [
        {"key": "A-2/first_response/1", "contact": "A-2"}
    ]
    assert await pushed(sla, "mail-key", "", change="A-2", then="A-3") == await pushed(
        sla, "mail-key", "?team=mail", change="A-3"
    )
    assert (await sla.get("/board/stream", "mail-key", team="billing")).status_code == 403


_PASSING = re.compile(r"agent-\d+|\d+ (s|min) late")
"""What differs between two looks at one row: who has it, and how long it is late."""


async def pushed(sla: RunningSla, key: str, query: str, *, change: str, then: str | None = None) -> list[Any]:
    """The first rows that a board is told of, after the owner of a contact's alert has changed (and another's)."""
    headers = {"authorization": f"Bearer {key}"}
    async with sla.http.stream("GET", f"/board/stream{query}", headers=headers) as stream:
        name = ""
        async for line in stream.aiter_lines():
            if line == "event: ready":
                for contact in filter(None, (change, then)):
                    owner = f"agent-{sla.made}"
                    sla.made += 1
                    path = f"/v1/alerts/{contact}/first_response/1/assign"
                    assert (await sla.post(path, {"to": owner})).status_code == 200
            elif line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: ") and name == "rows":
                rows: list[Any] = json.loads(line.removeprefix("data: "))
                return [{**row, "html": _PASSING.sub("", row["html"])} if "html" in row else row for row in rows]
    raise AssertionError("the stream has ended")


async def test_the_workload_counts_every_open_contact_once(sla: RunningSla):
    for by in ("agent", "team"):
        found = (await sla.get("/v1/workload", by=by)).json()
        assert sum(row["open"] for row in found["rows"]) == len(CONTACTS)
        assert sum(row["overdue"] for row in found["rows"]) == 4
    assert {row["name"]: row["open"] for row in found["rows"]} == {"billing": 3, "mail": 2}
    own = (await sla.get("/v1/workload", "mail-key", by="team")).json()
    assert [row["name"] for row in own["rows"]] == ["mail"]
    assert (await sla.get("/v1/workload", "mail-key", team="billing")).status_code == 403


async def test_what_a_form_does_to_many_is_answered_in_words_and_leads_nowhere_else(sla: RunningSla):
    headers = {"authorization": "Bearer ada-key"}
    ids = ["B-1/first_response/1", "B-1/first_response/9", "no-such/first_response/1"]
    form = {"action": "acknowledge", "id": ids, "next": "//elsewhere.example"}
    told = (await sla.http.post("/act", data=form, headers={**headers, "accept": "application/json"})).json()
    assert (told["done"], told["said"], [one["id"] for one in told["refused"]]) == (1, "1 acknowledged", ids[1:])
    plain = await sla.http.post("/act", data=form, headers=headers)
    assert plain.status_code == 303
    assert plain.headers["location"].startswith("/?done=1+acknowledged&refused=there+is+no+alert")
    nothing = await sla.http.post("/act", data={"action": "acknowledge"}, headers=headers)
    assert nothing.headers["location"] == "/?refused=nothing+is+selected"


async def test_a_long_board_is_sent_packed_to_who_takes_it_so(sla: RunningSla):
    for number in range(20):
        await sla.tell("contact.received", f"Z-{number}", customer_id="K-Z", team="packed", priority="low")
    headers = {"authorization": "Bearer watch-key"}

    async def all_of_them() -> bool:
        return (await sla.get("/", team="packed")).text.count("data-key=") == 20

    await until(all_of_them)
    packed = await sla.http.get("/", params={"team": "packed"}, headers={**headers, "accept-encoding": "gzip, br"})
    plain = await sla.http.get("/", params={"team": "packed"}, headers={**headers, "accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text.count("data-key=") == plain.text.count("data-key=") == 20
    assert int(packed.headers["content-length"]) * 4 < int(plain.headers["content-length"])


async def test_who_will_be_next_are_also_those_who_wait_beyond_a_deadline_that_no_row_speaks_of(sla: RunningSla):
    await sla.tell("contact.received", "N-1", ago=5, customer_id="K-N", team="ahead")
    await sla.alert("N-1/first_response/1", "breached")

    async def listed() -> list[str]:
        return re.findall('data-key="([^"]+)"', (await sla.get("/", team="ahead")).text)

    assert await listed() == ["N-1/first_response/1"]
    assert (await sla.post("/v1/alerts/N-1/first_response/1/close", {"reason": "called them"})).status_code == 200
    assert await listed() == ["N-1"]
