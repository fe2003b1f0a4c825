"""Dead letters of webhooks, tried again by the mapping of today."""

import json
from datetime import UTC, datetime

import pytest
from intake.connectors import Hooks
from intake.hooked import as_events, kept_headers, remade
from intake.letters import HOOKS, Letter
from rapport.mapping import read_payload

CAME = datetime(2026, 3, 2, 9, 0, 30, tzinfo=UTC)
OLD = "about: x\nsource: /pbx\ntime: '@arrival'\nevents: [{type: contact.confirmed, data: {contact_id: '{call}'}}]\n"
MENDED = OLD.replace("'{call}'", "'{call}', customer_id: '{who|@x-who}'")
BODY = json.dumps({"call": "7"}).encode()


def hooks(tmp_path, mapping: str) -> Hooks:
    (tmp_path / "pbx.yaml").write_text(mapping, "utf-8")
    (tmp_path / "hooks.yaml").write_text("hooks: {calls: {connector: pbx.yaml}}", "utf-8")
    return Hooks(tmp_path / "hooks.yaml")


def letter(body: bytes = BODY, hook: str = "calls", *headers: tuple[str, bytes]) -> Letter:
    return Letter(
        id="l", at=CAME, reason="r", pointer="", service="intake", topic=HOOKS + hook, partition=-1, offset=-1,
        source="", event_id="", event_type="", customer_id="", key=None, value=body, headers=headers,
    )  # fmt: skip


def test_after_a_fix_of_the_mapping_a_payload_becomes_its_events_as_of_when_it_came(tmp_path):
    found = remade(letter(BODY, "calls", ("x-who", b"K-5")), hooks(tmp_path, MENDED))
    assert not isinstance(found, str)
    (event,) = found
    assert (event.attributes["time"], event.data["customer_id"]) == ("2026-03-02T09:00:30Z", "K-5")


def test_what_is_tried_again_has_the_ids_that_the_delivery_would_have_had(tmp_path):
    mended = hooks(tmp_path, MENDED)
    hook = mended.find("calls")
    assert hook is not None
    (event,), _ = as_events(read_payload(BODY, hook.mapping, CAME, {"x-who": "K-5"}))
    again = remade(letter(BODY, "calls", ("x-who", b"K-5")), mended)
    assert not isinstance(again, str)
    assert [one.attributes["id"] for one in again] == [event.attributes["id"]]


@pytest.mark.parametrize(
    ("body", "hook", "reason"),
    [
        (json.dumps({"call": {"id": 7}}).encode(), "calls", "call is no single value"),
        (BODY, "gone", "its hook is no longer there"),
        (b"{", "calls", "EOF while parsing"),
    ],
)
def test_what_is_still_wrong_is_said(tmp_path, body, hook, reason):
    assert reason in remade(letter(body, hook), hooks(tmp_path, OLD))


def test_a_dead_letter_keeps_the_headers_that_the_mapping_looks_at_and_no_others(tmp_path):
    hook = hooks(tmp_path, MENDED).find("calls")
    assert hook is not None
    sent = {"content-type": "application/json", "x-who": "K-5", "authorization": "Bearer s", "x-other": "o"}
    assert kept_headers(hook, sent) == (("content-type", b"application/json"), ("x-who", b"K-5"))
