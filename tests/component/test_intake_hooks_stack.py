"""Webhooks with real Kafka and MongoDB: mended mappings, and contacts whose customer intake remembers."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from tests.support.intake import RealIntake, real_intake
from tests.support.stack import Addresses

HOOKS = "hooks: {calls: {connector: pbx.yaml, secret: s, resolve_customers: true}}"
WRONG = """
about: our telephone system
source: /pbx
signature: {header: X-Signature, digest: sha256}
time: "@arrival"
data: {contact_id: "{call}", customer_id: "{who}"}
events:
  - {type: contact.received, id: "{call}", when: {event: began}, data: {channel: telephone}}
  - {type: contact.resolved, id: "{call}:ended", when: {event: ended}, data: {handle_seconds: {from: took}}}
"""
MENDED = WRONG.replace("{from: took}", "{from: took, as: number}").replace("telephone", "phone")


@pytest.fixture
async def intake(tmp_path: Path, stack: Addresses, unique: Callable[[str], str]) -> AsyncIterator[RealIntake]:
    (tmp_path / "pbx.yaml").write_text(WRONG, "utf-8")
    path = tmp_path / "hooks.yaml"
    path.write_text(HOOKS, "utf-8")
    async with real_intake(tmp_path, stack.kafka, stack.mongodb, unique("hooks"), hooks=path) as running:
        yield running


async def post(intake: RealIntake, **payload: object) -> httpx.Response:
    body = json.dumps(payload).encode()
    signed = {"x-signature": hmac.new(b"s", body, hashlib.sha256).hexdigest(), "content-type": "application/json"}
    return await intake.http.post("/v1/hooks/calls", content=body, headers=signed)


async def mend(intake: RealIntake, folder: Path) -> None:
    """A mended mapping, in force once it takes what the old one refused."""
    (folder / "pbx.yaml").write_text(MENDED, "utf-8")
    async with asyncio.timeout(20):
        while (await post(intake, event="began", call="7", who="K-5")).status_code != 202:
            await intake.service.clock.sleep(0.1)


async def test_what_a_wrong_mapping_kept_out_is_let_in_by_the_mended_one_and_finds_its_customer(intake, tmp_path):
    assert (await post(intake, event="ended", call="7", took="30")).status_code == 422  # nor does it say whose call
    assert (await post(intake, event="began", call="7", who="K-5")).status_code == 422
    letters = await intake.letters(2)
    assert {letter["topic"] for letter in letters} == {"hooks/calls"}
    await mend(intake, tmp_path)
    ordered = await intake.replay(all=True)
    assert (ordered.json()["replayed"], ordered.json()["still_refused"]) == (len(await intake.letters(0)), 0)
    events = [json.loads(record.value) for record in await intake.everything()]
    ended = [event for event in events if event["type"] == "contact.resolved"]
    assert [(event["data"]["customer_id"], event["data"]["handle_seconds"]) for event in ended] == [("K-5", 30)]
    assert {event["id"] for event in events} == {"7", "7:ended"}
