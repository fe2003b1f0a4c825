"""Dead letters of webhooks, tried again by the mapping of today."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from intake.connectors import Hooks
from intake.domain import Caller, Door
from intake.hooked import TOPIC, as_events, judged_again, kept_headers
from intake.letters import Letter
from rapport.mapping import read_payload

CAME = datetime(2026, 3, 2, 9, 0, 30, tzinfo=UTC)
DOOR = Door(Caller(admin=True), CAME + timedelta(days=3), timedelta(days=1))
OLD = "about: x\nsource: /pbx\ntime: '@arrival'\nevents: [{type: contact.confirmed, data: {contact_id: '{call}'}}]\n"
MENDED = OLD.replace("'{call}'", "'{call}', customer_id: '{who|@x-who}'")
BODY = json.dumps({"call": "7"}).encode()


def hooks(tmp_path, mapping: str) -> Hooks:
    (tmp_path / "pbx.yaml").write_text(mapping, "utf-8")
    (tmp_path / "hooks.yaml").write_text("hooks: {calls: {connector: pbx.yaml}}", "utf-8")
    return Hooks(tmp_path / "hooks.yaml")


def letter(body: bytes = BODY, hook: str = "calls", *headers: tuple[str, bytes]) -> Letter:
    return Letter(
        id="l", at=CAME, reason="r", pointer="", service="intake", topic=TOPIC + hook, partition=-1, offset=-1,
        source="", event_id="", event_type="", customer_id="", key=None, value=body, headers=headers,
    )  # fmt: skip


def test_after_a_fix_of_the_mapping_a_payload_becomes_its_events_as_of_when_it_came(tmp_path):
    found = judged_again(letter(BODY, "calls", ("x-who", b"K-5")), hooks(tmp_path, MENDED), DOOR)
    assert not isinstance(found, str)
    (accepted,) = found
    event = json.loads(accepted.value)
    assert (event["time"], event["data"]["customer_id"]) == ("2026-03-02T09:00:30Z", "K-5")


def test_what_is_tried_again_has_the_ids_that_the_delivery_would_have_had(tmp_path):
    mended = hooks(tmp_path, MENDED)
    hook = mended.find("calls")
    assert hook is not None
    (event,), _ = as_events(read_payload(BODY, hook.mapping, CAME, {"x-who": "K-5"}))
    found = judged_again(letter(BODY, "calls", ("x-who", b"K-5")), mended, DOOR)
    assert [accepted.id for accepted in found if not isinstance(accepted, str)] == [event.attributes["id"]]


@pytest.mark.parametrize(
    ("body", "hook", "reason"),
    [
        (BODY, "calls", "is required"),
        (BODY, "gone", "its hook is no longer there"),
        (b"{", "calls", "EOF while parsing"),
    ],
)
def test_what_is_still_wrong_is_said(tmp_path, body, hook, reason):
    assert reason in judged_again(letter(body, hook), hooks(tmp_path, OLD), DOOR)


def test_a_dead_letter_keeps_the_headers_that_the_mapping_looks_at_and_no_others(tmp_path):
    hook = hooks(tmp_path, MENDED).find("calls")
    assert hook is not None
    sent = {"content-type": "application/json", "x-who": "K-5", "authorization": "Bearer s", "x-other": "o"}
    assert kept_headers(hook, sent) == (("content-type", b"application/json"), ("x-who", b"K-5"))
