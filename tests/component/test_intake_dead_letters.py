"""Dead letters looked at, replayed and dropped: over HTTP, on the page and from the command line."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from devkit.cli import app
from rapport.contracts import format_instant, topics
from typer.testing import CliRunner, Result

from tests.support.intake import BATCH, STRUCTURED, RealIntake, batch, event, real_intake
from tests.support.stack import Addresses

ADMIN = {"authorization": "Bearer admin-key"}


@pytest.fixture
async def intake(tmp_path: Path, stack: Addresses, unique: Callable[[str], str]) -> AsyncIterator[RealIntake]:
    async with real_intake(tmp_path, stack.kafka, stack.mongodb, unique("letters")) as running:
        yield running


def news(**changes: Any) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(minutes=1)  # noqa: TID251 - the real clock is under test
    return event(**{"time": format_instant(at), **changes})


def erasure(number: int) -> bytes:
    """Kafka may not order this, an admin's replay may: a letter that can be replayed without a new version."""
    return json.dumps(news(id=f"forget-{number}", type="customer.erased", data={"customer_id": f"K-{number}"})).encode()


async def with_letters(intake: RealIntake, *, good: int = 0, bad: int = 0) -> None:
    for number in range(good):
        await intake.produce(erasure(number), content_type=STRUCTURED)
    if bad:
        await intake.post(batch(*(news(id=f"sung-{n}", type="contact.sung") for n in range(bad))), BATCH)
    await intake.letters(good + bad, limit=1000)


async def rapport(intake: RealIntake, *words: str) -> Result:
    """A command, as typed, to this intake."""
    place = ["--url", str(intake.http.base_url), "--key", "admin-key"]
    return await asyncio.to_thread(CliRunner().invoke, app, ["dead-letters", *words, *place])


async def test_letters_that_were_named_and_do_not_wait_are_told_of(intake: RealIntake):
    await with_letters(intake, bad=1)
    [listed] = (await intake.get("/v1/dead-letters"))["items"]
    for what, done in (("replay", "of 1"), ("drop", "dropped 1")):
        ended = await rapport(intake, what, listed["id"], "slip", *(["--yes"] if what == "drop" else []))
        assert done in ended.stdout
        assert "1 of those named wait no longer, or never did" in ended.stderr


async def test_one_letter_is_shown_whole(intake: RealIntake):
    await with_letters(intake, bad=1)
    [listed] = (await intake.get("/v1/dead-letters"))["items"]
    letter = await intake.get(f"/v1/dead-letters/{listed['id']}")
    assert letter == listed
    assert (letter["event"]["id"], letter["pointer"], letter["customer_id"]) == ("sung-0", "/type", "K-5")
    missing = await intake.http.get("/v1/dead-letters/none", headers=ADMIN)
    assert missing.status_code == 404


async def test_a_key_that_is_limited_to_teams_sees_and_moves_none(intake: RealIntake):
    await with_letters(intake, bad=1)
    [letter] = (await intake.get("/v1/dead-letters"))["items"]
    limited = {"authorization": "Bearer mail-key"}
    for path in ("/v1/dead-letters", f"/v1/dead-letters/{letter['id']}", "/v1/dead-letters/replays", "/dead-letters"):
        answer = await intake.http.get(path, headers=limited)
        assert (answer.status_code, "is limited to teams" in answer.text) == (403, True)
    for path in ("/v1/dead-letters/replay", "/v1/dead-letters/drop"):
        assert (await intake.http.post(path, json={"all": True}, headers=limited)).status_code == 403
    assert (await intake.get("/v1/dead-letters"))["items"] == [letter]


async def test_what_waits_is_counted_by_reason_and_by_source(intake: RealIntake):
    await with_letters(intake, bad=3, good=1)
    await intake.post(news(id="x", source="/crm/2", data=[]))
    await intake.letters(5)
    page = await intake.get("/v1/dead-letters")
    assert page["counts"] == {"unknown type": 3, "customer.erased needs the role admin": 1, "must be an object": 1}
    assert page["sources"] == {"/crm": 4, "/crm/2": 1}
    page = await intake.get("/v1/dead-letters", source="/crm/2", reason="must be an object")
    assert (len(page["items"]), page["counts"]) == (1, {"must be an object": 1})


async def test_a_replay_keeps_to_its_rate_and_tells_how_far_it_is(intake: RealIntake):
    await with_letters(intake, good=6)
    order = (await intake.replay(all=True, rate=4, wait=False)).json()
    assert (order["of"], order["rate"], order["by"], order["which"]) == (6, 4, "boss", {"all": True})
    seen: list[int] = []
    async with asyncio.timeout(60):
        while order["state"] != "done":
            order = await intake.get(f"/v1/dead-letters/replays/{order['id']}")
            seen.append(order["settled"])
            await intake.service.clock.sleep(0.02)
    taken = datetime.fromisoformat(order["ended_at"]) - datetime.fromisoformat(order["ordered_at"])
    assert taken >= timedelta(seconds=1)
    assert set(seen) >= {4, 6}
    assert (order["replayed"], order["still_refused"]) == (6, 0)
    assert (await intake.get("/v1/dead-letters/replays"))["items"][0] == order


async def test_a_replay_can_be_stopped_and_ordered_again(intake: RealIntake):
    await with_letters(intake, good=4)
    order = (await intake.replay(all=True, rate=1, wait=False)).json()
    stopped = await intake.http.post(f"/v1/dead-letters/replays/{order['id']}/stop", headers=ADMIN)
    assert (stopped.json()["state"], stopped.json()["stopped_by"]) == ("stopped", "boss")
    assert (await intake.replay(all=True)).json()["state"] == "done"
    first = await intake.get("/v1/dead-letters/replays", limit=1)
    second = await intake.get("/v1/dead-letters/replays", limit=1, cursor=first["cursor"])
    listed = [(one["state"], one["stopped_by"]) for page in (first, second) for one in page["items"]]
    assert (listed, second["cursor"]) == ([("done", None), ("stopped", "boss")], None)
    assert (await intake.get("/v1/dead-letters"))["counts"] == {}
    sent = {json.loads(record.value)["id"] for record in await intake.everything(topics.CONTACT_EVENTS)}
    assert sent == {f"forget-{number}" for number in range(4)}


async def test_two_orders_for_the_same_letters_send_each_once(intake: RealIntake):
    await with_letters(intake, good=5)
    first, second = await asyncio.gather(intake.replay(all=True), intake.replay(all=True))
    assert sorted([first.json()["replayed"], second.json()["replayed"]]) == [0, 5]
    assert len(await intake.everything(topics.CONTACT_EVENTS)) == 5


async def test_what_is_dropped_waits_no_longer_and_is_gone(intake: RealIntake):
    await with_letters(intake, bad=2, good=1)
    order = {"reason": "unknown type"}
    for dropped in (2, 0):
        answer = await intake.http.post("/v1/dead-letters/drop", json=order, headers=ADMIN)
        assert answer.json() == {"dropped": dropped}
    page = await intake.get("/v1/dead-letters")
    assert [letter["event_id"] for letter in page["items"]] == ["forget-0"]
    watcher = {"authorization": "Bearer watch-key"}
    assert (await intake.http.post("/v1/dead-letters/drop", json=order, headers=watcher)).status_code == 403


async def test_the_page_shows_what_waits_and_replays_all_of_a_reason(intake: RealIntake):
    await with_letters(intake, good=2, bad=1)
    session = await intake.http.post("/login", json={"key": "admin-key"})
    intake.http.cookies.update(session.cookies)
    page = (await intake.http.get("/dead-letters")).text
    assert page.count("Replay all</button>") == 2
    shown = await intake.http.get(re.findall(r"/dead-letters/[0-9a-f]{24}", page)[0])
    assert "&#34;specversion&#34;" in shown.text
    form = {"reason": "customer.erased needs the role admin", "rate": ""}
    assert (await intake.http.post("/dead-letters/replay", data=form)).headers["location"] == "/dead-letters"
    async with asyncio.timeout(60):
        while "2 sent again, 0 still refused, of 2" not in (await intake.http.get("/dead-letters")).text:
            await intake.service.clock.sleep(0.05)
    assert (await intake.http.post("/dead-letters/drop", data={"all": "yes"})).status_code == 422
    assert (await intake.http.post("/dead-letters/drop", data={"all": "yes", "sure": "yes"})).status_code == 303
    assert "Nothing waits here" in (await intake.http.get("/dead-letters")).text


async def test_what_is_chosen_on_the_page_of_no_source_is_nobody_elses(intake: RealIntake):
    await intake.post(news(id="named", data={"contact_id": "C-1", "channel": "phone"}))
    await intake.produce(b"rubbish")
    await intake.letters(2, reason="is required")
    session = await intake.http.post("/login", json={"key": "admin-key"})
    intake.http.cookies.update(session.cookies)
    assert len((await intake.get("/v1/dead-letters", reason=""))["items"]) == 2
    page = (await intake.http.get("/dead-letters", params={"source": "", "reason": ""})).text
    assert ", of unknown." in page
    form = {"reason": "is required", "source": "", "sure": "yes"}
    assert (await intake.http.post("/dead-letters/drop", data=form)).status_code == 303
    assert [one["event_id"] for one in (await intake.get("/v1/dead-letters"))["items"]] == ["named"]
    for path in ("/dead-letters/replay", "/dead-letters/drop"):
        assert (await intake.http.post(path, data={"source": "", "sure": "yes"})).status_code == 303


async def test_whatever_came_does_no_harm_on_the_page(intake: RealIntake):
    await intake.post(news(id="<script>alert(1)</script>", type="<b>"))
    await intake.produce(b"\xff\xfe", b"</pre><script>", note='"><script>')
    letters = await intake.letters(2)
    for path in ("/dead-letters", *(f"/dead-letters/{letter['id']}" for letter in letters)):
        page = await intake.http.get(path, headers=ADMIN)
        assert page.status_code == 200
        assert "<script" not in page.text


async def test_the_commands_list_show_replay_and_drop(intake: RealIntake):
    await with_letters(intake, good=2, bad=2)
    listed = await rapport(intake, "list")
    assert "2  unknown type" in listed.output
    assert "4  /crm" in listed.output
    letter = (await intake.get("/v1/dead-letters", reason="unknown type"))["items"][0]
    assert '"contact.sung"' in (await rapport(intake, "show", letter["id"])).output
    replayed = await rapport(intake, "replay", "--all")
    assert (replayed.exit_code, "done: 2 sent again, 2 still refused, of 4" in replayed.output) == (1, True)
    assert "unknown type" in replayed.output
    again = await rapport(intake, "replay", "--reason", "customer.erased needs the role admin", "--rate", "50")
    assert (again.exit_code, "done: 0 sent again, 0 still refused, of 0" in again.output) == (0, True)
    assert "dropped 1" in (await rapport(intake, "drop", letter["id"], "--yes")).output
    assert "dropped 1" in (await rapport(intake, "drop", "--source", "/crm", "--yes")).output
    assert "unknown type" not in (await rapport(intake, "list")).output
    assert (await rapport(intake, "replay")).exit_code == 1
    assert (await rapport(intake, "replay", "--all", "--reason", "x")).exit_code == 1
