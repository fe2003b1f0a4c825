"""`POST /v1/hooks/{connector}` as other products see it: over ASGI, with a list for Kafka and a clock set by hand."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from intake.letters import letter_of
from rapport.contracts import topics

from tests.support.intake import NOW as NINE
from tests.support.intake import Intake, intake_without_kafka

NOW = NINE + timedelta(hours=1)
SECRET, OLD, CLIENT = "new-signing-secret", "old-signing-secret", "client-secret"
HOOKS = f"""
hooks:
  zendesk: {{secrets: [{SECRET}, "${{OLD_ZENDESK}}"]}}
  zendesk-eu: {{connector: zendesk, secret: {SECRET}, source: /zendesk/eu, with: {{system: zendesk-eu}}}}
  intercom: {{secret: {CLIENT}, rate: 1}}
  chatwoot: {{secret: {CLIENT}, window: PT1M}}
  zammad: {{secret: {CLIENT}}}
"""
SAMPLES = Path(__file__).parents[1] / "unit/intake/connectors"


@asynccontextmanager
async def opened(tmp_path: Path, hooks: str = HOOKS, **settings: Any) -> AsyncIterator[Intake]:
    path = tmp_path / "hooks.yaml"
    path.write_text(hooks, "utf-8")
    async with intake_without_kafka(tmp_path, hooks=path, **settings) as running:
        running.clock.set(NOW)
        yield running


@pytest.fixture
async def intake(tmp_path, monkeypatch) -> AsyncIterator[Intake]:
    monkeypatch.setenv("OLD_ZENDESK", OLD)
    async with opened(tmp_path) as running:
        yield running


def sample(name: str, place: int = 0) -> bytes:
    body = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))[place]["body"]
    return json.dumps(body).encode()


async def post(intake: Intake, hook: str, body: bytes, key: str | None = None, **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent.setdefault("content-type", "application/json")
    if key:
        sent["authorization"] = f"Bearer {key}"
    return await intake.http.post(f"/v1/hooks/{hook}", content=body, headers=sent)


def zendesk(body: bytes, secret: str = SECRET, at: str = "2026-03-02T10:00:00Z") -> dict[str, str]:
    digest = hmac.new(secret.encode(), at.encode() + body, hashlib.sha256).digest()
    return {
        "x_zendesk_webhook_signature": base64.b64encode(digest).decode(),
        "x_zendesk_webhook_signature_timestamp": at,
    }


def hub(body: bytes, secret: str = CLIENT) -> dict[str, str]:
    return {"x_hub_signature": "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()}


def chatwoot(body: bytes, at: int, secret: str = CLIENT) -> dict[str, str]:
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"x_chatwoot_signature": f"sha256={digest}", "x_chatwoot_timestamp": str(at)}


async def test_what_a_product_signs_is_stored_before_it_is_answered(intake):
    body = sample("zendesk")
    response = await post(intake, "zendesk", body, **zendesk(body))
    assert response.status_code == 202, response.text
    assert response.json() == {"accepted": 1, "results": [{"id": "z-1", "status": "accepted"}]}
    (stored,) = intake.kafka.events()
    assert (stored["source"], stored["type"]) == ("/zendesk", "contact.received")
    assert stored["data"]["contact_id"] == "zendesk:5158"


async def test_the_signatures_of_the_other_products_are_known(intake):
    for name in ("intercom", "zammad"):
        body = sample(name)
        assert (await post(intake, name, body, **hub(body))).status_code == 202
    body = sample("chatwoot")
    assert (await post(intake, "chatwoot", body, **chatwoot(body, int(NOW.timestamp())))).status_code == 202
    assert len(intake.kafka.events()) == 3


async def test_two_secrets_are_valid_at_once_while_one_replaces_the_other(intake):
    body = sample("zendesk")
    assert (await post(intake, "zendesk", body, **zendesk(body, OLD))).status_code == 202


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, "has no header X-Zendesk-Webhook-Signature"),
        (zendesk(sample("zendesk"), "guessed"), "is not what the secret gives"),
        (zendesk(b"{}"), "is not what the secret gives"),
        (zendesk(sample("zendesk"), at="2026-03-02T09:54:59Z"), "300 s away from our clock"),
        (zendesk(sample("zendesk"), at="2026-03-02T10:05:01Z"), "300 s away from our clock"),
        (zendesk(sample("zendesk"), at="yesterday"), "is no time"),
        (zendesk(sample("zendesk"), at="2026-03-02T10:00:00"), "has no offset"),
        (
            {**zendesk(sample("zendesk")), "x_zendesk_webhook_signature_timestamp": "2026-03-02T10:00:01Z"},
            "is not what",
        ),
        ({**zendesk(sample("zendesk")), "x_zendesk_webhook_signature": "nonsense"}, "is not what the secret gives"),
    ],
)
async def test_a_request_that_is_not_known_to_come_from_the_product_is_refused(intake, headers, why):
    response = await post(intake, "zendesk", sample("zendesk"), **headers)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert why in response.json()["detail"]
    assert SECRET not in response.text
    assert intake.kafka.stored == []


async def test_the_window_is_the_hooks_own_and_counts_both_ways(intake):
    body, now = sample("chatwoot"), int(NOW.timestamp())
    statuses = [
        (await post(intake, "chatwoot", body, **chatwoot(body, at))).status_code
        for at in (now - 60, now + 60, now - 61, now + 61)
    ]
    assert statuses == [202, 202, 401, 401]


async def test_an_api_key_opens_every_hook_within_its_sources(intake):
    assert (await post(intake, "zammad", sample("zammad"), key="slow-key")).status_code == 202
    refused = await post(intake, "zammad", sample("zammad"), key="emit-key")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (403, "/source")
    assert (await post(intake, "zammad", sample("zammad"), key="watch-key")).status_code == 403
    assert (await post(intake, "freshdesk", sample("freshdesk"))).status_code == 401


@pytest.mark.parametrize("pair", ["slow-key:X", "slow-key:", "freshdesk:slow-key"])
async def test_a_product_that_knows_only_basic_authentication_may_send_the_key_that_way(intake, pair):
    basic = f"Basic {base64.b64encode(pair.encode()).decode()}"
    assert (await post(intake, "freshdesk", sample("freshdesk"), authorization=basic)).status_code == 202


@pytest.mark.parametrize("token", ["é", "====", "/w==", "a", ""])
async def test_what_is_called_basic_authentication_and_is_none_is_no_key(intake, token):
    headers = {"authorization": f"Basic {token}".encode("latin-1"), "content-type": "application/json"}
    answer = await intake.http.post("/v1/hooks/freshdesk", content=sample("freshdesk"), headers=headers)
    assert answer.status_code == 401


async def test_a_kind_that_is_not_meant_for_us_is_answered_well_so_that_the_product_goes_on_sending(intake):
    body = sample("zendesk", -1)
    response = await post(intake, "zendesk", body, **zendesk(body))
    assert response.status_code == 200
    assert response.json() == {"accepted": 0, "results": [], "ignored": "the mapping has no rule for this kind"}
    assert intake.kafka.stored == []


async def test_a_word_of_ours_that_is_misspelt_is_refused_and_kept(intake):
    slip = {"event": "recieved", "contact": "77", "customer": "K-5", "at": "2026-03-02T09:00:00Z"}
    response = await post(intake, "json", json.dumps(slip).encode(), key="slow-key")
    assert response.status_code == 422
    assert response.json()["errors"][0]["reason"] == "event: says nothing that the mapping has a rule for"
    (record,) = intake.kafka.on(topics.DEAD_LETTERS)
    assert (record.key, json.loads(record.value)) == (b"K-5", slip)


async def test_a_delivery_repeated_is_the_same_event_again(intake):
    body = sample("zendesk")
    first = await post(intake, "zendesk", body, **zendesk(body))
    intake.clock.advance(120)
    second = await post(intake, "zendesk", body, **zendesk(body))
    assert first.json() == second.json()
    one, again = intake.kafka.events()
    assert {**one, "recordedtime": ""} == {**again, "recordedtime": ""} | {"traceparent": one["traceparent"]}


async def test_two_accounts_of_one_product_are_two_sources(intake):
    body = sample("zendesk")
    for hook in ("zendesk", "zendesk-eu"):
        assert (await post(intake, hook, body, **zendesk(body))).status_code == 202
    assert [(e["source"], e["data"]["contact_id"]) for e in intake.kafka.events()] == [
        ("/zendesk", "zendesk:5158"), ("/zendesk/eu", "zendesk-eu:5158"),
    ]  # fmt: skip


async def test_what_can_not_be_mapped_goes_whole_to_the_dead_letters(intake):
    payload = json.loads(sample("zendesk"))
    payload["time"] = "soon"
    body = json.dumps(payload).encode()
    response = await post(intake, "zendesk", body, **zendesk(body))
    assert response.status_code == 422
    assert "time: 'soon' is no time" in response.json()["detail"]
    (record,) = intake.kafka.on(topics.DEAD_LETTERS)
    assert record.value == body
    (letter,) = intake.kafka.dead()
    assert letter["rapport-topic"] == "hooks/zendesk"
    assert letter["rapport-reason"] == "contact.received: time is no time", "what it said is nobody's reason"


async def test_a_payload_kept_is_known_by_the_hooks_source_and_the_customer_it_is_about(intake):
    late = {"event": "received", "id": "a", "at": "soon", "contact": "1", "channel": "email", "customer": "K-5"}
    odd = {**late, "at": "2026-03-02T08:00:00Z", "channel": "pigeon", "customer_id": "not ours", "source": "neither"}
    for payload in (late, odd):
        assert (await post(intake, "json", json.dumps(payload).encode(), key="slow-key")).status_code == 422
        intake.clock.advance(5)
    for record in intake.kafka.on(topics.DEAD_LETTERS):
        letter = letter_of(SimpleNamespace(**msgspec.structs.asdict(record), timestamp=0))
        assert (letter.source, letter.customer_id, letter.event_id, letter.event_type) == ("/json", "K-5", "", "")


async def test_an_event_that_violates_the_contract_goes_to_the_dead_letters_and_its_sister_is_taken(intake):
    body = json.dumps(
        [
            {"event": "received", "id": "a", "at": "2026-03-02T08:00:00Z", "contact": "1", "channel": "pigeon"},
            {"event": "resolved", "id": "b", "at": "2026-03-02T08:01:00Z", "contact": "1"},
        ]
    ).encode()
    response = await post(intake, "json", body, key="slow-key")
    assert response.status_code == 207
    assert [(r["id"], r["status"]) for r in response.json()["results"]] == [("b", "accepted"), ("a", "refused")]
    (record,), (letter,) = intake.kafka.on(topics.DEAD_LETTERS), intake.kafka.dead()
    assert (letter["rapport-pointer"], letter["rapport-topic"]) == ("/data/channel", "hooks/json")
    assert record.value == body  # the payload, since it is the mapping that may be wrong


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"text"', b"null", b'{"a": NaN}', b"\xff", b"[" * 5000])
async def test_what_is_no_payload_is_malformed(intake, body):
    response = await post(intake, "json", body, key="slow-key")
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert intake.kafka.stored == []


async def test_other_refusals_are_problems_too(intake):
    form = await post(intake, "json", b"a=1", key="slow-key", content_type="application/x-www-form-urlencoded")
    assert form.status_code == 415
    assert (await post(intake, "json", b" " * (1 << 20) + b"{}", key="slow-key")).status_code == 413
    unknown = await post(intake, "zendesc", b"{}", key="slow-key")
    assert unknown.status_code == 404
    assert "zendesk-eu" not in unknown.text  # nobody need know whom we have


async def test_a_hook_has_a_rate_of_its_own(intake):
    body = sample("intercom")
    statuses = [(await post(intake, "intercom", body, **hub(body))).status_code for _ in range(4)]
    assert statuses[0] == 202
    assert 429 in statuses


async def test_a_product_is_answered_before_it_gives_up_when_kafka_is_away(tmp_path):
    async with opened(tmp_path, "hooks: {intercom: {secret: client-secret}}", hook_timeout=0.05) as intake:
        intake.kafka.away = True
        body = sample("intercom")
        response = await post(intake, "intercom", body, **hub(body))
        assert response.status_code == 503
        assert response.headers["retry-after"]
        assert "0.05" in response.json()["detail"]


async def test_a_product_is_answered_in_time_whatever_it_is_that_takes_so_long(tmp_path, monkeypatch):
    async def slowly(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("intake.customers.Customers.resolve", slowly)
    file = "hooks: {intercom: {secret: client-secret, resolve_customers: true}}"
    async with opened(tmp_path, file, hook_timeout=0.05) as intake:
        body = sample("intercom")
        response = await post(intake, "intercom", body, **hub(body))
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")
    assert "0.05" in response.json()["detail"]


async def test_a_product_may_ask_first_whether_there_is_such_a_hook(intake):
    assert (await intake.http.head("/v1/hooks/intercom")).status_code == 200
    assert (await intake.http.head("/v1/hooks/atlantis")).status_code == 404


async def test_the_document_says_what_a_hook_answers(intake):
    paths = (await intake.http.get("/openapi.json")).json()["paths"]
    assert set(paths["/v1/hooks/{connector}"]["post"]["responses"]) >= {"200", "202", "207", "401", "404", "422", "503"}
