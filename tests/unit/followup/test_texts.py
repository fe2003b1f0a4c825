"""What a service that carries texts answers, and what that means for the text."""

from typing import Any

import pytest
import requests
from followup.texts import Gateway, deliver_text
from rapport.runtime.addresses import expand
from rapport.runtime.through_apprise import ThroughApprise

SECRETS = ("AC" + "a" * 32, "b" * 32, "15551234567")
NUMBER = "+4915112345678"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Twilio answers to each POST in turn: a status, and a number of its own where it has one."""
    found: list[Any] = []

    def post(url: str, **_: Any) -> requests.Response:
        status, own = found.pop(0)
        made = requests.Response()
        made.status_code, made.url = status, url
        made._content = f'{{"code": {own}, "message": "error=7 of {NUMBER}"}}'.encode() if own else b"{}"
        return made

    monkeypatch.setattr(requests, "post", post)
    return found


@pytest.mark.parametrize(
    ("status", "own", "result"),
    [
        (201, None, "sent"),
        (302, None, "refused"),
        (400, None, "refused"),
        (400, 21610, "refused"),  # the customer has answered STOP
        (404, None, "refused"),
        (401, 20003, "later"),
        (408, None, "later"),
        (425, None, "later"),
        (429, 20429, "later"),
        (500, None, "unknown"),
        (500, 20500, "unknown"),
        (502, None, "unknown"),
        (503, None, "later"),
        (504, None, "unknown"),
    ],
)
async def test_a_text_is_sent_again_only_where_it_can_not_have_gone_out_and_may_yet(
    status: int, own: int | None, result: str, answers: list[Any], monkeypatch: pytest.MonkeyPatch
):
    answers.append((status, own))
    monkeypatch.setenv("SMS_URL", "twilio://{}:{}@{}/{{phone}}".format(*SECRETS))
    gateway = Gateway.read(expand("${SMS_URL}"))
    outcome = await deliver_text("fu-1", "Hello", NUMBER, gateway, ThroughApprise(allow_internal=True))
    assert (outcome.result, answers) == (result, [])
    assert outcome.reason == ("" if result == "sent" else f"the service did not take it (error {own or status})")
    assert not [one for one in (*SECRETS, NUMBER.strip("+")) if one in outcome.reason]
