"""What people see of alerting itself: silences begun and ended by who may, receivers tried, trouble told."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from rapport.runtime.clock import SystemClock

from tests.support.receivers import receiver
from tests.support.sla_service import RunningSla, policy, running_sla, until
from tests.support.stack import Addresses


@pytest.fixture(scope="module")
async def sla(tmp_path_factory: pytest.TempPathFactory, stack: Addresses) -> AsyncIterator[RunningSla]:
    from tests.support.stack import unique  # noqa: PLC0415 - the fixture of that name lives shorter

    folder = tmp_path_factory.mktemp("alerting")
    with receiver() as desk:
        path = policy(folder, desk.address, "webhook:http://127.0.0.1:9/dead", within="1s")
        async with running_sla(folder, stack, unique("alerting"), policy=path) as running:
            yield running


async def send(sla: RunningSla, path: str, key: str = "ada-key", **form: str) -> httpx.Response:
    return await sla.http.post(path, data=form, headers={"authorization": f"Bearer {key}"})


def told(answer: httpx.Response) -> dict[str, str]:
    """What the page that is shown next will say."""
    assert answer.status_code == 303, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


async def test_a_silence_is_begun_seen_and_ended_on_its_page(sla: RunningSla):
    begun = await send(sla, "/silences", team="mail", owner="", minutes="60", comment="move of <the> mailroom")
    assert told(begun)["done"].startswith("silenced until ")
    [silence] = (await sla.get("/v1/silences")).json()["silences"]
    assert (silence["match"], silence["by"], silence["state"]) == ({"team": ["mail"]}, "ada", "active")
    page = (await sla.get("/silences")).text
    assert "move of &lt;the&gt; mailroom" in page
    assert "End it now" not in page
    assert "End it now" in (await sla.get("/silences", "bob-key")).text
    board = (await sla.get("/")).text
    assert "1 silence mutes alerts" in board
    assert "silence mutes" not in (await sla.get("/", team="billing")).text
    assert told(await send(sla, f"/silences/{silence['id']}/end", "bob-key"))["done"].startswith("ended")
    assert "ended by bob" in (await sla.get("/silences")).text
    assert "silence mutes" not in (await sla.get("/")).text


async def test_a_row_says_until_when_nobody_is_told_of_it(sla: RunningSla):
    await sla.tell("contact.received", "S-1", ago=5, customer_id="K-S", team="mail")
    await sla.alert("S-1/first_response/1", "breached")
    made = await sla.post(
        "/v1/silences",
        {"match": {"contact_id": "S-1"}, "ends_at": "2026-01-01T00:00:00Z", "comment": "past"},
    )
    assert made.status_code == 422
    assert "silenced until" not in (await sla.get("/", q="S-1")).text
    begun = await send(sla, "/silences", contact_id="S-1", minutes="240", comment="known")
    assert "done" in told(begun)
    assert "silenced until" in (await sla.get("/", q="S-1")).text


@pytest.mark.parametrize(
    ("key", "form", "reason"),
    [
        ("ada-key", {"minutes": "60", "comment": "everything"}, "a silence needs something to match"),
        ("ada-key", {"team": "mail", "minutes": "60", "comment": " "}, "a silence needs a reason"),
        ("ada-key", {"team": "mail", "minutes": "for ever", "comment": "x"}, "a silence must end after it starts"),
        ("mail-key", {"team": "billing", "minutes": "60", "comment": "not mine"}, "may only silence its own teams"),
        ("mail-key", {"owner": "agent-7", "minutes": "60", "comment": "whose?"}, "may only silence its own teams"),
    ],
)
async def test_what_is_no_silence_says_why(sla: RunningSla, key: str, form: dict[str, str], reason: str):
    assert reason in told(await send(sla, "/silences", key, **form))["refused"]


async def test_who_may_only_watch_silences_and_tries_nothing(sla: RunningSla):
    asked = {"team": "mail", "minutes": "60", "comment": "x"}
    assert (await send(sla, "/silences", "watch-key", **asked)).status_code == 403
    assert (await send(sla, "/receivers", "watch-key", name="desk")).status_code == 403
    assert "<button" not in (await sla.get("/silences")).text.partition("<main")[2]
    assert "<button" not in (await sla.get("/receivers")).text.partition("<main")[2]
    assert "there is no silence" in told(await send(sla, "/silences/no-such/end"))["refused"]


async def test_a_receiver_is_tried_from_its_page_and_one_that_fails_shows(sla: RunningSla):
    assert told(await send(sla, "/receivers", name="desk")) == {"done": "desk has taken the test message"}
    assert "lead has not taken" in told(await send(sla, "/receivers", name="lead"))["refused"]
    assert "there is no receiver" in told(await send(sla, "/receivers", name="nobody"))["refused"]
    page = (await sla.get("/receivers")).text
    assert "failing, 1 in a row" in page
    assert '<a href="/receivers">1<' in (await sla.get("/")).text


async def test_trouble_with_alerting_itself_stands_on_the_board_until_it_is_over(sla: RunningSla):
    says = "7 messages wait that should have been sent"
    row = {
        "_id": "audit/messages_overdue",
        "cause": "messages_overdue",
        "about": "",
        "says": says,
        "since": SystemClock().now(),
        "told": ["lead"],
        "confirmed": True,
    }
    await sla.service.database["trouble"].insert_one(row)
    assert says in (await sla.get("/")).text
    assert says in (await sla.get("/receivers")).text
    await sla.service.database["trouble"].delete_one({"_id": row["_id"]})
    assert says not in (await sla.get("/")).text


async def test_a_contact_that_changes_is_told_to_its_page_and_to_no_other_team(sla: RunningSla):
    await sla.tell("contact.received", "L-1", customer_id="K-L", team="billing", priority="low")
    path, about = "/board/contact", {"contact_id": "L-1"}

    async def known() -> bool:
        return (await sla.get("/v1/contacts/L-1")).status_code == 200

    await until(known)
    headers = {"authorization": "Bearer watch-key"}
    heard = []
    async with sla.http.stream("GET", path, params=about, headers=headers) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("event: ") and line != "event: alive":
                heard.append(line)
            if line == "event: ready":
                await sla.tell("contact.responded", "L-1", customer_id="K-L", agent_id="agent-7")
            if "event: changed" in heard:
                break
    assert heard == ["event: ready", "event: changed"]
    assert (await sla.get(path, "mail-key", **about)).status_code == 404
    assert (await sla.get(path, contact_id="no-such")).status_code == 404
