import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from rapport.client import AsyncClient, Client, NotSent, Result, batches

from tests.support.clock import ManualClock

Answer = Callable[[list[dict[str, Any]]], httpx.Response]


def events(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [{"id": f"e-{n}", "type": "contact.received", **changes} for n in range(count)]


def taken(batch: list[dict[str, Any]]) -> httpx.Response:
    return httpx.Response(202, json={"results": [{"id": event["id"], "status": "accepted"} for event in batch]})


def says(status: int, **headers: str) -> Answer:
    return lambda _: httpx.Response(status, json={"detail": "no"}, headers=headers)


def unreachable(_: list[dict[str, Any]]) -> httpx.Response:
    raise httpx.ConnectError("refused")


class FakeIntake:
    """Gives the answers in turn, then takes everything; remembers the ids that it was sent."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked: list[list[str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer secret"
        assert request.headers["content-type"] == "application/cloudevents-batch+json"
        batch = json.loads(request.content)
        self.asked.append([event["id"] for event in batch])
        return (self._answers.pop(0) if self._answers else taken)(batch)

    def client(self, clock: ManualClock | None = None) -> AsyncClient:
        transport = httpx.MockTransport(self)
        return AsyncClient("http://intake", "secret", clock=clock or ManualClock(), transport=transport, tries=4)


async def test_events_go_in_batches_of_500_in_their_order():
    intake = FakeIntake()
    async with intake.client() as client:
        results = await client.send(events(1201))
    assert [len(ids) for ids in intake.asked] == [500, 500, 201]
    assert [result.id for result in results] == [f"e-{n}" for n in range(1201)]
    assert all(result.accepted for result in results)


def test_batches_stay_below_what_intake_takes():
    sizes = [sum(len(event.json) for event in batch) for batch in batches(events(100, text="x" * 200_000))]
    assert len(sizes) > 6
    assert max(sizes) <= 3 << 20


@pytest.mark.parametrize("trouble", [says(503), says(429), says(500), unreachable])
async def test_trouble_that_passes_is_waited_out_with_the_same_ids(trouble: Answer):
    intake = FakeIntake(trouble, trouble)
    async with intake.client() as client:
        assert await client.send(events(1)) == [Result("e-0", accepted=True)]
    assert intake.asked == [["e-0"]] * 3


async def test_retry_after_is_obeyed():
    clock = ManualClock()
    began = clock.now()
    async with FakeIntake(says(429, **{"retry-after": "30"})).client(clock) as client:
        await client.send(events(1))
    assert 30 <= (clock.now() - began).total_seconds() < 40


async def test_what_was_refused_is_told_event_by_event():
    def mixed(batch: list[dict[str, Any]]) -> httpx.Response:
        refused = {"index": 1, "id": batch[1]["id"], "status": "refused", "reason": "future_time"}
        return httpx.Response(207, json={"results": [{"index": 0, "id": "e-0", "status": "accepted"}, refused]})

    async with FakeIntake(mixed).client() as client:
        assert await client.send(events(2)) == [
            Result("e-0", accepted=True),
            Result("e-1", accepted=False, reason="future_time"),
        ]


async def test_a_batch_that_was_refused_whole_is_told_event_by_event_too():
    errors = [{"pointer": "/0/time", "reason": "is required"}, {"pointer": "/0/data", "reason": "is required"}]
    async with FakeIntake(lambda _: httpx.Response(422, json={"errors": errors})).client() as client:
        assert await client.send(events(1)) == [Result("e-0", accepted=False, reason="is required", pointer="/time")]


async def test_giving_up_says_how_far_it_got():
    intake = FakeIntake(taken, *[unreachable] * 4)
    async with intake.client() as client:
        with pytest.raises(NotSent, match="4 tries: ConnectError") as caught:
            await client.send(events(600))
    assert len(caught.value.results) == 500


@pytest.mark.parametrize("status", [401, 403, 404, 415])
async def test_what_sending_again_cannot_mend_is_not_sent_again(status: int):
    intake = FakeIntake(says(status))
    async with intake.client() as client:
        with pytest.raises(NotSent, match=f"answered {status}: no") as caught:
            await client.send(events(2))
    assert len(intake.asked) == 1
    assert caught.value.final


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_batch_refused_without_a_word_on_which_event_is_halved_until_that_one_is_alone(status: int):
    def objects(batch: list[dict[str, Any]]) -> httpx.Response:
        return says(status)(batch) if any(event["id"] == "e-5" for event in batch) else taken(batch)

    intake = FakeIntake(*[objects] * 9)
    async with intake.client() as client:
        results = await client.send(events(8))
    assert results == [Result(f"e-{n}", accepted=n != 5, reason="no" if n == 5 else "") for n in range(8)]
    assert [len(ids) for ids in intake.asked] == [8, 4, 4, 2, 1, 1, 2]


async def test_giving_up_in_the_middle_of_a_halved_batch_says_how_far_it_got():
    intake = FakeIntake(says(400), taken, *[unreachable] * 4)
    async with intake.client() as client:
        with pytest.raises(NotSent, match="ConnectError") as caught:
            await client.send(events(5))
    assert [result.id for result in caught.value.results] == ["e-0", "e-1"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud83d"])
async def test_what_json_can_not_say_is_refused_where_it_is_written_and_not_sent(value: object):
    intake = FakeIntake()
    async with intake.client() as client:
        with pytest.raises(ValueError, match="'e-0'"):
            await client.send(events(1, data={"score": value}))
    assert not intake.asked


def test_a_program_without_an_event_loop_sends_too():
    pauses: list[float] = []
    intake = FakeIntake(says(503), unreachable)
    with Client("http://intake", "secret", transport=httpx.MockTransport(intake), sleep=pauses.append) as client:
        assert client.send(events(2)) == [Result("e-0", accepted=True), Result("e-1", accepted=True)]
        assert (client.again, len(pauses)) == (2, 2)


def test_patience_has_an_end():
    transport = httpx.MockTransport(FakeIntake(*[says(429, **{"retry-after": "30"})] * 9))
    client = Client("http://intake", "secret", transport=transport, patience=70, sleep=lambda _: None)
    with client, pytest.raises(NotSent, match="3 tries: answered 429"):
        client.send(events(1))


@pytest.mark.parametrize("body", ["<html>", "{}", '{"results": []}', '{"errors": 5}', "null"])
async def test_what_is_no_intake_is_told_so(body: str):
    async with FakeIntake(lambda _: httpx.Response(202, text=body)).client() as client:
        with pytest.raises(NotSent, match="is this intake"):
            await client.send(events(1))


async def test_a_key_read_from_a_file_is_sent_without_its_line_break():
    sender = AsyncClient("http://intake", "secret\r\n", transport=httpx.MockTransport(FakeIntake()))
    assert [result.accepted for result in await sender.send(events(1))] == [True]


@pytest.mark.parametrize(
    ("url", "key", "why"),
    [
        ("intake:8001", "secret", "must begin with http"),
        ("ftp://intake", "secret", "must begin with http"),
        ("http://", "secret", "name a host"),
        ("http://\0", "secret", "no address"),
        ("http://intake", " ", "the key is empty"),
        ("http://intake", "two\nlines-secret", "no header"),
        ("http://intake", "schl\u00fcssel-secret", "no header"),
    ],
)
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_what_could_never_be_sent_is_told_at_once_and_no_error_shows_the_key(kind: Any, url: str, key: str, why: str):
    with pytest.raises(ValueError, match=why) as raised:
        kind(url, key)
    assert "secret" not in str(raised.value)
