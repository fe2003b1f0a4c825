import json

import httpx
import pytest
from devkit.errors import CommandFailed
from devkit.sending import BATCH, Sender, batches


def events(count: int, size: int = 1):
    return [{"id": str(number), "source": "/s", "data": "x" * size} for number in range(count)]


def sender(*answers: httpx.Response, patience: float = 5.0) -> tuple[Sender, list[list[dict[str, str]]]]:
    """A sender whose intake answers as told, and what it was sent."""
    seen: list[list[dict[str, str]]] = []
    left = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content))
        return next(left)

    made = Sender("http://intake", "key", patience=patience)
    made._client = httpx.Client(transport=httpx.MockTransport(answer))
    return made, seen


def test_what_is_accepted_is_taken():
    one, _ = sender(httpx.Response(202, json={"accepted": 2}))
    assert one.send(events(2)).taken == [("/s", "0"), ("/s", "1")]


def test_of_a_mixed_answer_the_refused_keep_their_reasons():
    results = [{"id": "0", "status": "accepted"}, {"id": "1", "status": "refused", "reason": "no channel"}]
    one, _ = sender(httpx.Response(207, json={"results": results}))
    sent = one.send(events(2))
    assert sent.taken == [("/s", "0")]
    assert [(refused.id, refused.reason) for refused in sent.refused] == [("1", "no channel")]


def test_a_batch_refused_as_a_whole_is_refused_event_by_event():
    errors = [{"pointer": "/1/data/score", "reason": "too high"}, {"pointer": "/0/type", "reason": "unknown"}]
    one, _ = sender(httpx.Response(422, json={"detail": "…", "errors": errors}))
    assert [refused.reason for refused in one.send(events(2)).refused] == ["/type: unknown", "/data/score: too high"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_has_no_verdict_is_sent_again_the_same(status):
    one, seen = sender(httpx.Response(status, headers={"retry-after": "0"}), httpx.Response(202))
    sent = one.send(events(1))
    assert (len(sent.taken), sent.again) == (1, 1)
    assert seen[0] == seen[1]


def test_an_intake_that_never_answers_ends_it_with_the_reason():
    one, _ = sender(*[httpx.Response(503, text="Kafka is away")] * 9, patience=0.0)
    with pytest.raises(CommandFailed, match="Kafka is away"):
        one.send(events(1))


def test_a_key_that_may_not_send_ends_it_at_once():
    one, seen = sender(httpx.Response(403, json={"detail": "may not"}))
    with pytest.raises(CommandFailed, match="403 may not"):
        one.send(events(1))
    assert len(seen) == 1


def test_batches_keep_the_order_and_intakes_limits():
    made = list(batches(events(BATCH + 1)))
    assert [len(batch) for batch, _ in made] == [BATCH, 1]
    assert [event["id"] for batch, _ in made for event in batch] == [str(number) for number in range(BATCH + 1)]
    for batch, body in made:
        assert json.loads(body) == batch


def test_large_events_make_small_batches():
    assert all(len(body) < 4 << 20 for _, body in batches(events(30, size=250_000)))
