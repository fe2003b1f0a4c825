import json
from typing import Any

import httpx
import pytest
from devkit.errors import CommandFailed
from devkit.sending import Refused, Sender


def events(count: int) -> list[dict[str, Any]]:
    return [{"id": str(number), "source": "/s"} for number in range(count)]


def accepted(count: int) -> httpx.Response:
    return httpx.Response(202, json={"results": [{"id": str(n), "status": "accepted"} for n in range(count)]})


def sender(*answers: httpx.Response, patience: float = 5.0) -> tuple[Sender, list[list[dict[str, str]]]]:
    """A sender whose intake answers as told, and what it was sent."""
    seen: list[list[dict[str, str]]] = []
    left = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content))
        return next(left)

    return Sender("http://intake", "key", patience=patience, transport=httpx.MockTransport(answer)), seen


def test_what_is_taken_and_what_refused_is_told_by_source_and_id():
    refused = {"id": "1", "status": "refused", "reason": "is required", "errors": [{"pointer": "/data/channel"}]}
    results = [{"id": "0", "status": "accepted"}, refused]
    settled: list[int] = []
    one, _ = sender(httpx.Response(207, json={"results": results}))
    sent = one.send(events(2), settled.append)
    assert (sent.taken, sent.refused) == ([("/s", "0")], [Refused("/s", "1", "/data/channel: is required")])
    assert settled == [2]


def test_what_has_no_verdict_is_sent_again_the_same_and_counted():
    one, seen = sender(httpx.Response(503), accepted(1))
    sent = one.send(events(1))
    assert (sent.taken, sent.again) == ([("/s", "0")], 1)
    assert seen[0] == seen[1]


def test_an_intake_that_never_answers_ends_it_with_the_reason():
    one, _ = sender(httpx.Response(503, text="Kafka is away"), patience=0.0)
    with pytest.raises(CommandFailed, match="Kafka is away"):
        one.send(events(1))


def test_a_key_that_may_not_send_ends_it_at_once():
    one, seen = sender(httpx.Response(403, json={"detail": "may not"}))
    with pytest.raises(CommandFailed, match="403: may not"):
        one.send(events(1))
    assert len(seen) == 1
