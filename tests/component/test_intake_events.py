"""POST /v1/events: every answer of the contract, over the real application."""

import asyncio
import base64
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from rapport.contracts import decode, topics

from tests.support.intake import BATCH, STRUCTURED, Intake, batch, data, event, intake_without_kafka


@pytest.fixture
async def intake(tmp_path: Path) -> AsyncIterator[Intake]:
    async with intake_without_kafka(tmp_path) as app:
        yield app


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert {"type", "title", "detail"} <= body.keys()
    return body


async def test_an_event_is_answered_202_once_it_is_stored(intake: Intake):
    response = await intake.post(event())
    assert response.status_code == 202
    assert response.json() == {"accepted": 1, "results": [{"id": "e-1", "status": "accepted"}]}
    [record] = intake.kafka.stored
    assert (record.topic, record.key) == (topics.CONTACT_EVENTS, b"K-5")


async def test_what_is_stored_is_the_event_with_the_time_it_was_taken_in(intake: Intake):
    await intake.post(event(time="2026-03-02T09:59:00.1239+01:00", colour="red", data=data(ours=[1, {"a": None}])))
    [stored] = intake.kafka.events()
    assert stored["time"] == "2026-03-02T08:59:00.123Z"
    assert stored["recordedtime"] == "2026-03-02T09:00:00Z"
    assert stored["partitionkey"] == "K-5"
    assert stored["colour"] == "red"
    assert stored["data"]["ours"] == [1, {"a": None}]
    assert "backfill" not in stored
    assert decode(intake.kafka.stored[0].value).data.customer_id == "K-5"  # type: ignore[attr-defined]


async def test_binary_mode_is_the_same_event(intake: Intake):
    attributes = {f"ce_{name}": value for name, value in event(data=None).items()}
    response = await intake.post(data(), "application/json", **attributes)
    assert response.status_code == 202
    await intake.post(event())
    first, second = intake.kafka.events()
    assert {**first, "traceparent": ""} == {**second, "traceparent": ""}


async def test_json_in_base64_is_the_same_event_and_goes_on_as_json(intake: Intake):
    packed = base64.b64encode(json.dumps(data()).encode()).decode()
    for media in (None, "application/json"):
        assert (await intake.post(event(data=None, data_base64=packed, datacontenttype=media))).status_code == 202
    await intake.post(event())
    first, second, third = ({**stored, "traceparent": ""} for stored in intake.kafka.events())
    assert first == second == third


async def test_a_batch_keeps_its_order(intake: Intake):
    response = await intake.post(batch(*(event(id=f"e-{n}") for n in range(1000))), BATCH)
    assert response.status_code == 202
    assert response.json()["accepted"] == 1000
    assert [stored["id"] for stored in intake.kafka.events()] == [f"e-{n}" for n in range(1000)]


async def test_an_empty_batch_is_taken(intake: Intake):
    assert (await intake.post(b"[]", BATCH)).json() == {"accepted": 0, "results": []}


async def test_207_says_which_events_of_a_batch_were_refused_and_why(intake: Intake):
    events = [event(), event(id="e-2", data=data(channel="pigeon")), event(id="e-3"), event(id="e-4", source="/hr")]
    response = await intake.post(batch(*events), BATCH)
    assert response.status_code == 207
    results = response.json()["results"]
    assert [(r["index"], r["id"], r["status"], "reason" in r) for r in results] == [
        (0, "e-1", "accepted", False),
        (1, "e-2", "refused", True),
        (2, "e-3", "accepted", False),
        (3, "e-4", "refused", True),
    ]
    assert [stored["id"] for stored in intake.kafka.events()] == ["e-1", "e-3"]
    [letter] = intake.kafka.dead()  # what is merely forbidden is still with the sender
    assert letter["rapport-pointer"] == "/data/channel"


async def test_a_malformed_event_does_not_keep_the_others_of_its_batch_out(intake: Intake):
    response = await intake.post(batch(event(), event(id=None), [], event(id="e-4", time="now")), BATCH)  # type: ignore[arg-type]
    assert response.status_code == 207
    assert [(r["id"], r["status"], r.get("code")) for r in response.json()["results"]] == [
        ("e-1", "accepted", None),
        ("", "refused", 400),
        ("", "refused", 400),
        ("e-4", "refused", 400),
    ]
    assert not intake.kafka.dead()
    response = await intake.post(batch(event())[:-1] + b', {"id": "a", "id": "b"}]', BATCH)
    assert response.status_code == 207
    assert response.json()["results"][1]["errors"] == [{"pointer": "/id", "reason": "appears twice"}]


@pytest.mark.parametrize(
    "odd",
    [
        rb'"half an emoji \ud83d"',
        b"[" * 300 + b"]" * 300,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"NaN",
        b'"\xff"',
        b"9" * 9000,
    ],
    ids=["surrogate", "deep", "very deep", "nan", "not UTF-8", "a number of 9,000 digits"],
)
async def test_an_event_that_no_reader_of_json_takes_does_not_keep_the_others_of_its_batch_out(
    intake: Intake, odd: bytes
):
    written = [json.dumps(event(id=f"e-{n}", data=data(ours="ODD" if n == 1 else ", [\\]"))).encode() for n in range(3)]
    body = b" [" + b", ".join(written).replace(b'"ODD"', odd) + b"]\n"
    response = await intake.post(body, BATCH)
    assert response.status_code == 207
    results = [(one["index"], one["status"], one.get("code")) for one in response.json()["results"]]
    assert results[0::2] == [(0, "accepted", None), (2, "accepted", None)]
    assert results[1][:2] == (1, "refused")
    assert [stored["id"] for stored in intake.kafka.events()] == ["e-0", "e-2"]


async def test_a_batch_with_an_odd_event_alone_names_its_place(intake: Intake):
    body = problem(await intake.post(b"[" + json.dumps(event(data=data(ours="\ud83d"))).encode() + b"]", BATCH), 400)
    assert body["errors"][0]["pointer"].startswith("/0")


@pytest.mark.parametrize("rest", [b",]", b"", b"]]", b"] x", b',"\\ud83d]', b"}"])
async def test_400_for_what_is_no_json_array(intake: Intake, rest: bytes):
    odd = json.dumps(event(data=data(ours="\ud83d"))).encode()
    assert problem(await intake.post(b"[" + odd + rest, BATCH), 400)["errors"][0]["pointer"] == ""
    assert not intake.kafka.stored


async def test_a_batch_of_which_nothing_is_taken_is_a_problem_with_pointers_into_the_batch(intake: Intake):
    body = problem(await intake.post(batch(event(type="a.b"), event(data=[1])), BATCH), 422)
    assert [e["pointer"] for e in body["errors"]] == ["/0/type", "/1/data"]


async def test_what_violates_the_contract_goes_whole_to_the_dead_letters(intake: Intake):
    sent = event(data=data(channel="pigeon", ours=1), colour="red")
    body = problem(await intake.post(sent), 422)
    assert [e["pointer"] for e in body["errors"]] == ["/data/channel"]
    [record], [headers] = intake.kafka.on(topics.DEAD_LETTERS), intake.kafka.dead()
    assert json.loads(record.value or b"") == sent
    assert headers["rapport-reason"] == body["errors"][0]["reason"]
    assert headers["rapport-service"] == "intake"
    assert headers["rapport-at"] == "2026-03-02T09:00:00Z"


@pytest.mark.parametrize(
    ("changes", "pointer", "reason"),
    [
        ({"type": "contact.sung"}, "/type", "unknown type"),
        ({"type": "sla.breached"}, "/type", "unknown type"),
        ({"time": None}, "/time", "is required"),
        ({"time": "2026-03-02T09:05:01Z"}, "/time", "future_time"),
        ({"id": "x" * 501}, "/id", "500"),
        ({"source": "/crm/" + "x" * 500}, "/source", "500"),
        ({"data": None}, "/data", "is required"),
        ({"data": ["wrong shape"]}, "/data", "object"),
        ({"data": data(customer_id=None)}, "/data/customer_id", "is required"),
        ({"data": data(customer_id="")}, "/data/customer_id", "at least 1"),
        ({"data": data(customer_id="x" * 201)}, "/data/customer_id", "at most 200"),
        ({"data": data(subject="x" * 20_001)}, "/data/subject", "at most 20000"),
        ({"data": data(number=2**63)}, "/data/number", "63 bits"),
        ({"data": None, "data_base64": "aGVsbG8="}, "/data", "must be JSON"),
        ({"data": None, "data_base64": "e30="}, "/data/customer_id", "is required"),
        ({"data": "<a/>", "datacontenttype": "text/xml"}, "/datacontenttype", "application/json"),
        ({"backfill": "perhaps"}, "/backfill", "true or false"),
    ],
)
async def test_422_points_at_what_is_wrong(intake: Intake, changes: dict[str, Any], pointer: str, reason: str):
    errors = problem(await intake.post(event(**changes)), 422)["errors"]
    assert errors[0]["pointer"] == pointer
    assert reason in errors[0]["reason"]
    assert not intake.kafka.on(topics.CONTACT_EVENTS)
    assert len(intake.kafka.dead()) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b'{"id": "\xff\xfe"}',
        b"[]",
        b'{"specversion": "1.0"}',
        json.dumps(event(time="2026-03-02T09:00:00")).encode(),
        json.dumps(event(id=None)).encode(),
        json.dumps(event(specversion="2.0")).encode(),
        json.dumps(event(data=data(number=float("nan")))).encode(),
        json.dumps(event(data=data(text="\ud800"))).encode(),
        b"[" * 100_000,
    ],
    ids=["empty", "rubbish", "utf-8", "list", "no id", "no zone", "id null", "version", "nan", "surrogate", "deep"],
)
async def test_400_for_what_is_no_event_and_nothing_is_kept_of_it(intake: Intake, body: bytes):
    assert problem(await intake.post(body), 400)["errors"]
    assert not intake.kafka.stored


@pytest.mark.parametrize("content_type", [f"{STRUCTURED};", f"{STRUCTURED}\t; charset=utf-8"])
async def test_a_content_type_may_be_written_as_http_lets_it(intake: Intake, content_type: str):
    assert (await intake.post(event(), content_type)).status_code == 202


async def test_who_sends_a_whole_event_under_the_name_of_its_data_is_told_the_right_one(intake: Intake):
    for body, meant in ((event(), STRUCTURED), ([event(), event()], BATCH)):
        [error] = problem(await intake.post(body, "application/json"), 400)["errors"]
        assert error["pointer"] == "/specversion"
        assert error["reason"].endswith(f"Content-Type: {meant}")
    others: list[tuple[Any, dict[str, str]]] = [(data(), {}), (event(), {"ce_id": "1"}), ([], {}), (b"{", {})]
    for other, headers in others:
        [error] = problem(await intake.post(other, "application/json", **headers), 400)["errors"]
        assert "Content-Type" not in error["reason"]


async def test_401_without_a_key_or_with_a_wrong_one(intake: Intake):
    for key in (None, "guessed", ""):
        response = await intake.post(event(), key=key)
        assert problem(response, 401)
        assert response.headers["www-authenticate"].startswith("Bearer")


async def test_403_for_a_key_that_may_not_send_or_not_for_this_source(intake: Intake):
    problem(await intake.post(event(), key="watch-key"), 403)
    assert problem(await intake.post(event(source="/hr")), 403)["errors"][0]["pointer"] == "/source"
    assert (await intake.post(event(source="/crm/eu"))).status_code == 202
    assert not intake.kafka.dead()


async def test_only_an_admin_has_people_forgotten(intake: Intake):
    erased = event(type="customer.erased", data={"customer_id": "K-5"})
    problem(await intake.post(erased), 403)
    problem(await intake.post(event(), key="admin-key"), 403)


async def test_413_for_1001_events(intake: Intake):
    problem(await intake.post(batch(*(event(id=f"e-{n}") for n in range(1001))), BATCH), 413)
    assert not intake.kafka.stored


async def test_413_for_5_mib(intake: Intake):
    problem(await intake.post(b"[" + b" " * (5 << 20) + b"]", BATCH), 413)


async def test_413_for_an_event_over_256_kib_and_none_for_one_just_below(intake: Intake):
    problem(await intake.post(event(data=data(ours="x" * (256 * 1024)))), 413)
    room = 256 * 1024 - len(json.dumps(event(data=data(ours=""))))
    assert (await intake.post(event(data=data(ours="x" * room)))).status_code == 202
    mixed = batch(event(), event(id="e-2", data=data(ours="x" * (256 * 1024))))
    refused = (await intake.post(mixed, BATCH)).json()["results"][1]
    assert (refused["code"], refused["reason"]) == (413, "is larger than 262144 bytes")


async def test_an_event_too_large_for_kafka_is_413_whatever_else_is_wrong_with_it_and_keeps_no_other_out(
    intake: Intake,
):
    for wrong in (
        event(type="a.b", data=data(ours="x" * (3 << 20))),
        event(data=data(channel="fax", ours="x" * (3 << 20))),
    ):
        results = (await intake.post(batch(wrong, event(id="e-2")), BATCH)).json()["results"]
        assert [(one["status"], one.get("code")) for one in results] == [("refused", 413), ("accepted", None)]
    assert [record.topic for record in intake.kafka.stored] == [topics.CONTACT_EVENTS] * 2


async def test_a_compressed_body_is_opened(intake: Intake):
    body = json.dumps(event()).encode()
    for encoding, packed in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body))):
        assert (await intake.post(packed, content_encoding=encoding)).status_code == 202


async def test_a_gzip_bomb_is_413_before_it_has_gone_off(intake: Intake):
    bomb = gzip.compress(b" " * (200 << 20))
    assert len(bomb) < 256 * 1024
    problem(await intake.post(bomb, content_encoding="gzip"), 413)


async def test_400_for_a_body_that_is_not_compressed_as_it_says(intake: Intake):
    problem(await intake.post(event(), content_encoding="gzip"), 400)
    problem(await intake.post(gzip.compress(json.dumps(event()).encode())[:-9], content_encoding="gzip"), 400)


async def test_415_for_what_is_not_read_here(intake: Intake):
    problem(await intake.post(b"hello", "text/plain"), 415)
    problem(await intake.post(event(), None), 415)
    problem(await intake.post(b"", "application/cloudevents+avro"), 415)
    problem(await intake.post(event(), content_encoding="br"), 415)


async def test_429_says_how_long_a_key_over_its_rate_has_to_wait(intake: Intake):
    assert (await intake.post(batch(*[event()] * 6), BATCH, key="slow-key")).status_code == 202
    response = await intake.post(event(), key="slow-key")
    problem(response, 429)
    assert response.headers["ratelimit-policy"] == '"events";q=2;w=1'
    assert response.headers["ratelimit"].startswith('"events";r=0;')
    intake.clock.advance(int(response.headers["retry-after"]))
    assert (await intake.post(event(), key="slow-key")).status_code == 202


async def test_503_when_kafka_does_not_acknowledge_and_all_is_well_again_afterwards(intake: Intake):
    intake.kafka.away = True
    response = await intake.post(event())
    assert "send again" in problem(response, 503)["detail"]
    assert int(response.headers["retry-after"]) > 0
    intake.kafka.away = False
    assert (await intake.post(event())).status_code == 202


async def test_what_nobody_foresaw_is_a_problem_too_and_names_the_trace_to_look_for(intake: Intake, monkeypatch):
    async def break_down(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(intake.kafka, "publish", break_down)
    transport = httpx.ASGITransport(intake.service.http, raise_app_exceptions=False)
    sent = {"authorization": "Bearer emit-key", "content-type": STRUCTURED}
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    async with httpx.AsyncClient(transport=transport, base_url="http://intake") as http:
        headers = {**sent, "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        answer = await http.post("/v1/events", json=event(), headers=headers)
    assert trace in problem(answer, 500)["detail"]
    with pytest.raises(ZeroDivisionError):  # for the server, which logs it
        await intake.post(event(), traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    assert structlog.contextvars.get_contextvars()["trace"] == trace


async def test_503_when_too_much_is_being_worked_on(tmp_path: Path):
    async with intake_without_kafka(tmp_path, max_in_flight=1 << 20) as intake:
        intake.kafka.held = asyncio.Event()
        large = batch(event(data=data(ours="x" * 200_000)), *[event(data=data(ours="y" * 200_000))] * 3)
        first = asyncio.ensure_future(intake.post(large, BATCH))
        await asyncio.wait({first}, timeout=0.2)
        response = await intake.post(large, BATCH)
        problem(response, 503)
        assert response.headers["retry-after"] == "1"
        intake.kafka.held.set()
        assert (await first).status_code == 202
        assert (await intake.post(large, BATCH)).status_code == 202


async def test_what_happened_before_the_live_window_is_backfill(intake: Intake):
    await intake.post(event(time="2026-03-01T08:59:59Z"))
    await intake.post(event(time="2026-03-01T09:00:00Z"))
    await intake.post(event(backfill=True))
    await intake.post(event(backfill="false"))
    assert [stored.get("backfill") for stored in intake.kafka.events()] == [True, None, True, None]


async def test_the_trace_of_the_request_goes_on_unless_the_event_has_its_own(intake: Intake):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    await intake.post(event(), traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    own = f"00-{'1' * 32}-{'2' * 16}-01"
    theirs = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "tracestate": "them=1,us=2"}
    await intake.post(event(traceparent=own), **theirs)
    await intake.post(event(traceparent=own, tracestate="own=1"), **theirs)
    await intake.post(event(), **theirs)
    first, second, third, fourth = intake.kafka.events()
    assert (first["traceparent"][3:35], first.get("tracestate")) == (trace, None)
    assert (second["traceparent"], second.get("tracestate")) == (own, None)
    assert (third["traceparent"], third.get("tracestate")) == (own, "own=1")
    assert (fourth["traceparent"][3:35], fourth["tracestate"]) == (trace, "them=1,us=2")


async def test_openapi_describes_the_three_modes(intake: Intake):
    document = (await intake.http.get("/openapi.json")).json()
    post = document["paths"]["/v1/events"]["post"]
    assert set(post["requestBody"]["content"]) == {
        "application/json",
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
    }
    assert set(post["responses"]) >= {"202", "207", "400", "401", "403", "413", "415", "422", "429", "503"}
    assert set(post["responses"]) >= {"408", "414", "431"}
    headers = {one["name"] for one in post["parameters"] if one["in"] == "header"}
    assert headers >= {"ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time", "Content-Encoding"}
