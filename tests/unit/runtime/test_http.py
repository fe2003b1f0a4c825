"""Who may call what, and how it is said when something is wrong."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from pymongo.errors import AutoReconnect, OperationFailure
from rapport.runtime.http import COOKIE, Auth, create_http, require
from rapport.runtime.keys import Key, Keys, Sessions
from rapport.runtime.layers import MOST
from rapport.runtime.problem import wrong_body
from rapport.runtime.publisher import NotAcknowledged
from starlette.responses import StreamingResponse
from structlog.testing import capture_logs

from tests.support.clock import ManualClock

HOURS = 3600
AsWatcher = Annotated[Key, Depends(require("watch"))]
AsActor = Annotated[Key, Depends(require("act"))]


class Note(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str

    @field_validator("text")
    @classmethod
    def _not_empty(cls, text: str) -> str:
        if not text:
            raise ValueError("must not be empty")
        return text


def keys_file(tmp_path, **roles: str) -> Keys:
    path = tmp_path / "keys.yaml"
    lines = [
        f"- {{name: {name}, sha256: {hashlib.sha256(name.encode()).hexdigest()}, roles: [{role}]}}"
        for name, role in roles.items()
    ]
    path.write_text("keys:\n" + "\n".join(lines))
    return Keys(path)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def keys(tmp_path):
    return keys_file(tmp_path, emitter="emit", watcher="watch", actor="act", boss="admin")


@pytest.fixture
def wrong():
    return {}


@pytest.fixture
def notes():
    return {}


@pytest.fixture
def make_client(clock, keys, wrong, notes):
    def make(user_header: str | None = None, *, starting: bool = False) -> httpx.AsyncClient:
        async def ready() -> dict[str, str]:
            return dict(wrong)

        auth = Auth(keys, Sessions(keys, b"secret"), clock, user_header)
        app = create_http("toy", auth=auth, ready=ready, notes=lambda: notes, asyncapi=lambda: {"asyncapi": "3.0.0"})

        @app.get("/seen")
        async def seen(key: AsWatcher) -> dict[str, str]:
            return {"by": key.name}

        @app.post("/done")
        async def done(key: AsActor) -> dict[str, str]:
            return {"by": key.name}

        @app.post("/notes")
        async def note_down(note: Note) -> Note:
            return note

        @app.get("/changes")
        async def changes() -> StreamingResponse:
            return StreamingResponse(without_end(), media_type="text/event-stream")

        @app.get("/fails/{how}")
        async def fails(how: str) -> None:
            raise {
                "kafka": NotAcknowledged("Kafka did not acknowledge within 3 s"),
                "mongodb": AutoReconnect("away"),
                "ours": OperationFailure("bad index", 2),
            }[how]

        app.state.starting = starting
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://toy.example")

    return make


@pytest.fixture
async def client(make_client):
    async with make_client() as client:
        yield client


async def without_end() -> AsyncIterator[str]:
    yield ":\n\n"
    await asyncio.Event().wait()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def signed_in(client: httpx.AsyncClient, key: str) -> None:
    assert (await client.post("/login", json={"key": key})).status_code == 303


def assert_problem(answer: httpx.Response, status: int) -> Any:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert {"type", "title", "status", "detail"} <= body.keys()
    assert body["status"] == status
    return body


@pytest.mark.parametrize(
    ("key", "sees", "acts"),
    [("emitter", 403, 403), ("watcher", 200, 403), ("actor", 200, 200), ("boss", 200, 200), ("stranger", 401, 401)],
)
async def test_admin_may_act_and_who_acts_may_watch_but_who_emits_only_emits(client, key, sees, acts):
    assert (await client.get("/seen", headers=bearer(key))).status_code == sees
    assert (await client.post("/done", headers=bearer(key))).status_code == acts


async def test_while_the_service_starts_only_its_health_can_be_asked_for(make_client, wrong):
    wrong["mongodb"] = "does not answer"
    async with make_client(starting=True) as client:
        assert_problem(await client.get("/seen", headers=bearer("watcher")), 503)
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).json()["wrong"] == wrong


async def test_a_method_that_is_not_there_is_answered_with_all_that_are(client):
    answer = await client.delete("/login")
    assert_problem(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert (await client.post("/openapi.json")).headers["allow"] == "GET, HEAD"


async def test_what_there_is_to_get_can_be_asked_for_without_its_body(client):
    answer = await client.head("/healthz")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len((await client.get("/healthz")).content))
    assert (await client.head("/seen")).status_code == 401
    assert (await client.head("/changes")).headers["content-type"].startswith("text/event-stream")
    only_posted = await client.head("/done", headers=bearer("actor"))
    assert (only_posted.status_code, only_posted.headers["allow"]) == (405, "POST")


async def test_a_body_that_nobody_needs_is_refused_without_being_kept(client):
    pieces = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            pieces.append(1)
            yield bytes(MOST)

    assert_problem(await client.post("/login", content=endless()), 413)
    assert len(pieces) < 10
    assert_problem(await client.post("/notes", content=bytes(MOST + 1)), 413)
    assert (await client.post("/notes", json={"text": "x" * (MOST - 50)})).status_code == 200


async def test_nobody_is_told_how_to_sign_in(client):
    answer = await client.get("/seen")
    assert_problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_what_is_not_allowed_names_the_key_and_the_role(client):
    body = assert_problem(await client.get("/seen", headers=bearer("emitter")), 403)
    assert body["detail"] == "the key 'emitter' has not the role 'watch'"


async def test_a_browser_is_sent_to_the_sign_in_page_and_back_to_where_it_was_going(client):
    answer = await client.get("/seen?team=a&x=1", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    there = answer.headers["location"]
    assert there == "/login?next=/seen%3Fteam%3Da%26x%3D1"
    assert 'name="key"' in (await client.get(there)).text
    back = await client.post(there, data={"key": "watcher"})
    assert (back.status_code, back.headers["location"]) == (303, "/seen?team=a&x=1")
    assert (await client.get("/seen?team=a&x=1")).json() == {"by": "watcher"}


@pytest.mark.parametrize("following", ["https://evil.example/", "//evil.example/", "/\\evil.example", "evil"])
async def test_nobody_is_sent_to_another_site_after_signing_in(client, following):
    answer = await client.post("/login", params={"next": following}, data={"key": "watcher"})
    assert answer.headers["location"] == "/"


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(client):
    cookie = (await client.post("/login", json={"key": "actor"})).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


async def test_an_unknown_key_does_not_sign_in(client):
    assert_problem(await client.post("/login", json={"key": "stranger"}), 401)
    half = await client.post("/login", content=rb'{"key": "\ud800"}', headers={"Content-Type": "application/json"})
    assert_problem(half, 401)
    assert_problem(await client.post("/login", json=["key"]), 401)
    assert_problem(
        await client.post("/login", content=b"{", headers={"Content-Type": "application/json"}),
        400,
    )
    deep = await client.post("/login", content=b"[" * 5000, headers={"Content-Type": "application/json"})
    assert_problem(deep, 400)
    page = await client.post("/login", data={"key": "stranger"})
    assert (page.status_code, "That key is not known here." in page.text) == (401, True)


async def test_another_site_can_not_act_with_somebodys_cookie(client):
    await signed_in(client, "actor")
    assert (await client.post("/done", headers={"Origin": "http://toy.example"})).status_code == 200
    assert (await client.post("/done", headers={"Origin": "https://evil.example"})).status_code == 401
    assert (await client.post("/done", headers={"Origin": "null"})).status_code == 401


async def test_a_session_ends_after_twelve_hours_and_with_the_sign_out(client, clock):
    await signed_in(client, "actor")
    clock.advance(12 * HOURS)
    assert (await client.get("/seen")).status_code == 200
    clock.advance(1)
    assert (await client.get("/seen")).status_code == 401
    await signed_in(client, "actor")
    await client.post("/logout")
    assert COOKIE not in client.cookies


async def test_a_trusted_proxys_header_names_the_person_only_where_it_was_set_up(make_client):
    header = {"X-User": "ann@example.com"}
    async with make_client() as plain:
        assert (await plain.post("/done", headers=header)).status_code == 401
    async with make_client(user_header="X-User") as trusting:
        assert (await trusting.post("/done", headers=header)).json() == {"by": "ann@example.com"}
        evil = {**header, "Origin": "https://evil.example"}
        assert (await trusting.post("/done", headers=evil)).status_code == 401


async def test_a_wrong_field_is_named_by_its_pointer(client):
    body = assert_problem(await client.post("/notes", json={"text": 5}), 422)
    assert body["title"] == "Violates the contract"
    assert body["errors"] == [{"pointer": "/body/text", "reason": "Input should be a valid string"}]


async def test_what_is_no_json_is_malformed_and_what_is_not_called_so_is_told_the_right_name(client):
    body = assert_problem(await client.post("/notes", content=b"{", headers={"Content-Type": "application/json"}), 400)
    assert body["errors"] == [{"pointer": "/body", "reason": "is no JSON"}]
    for content_type in ({}, {"Content-Type": "application/x-www-form-urlencoded"}):
        body = assert_problem(await client.post("/notes", content=b'{"text": "a"}', headers=content_type), 415)
        assert "application/json" in body["detail"]


async def test_what_is_wrong_is_told_in_words_and_not_in_those_of_a_library(client):
    body = assert_problem(await client.post("/notes", json={"text": "", "a/b": 1}), 422)
    assert body["errors"] == [
        {"pointer": "/body/text", "reason": "must not be empty"},
        {"pointer": "/body/a~1b", "reason": "Extra inputs are not permitted"},
    ]


def test_a_body_that_a_handler_reads_by_itself_is_refused_in_the_same_words():
    with pytest.raises(ValidationError) as refused:
        Note.model_validate_json('{"text": "", "a/b": 1}')
    problem = wrong_body(refused.value)
    assert problem.status == 422
    assert problem.errors == [("/text", "must not be empty"), ("/a~1b", "Extra inputs are not permitted")]


async def test_the_document_says_how_signing_in_and_out_is_answered(client):
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert {"303", "400", "401", "413"} == paths["/login"]["post"]["responses"].keys()
    assert {"303"} == paths["/logout"]["post"]["responses"].keys()
    assert {"200", "400", "413", "415", "422"} == paths["/notes"]["post"]["responses"].keys()


@pytest.mark.parametrize("how", ["kafka", "mongodb"])
async def test_what_is_away_for_a_while_says_send_again(client, how):
    answer = await client.get(f"/fails/{how}")
    assert "send again" in assert_problem(answer, 503)["detail"]
    assert int(answer.headers["retry-after"]) > 0


async def test_a_fault_of_ours_is_not_called_temporary(client):
    assert_problem(await client.get("/fails/ours"), 500)


async def test_unknown_paths_and_methods_are_problems_too(client):
    assert_problem(await client.get("/nope"), 404)
    assert_problem(await client.delete("/seen"), 405)


async def test_readiness_says_what_is_wrong(client, wrong):
    assert (await client.get("/healthz")).json() == {"status": "alive"}
    assert (await client.get("/readyz")).json() == {"status": "ready", "wrong": {}, "notes": {}}
    wrong["kafka"] = "does not answer"
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["wrong"]) == (503, {"kafka": "does not answer"})


async def test_readiness_notes_what_keeps_nobody_from_working(client, notes):
    notes["hooks"] = "the hooks in force stay"
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["notes"]) == (200, {"hooks": "the hooks in force stay"})


async def test_figures_and_documents_are_there_for_all(client):
    assert "rapport_http_requests_total" in (await client.get("/metrics")).text
    assert (await client.get("/asyncapi")).json() == {"asyncapi": "3.0.0"}
    assert (await client.get("/openapi.json")).json()["info"]["title"] == "Rapport toy"


async def test_what_a_link_in_a_message_holds_is_not_told_to_the_log(client):
    with capture_logs() as lines:
        for path in ("/s/T0ken", "/u/T0ken/", "/a/T0ken", "/seen"):
            await client.get(path)
    assert [line["path"] for line in lines] == ["/s/…", "/u/…", "/a/…", "/seen"]
