"""followup as it runs, from an event to a mail, an answer and a call."""

import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from rapport.contracts import Data, Event, encode

from tests.support.followup import event
from tests.support.followup_world import World, ago, eventually, followup_world, helped, link
from tests.support.stack import Addresses


@pytest.fixture
async def world(tmp_path: Path, stack: Addresses, unique: Callable[[str], str]) -> AsyncIterator[World]:
    async with followup_world(tmp_path, stack, unique("followup")) as running:
        yield running


async def answer(world: World, path: str, **form: str) -> httpx.Response:
    return await world.http.post(path, data=form)


async def test_a_survey_is_sent_answered_and_its_answer_reaches_intake(world: World):
    await world.happen(*helped(language="de", form_of_address="informal"))
    mail = await world.mail()
    assert (mail["To"], mail["Subject"], mail["Reply-To"]) == ("k-1@example.org", "Wie waren wir?", "help@example.org")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    html = mail.get_body(("html",))
    assert html is not None
    assert "bist du mit unserer Hilfe" in html.get_content()
    [sent] = await world.hear("survey.sent")
    assert mail["Message-ID"] == f"<{sent.data.survey_id}@example.org>"

    path = link(mail, "s")
    page = await world.http.get(path + "?score=4")
    assert (page.status_code, page.headers["content-language"]) == (200, "de")
    assert 'value="4" required checked' in page.text
    assert world.intake.events == []  # a link that is looked at answers nothing

    assert (await answer(world, path, score="9")).status_code == 422
    thanks = await answer(world, path, score="4", comment="  gut & schnell ")
    assert (thanks.status_code, "Vielen Dank" in thanks.text) == (200, True)
    assert (await answer(world, path, score="4", comment="gut & schnell")).status_code == 200
    assert (await answer(world, path, score="2")).status_code == 200
    first, second = world.intake.events
    assert (first.type, first.source, first.causationid) == (
        "survey.answered",
        "/rapport/followup",
        sent.data.survey_id,
    )
    assert [one.data.score for one in (first, second)] == [4, 2]
    assert first.data.comment == "gut & schnell"
    assert first.id != second.id
    assert set(world.intake.keys) == {"bearer intake-key"}


async def test_lines_of_a_comment_count_as_the_page_counts_them(world: World):
    await world.happen(*helped())
    path = link(await world.mail(), "s")
    assert (await answer(world, path, score="4", comment="x\r\n" * 2_499 + "ab")).status_code == 200
    assert (await answer(world, path, score="4", comment="x" * 5_001)).status_code == 422
    [given] = world.intake.events
    assert given.data.comment == "x\n" * 2_499 + "ab"


async def test_an_answer_that_intake_does_not_take_is_kept_and_handed_on_later(world: World):
    await world.happen(*helped())
    path = link(await world.mail(), "s")
    world.intake.status = 503
    kept = await answer(world, path, score="5")
    assert (kept.status_code, "is saved" in kept.text, "Thank you" in kept.text) == (202, True, False)
    world.intake.status = 202

    async def arrived() -> list[Event[Data]]:
        return world.intake.events

    [given] = await eventually(arrived)
    assert given.data.score == 5


async def test_a_reopened_contact_takes_its_survey_back(world: World):
    await world.happen(*helped())
    path = link(await world.mail(), "s")
    await world.hear("survey.sent")
    await world.hear("followup.owed")
    await world.happen(event("contact.reopened", ago(0), contact_id="C-1"))
    await world.hear("followup.cancelled")
    gone = await world.http.get(path)
    assert (gone.status_code, "taken this survey back" in gone.text) == (410, True)
    assert (await answer(world, path, score="5")).status_code == 410
    assert world.intake.events == []


async def test_links_that_are_not_ours_are_answered_kindly_in_the_readers_language(world: World):
    for path in ("/s/nothing", "/u/nothing", "/u/AAAA"):
        page = await world.http.get(path, headers={"accept-language": "ja, ar;q=0.8, en;q=0.5"})
        assert (page.status_code, page.headers["content-language"]) == (404, "ar")
        assert 'dir="rtl"' in page.text


async def test_one_click_unsubscribes(world: World):
    await world.happen(*helped())
    path = link(await world.mail(), "u")
    looked = await world.http.get(path)
    assert (looked.status_code, "Surveys" in looked.text) == (200, True)
    assert world.intake.events == []
    done = await world.http.post(path, data={"List-Unsubscribe": "One-Click"})
    assert done.status_code == 200
    [choice] = world.intake.events
    assert (choice.type, choice.data.purpose, choice.data.granted) == ("consent.changed", "survey", False)


async def test_one_click_is_taken_as_each_mail_program_may_send_it(world: World):
    await world.happen(*helped(language="de"))
    path = link(await world.mail(), "u")
    done = await world.http.post(path, files={"List-Unsubscribe": (None, "One-Click")})
    assert (done.status_code, "set-cookie" in done.headers) == (200, False)
    assert "<title>Erledigt. Sie erhalten keine Nachrichten dieser Art mehr.</title>" in done.text
    assert [one.data.granted for one in world.intake.events] == [False]


async def test_whatever_follows_links_without_sending_a_form_changes_nothing(world: World):
    await world.happen(*helped())
    mail = await world.mail()
    for path in (link(mail, "s") + "?score=1", link(mail, "u")):
        for method in ("HEAD", "GET", "GET"):
            looked = await world.http.request(method, path, headers={"sec-purpose": "prefetch"})
            assert looked.status_code == 200
            assert (looked.headers["cache-control"], looked.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert world.intake.events == []


async def test_each_kind_of_message_can_be_chosen_and_only_what_was_changed_is_said(world: World):
    await world.happen(*helped())
    path = link(await world.mail(), "u")
    page = (await world.http.get(path)).text
    assert re.findall(r'name="want\.(\w+)" value="yes"( checked)?', page) == [
        ("check_in", " checked"),
        ("marketing", " checked"),
        ("service", " checked"),
        ("survey", " checked"),
    ]
    had = {f"had.{one}": "yes" for one in ("check_in", "marketing", "service", "survey")}
    saved = await answer(world, path, choice="save", **had, **{"want.service": "yes", "want.check_in": "yes"})
    assert saved.status_code == 200
    assert [(one.data.purpose, one.data.granted) for one in world.intake.events] == [
        ("marketing", False),
        ("survey", False),
    ]
    assert (await answer(world, path, choice="save", **had, **dict.fromkeys(wanted(had), "yes"))).status_code == 200
    assert len(world.intake.events) == 2


async def test_a_choice_that_is_sent_twice_at_one_instant_is_one_choice(world: World, monkeypatch: pytest.MonkeyPatch):
    await world.happen(*helped())
    path = link(await world.mail(), "u")
    await world.hear("survey.sent")
    instant = world.service.clock.now()
    monkeypatch.setattr(world.service.clock, "now", lambda: instant)
    for _ in range(2):
        assert (
            await answer(world, path, choice="save", **{"had.survey": "yes", "had.service": "yes"})
        ).status_code == 200
    assert {one.data.purpose for one in world.intake.events} == {"survey", "service"}
    assert len({one.id for one in world.intake.events}) == 2


def wanted(had: dict[str, str]) -> list[str]:
    return [name.replace("had.", "want.") for name in had]


async def test_a_call_is_owed_listed_and_ticked_off_once(world: World):
    await world.happen(*helped())
    [owed] = await world.hear("followup.owed")
    listed = (await world.get("/v1/check-ins", agent="agent-7")).json()["check_ins"]
    assert [(one["id"], one["team"], one["status"], one["overdue"]) for one in listed] == [
        (owed.data.followup_id, "south", "owed", False)
    ]
    assert (await world.get("/v1/check-ins", agent="agent-8")).json()["check_ins"] == []
    assert (await world.get("/v1/check-ins", key="north-key")).json()["check_ins"] == []
    page = await world.get("/")
    assert "Ada Rossi" in page.text
    assert "<button aria-label" not in page.text  # who may only watch has nothing to press

    path = f"/v1/check-ins/{listed[0]['id']}/done"
    assert (await world.post(path, key="watch-key", outcome="reached")).status_code == 403
    assert (await world.post(path, key="north-key", outcome="reached")).status_code == 404
    assert (await world.post(path, outcome="")).status_code == 422
    done = (await world.post(path, outcome="reached", note="all well")).json()
    assert (done["status"], done["by"], done["note"]) == ("done", "ada", "all well")
    assert (await world.post(path, outcome="reached")).status_code == 409
    [told] = await world.hear("followup.done")
    assert (told.data.by, told.data.outcome) == ("ada", "reached")


async def test_whoever_ticks_a_call_off_stays_with_their_own_calls(world: World):
    await world.happen(*helped())
    [owed] = await world.hear("followup.owed")
    page = await world.get("/", key="act-key", agent="agent-7")
    path = f"/v1/check-ins/{owed.data.followup_id}/done?agent=agent-7&team="
    assert f'action="{path.replace("&", "&amp;")}"' in page.text
    headers = {"authorization": "Bearer act-key"}
    done = await world.http.post(path, data={"outcome": "reached"}, headers=headers)
    assert (done.status_code, done.headers["location"]) == (303, "/?agent=agent-7&team=")


async def test_a_list_of_calls_understands_a_bare_plus_and_says_what_is_no_cursor(world: World):
    query = "due_before=2026-03-02T09:00:00+01:00"
    headers = {"authorization": "Bearer watch-key"}
    assert (await world.http.get(f"/v1/check-ins?{query}", headers=headers)).json() == {"check_ins": [], "cursor": None}
    assert (await world.get("/v1/check-ins", due_before="2026-03-02T09:00:00")).status_code == 422
    assert (await world.get("/v1/check-ins", agent="", team="", due_before="")).status_code == 200
    for path in ("/v1/check-ins", "/"):
        wrong = await world.get(path, cursor="999999999999999:x")
        assert (wrong.status_code, "no cursor of ours" in wrong.text) == (422, True)


async def test_what_a_customer_heard_and_will_hear_is_shown_with_reasons(world: World):
    await world.happen(*helped("shop/K 9", audience="test"))
    await world.hear("followup.suppressed", 2)
    shown = (await world.get("/v1/customers/shop%2FK 9/followups")).json()
    assert [one["reason"] for one in shown["suppressed"]] == ["test", "test"]
    assert shown["slots"]["left"] is None
    assert (await world.get("/v1/customers/nobody/followups")).status_code == 404
    in_force = (await world.get("/v1/plays")).json()
    assert (in_force["version"], in_force["plays"][0]["name"]) == (1, "after-resolution")


async def test_a_key_of_some_teams_sees_only_what_is_theirs_of_a_customer(world: World):
    await world.happen(*helped())
    await world.hear("followup.owed")
    await world.hear("followup.sent")
    path = "/v1/customers/K-1/followups"
    south = (await world.get(path, key="south-key")).json()
    assert {one["team"] for place in ("done", "planned") for one in south[place]} == {"south"}
    assert (await world.get(path, key="north-key")).status_code == 404
    assert len((await world.get(path)).json()["planned"]) == 1


async def test_plays_are_tried_out_over_http_and_nothing_is_sent(world: World):
    story = [json.loads(encode(one)) for one in helped()]
    told = (await world.post("/v1/plays/simulate", key="watch-key", events=story)).json()
    assert told["version"] == 1
    done = {(one["type"], one["customer_id"]) for one in told["steps"] if one["type"] != "followup.scheduled"}
    assert done == {("followup.sent", "K-1"), ("survey.sent", "K-1"), ("followup.owed", "K-1")}
    quiet = await world.post("/v1/plays/simulate", key="watch-key", events=story, plays="plays: []")
    assert quiet.json() == {"version": None, "steps": []}
    del story[1]["data"]["contact_id"]
    wrong = await world.post("/v1/plays/simulate", key="watch-key", events=story)
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/events/1/data/contact_id")
    misread = await world.post("/v1/plays/simulate", key="watch-key", events=[], plays="plays: [")
    assert (misread.status_code, misread.json()["errors"][0]["pointer"]) == (422, "/plays")
    assert world.mails.mails == []
    assert (await world.get("/v1/customers/K-1/followups")).status_code == 404


async def test_a_refused_address_is_told_and_not_tried_again(world: World):
    world.mails.answers = ["550 no such user"]
    await world.happen(*helped())
    [failed] = await world.hear("followup.failed")
    assert failed.data.reason == "550 no such user"
    assert world.mails.mails == []


async def test_a_mail_that_a_server_puts_off_goes_out_at_the_next_try(world: World):
    world.mails.answers = ["450 come back later"]
    await world.happen(*helped())
    await world.try_again_now()
    path = link(await world.mail(), "s")
    await world.hear("survey.sent")
    assert (await world.http.get(path)).status_code == 200


async def test_a_line_that_broke_is_never_sent_again(world: World):
    world.mails.hang_up = True
    await world.happen(*helped())
    [failed] = await world.hear("followup.failed")
    assert failed.data.reason == "unknown"
    world.mails.hang_up = False
    await world.happen(*helped("K-2", "C-2"))
    assert (await world.mail(2))["To"] == "k-2@example.org"
