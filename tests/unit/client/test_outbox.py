"""Events that wait for intake in a file: through crashes, in order, within bounds."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rapport.client import AsyncClient, Client, NotSent, Outbox, OutboxBusy, OutboxFull
from rapport.client.conversation import Written


def events(*ids: str) -> list[dict[str, Any]]:
    return [{"id": name, "type": "contact.received"} for name in ids]


class FakeIntake:
    """Takes what comes while it is there; `got` are the ids in the order in which they came."""

    def __init__(self) -> None:
        self.there = True
        self.answers = 202
        self.got: list[str] = []
        self.asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if not self.there:
            raise httpx.ConnectError("refused")
        ids = [event["id"] for event in json.loads(request.content)]
        if self.answers != 202:
            return httpx.Response(self.answers, json={"detail": "no"})
        self.got += ids
        return httpx.Response(202, json={"results": [{"id": name, "status": "accepted"} for name in ids]})

    def client(self, path: Path, **options: Any) -> Client:
        transport = httpx.MockTransport(self)
        return Client("http://intake", "k", outbox=path, transport=transport, tries=2, sleep=lambda _: None, **options)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.outbox"


@pytest.fixture
def intake() -> FakeIntake:
    return FakeIntake()


def put(path: Path, *ids: str, most: int = 10_000) -> None:
    with Outbox(path, most=most) as outbox:
        outbox.put(Written(name, json.dumps({"id": name}).encode()) for name in ids)


def waiting(path: Path) -> list[str]:
    with Outbox(path) as outbox:
        return [event.id for event in outbox.waiting()]


def test_while_intake_is_there_nothing_waits(intake: FakeIntake, path: Path):
    with intake.client(path) as client:
        assert [result.id for result in client.emit(events("a", "b"))] == ["a", "b"]
        assert client.outbox.waiting_bytes == 0
    assert path.stat().st_size == 0


def test_what_intake_does_not_take_waits_and_goes_first_once_it_is_back(intake: FakeIntake, path: Path):
    intake.there = False
    with intake.client(path) as client:
        assert client.emit(events("a", "b")) == []
        assert client.emit(events("c")) == []
        assert intake.asked == 1, "an intake that is away is not asked again at every event"
        with pytest.raises(NotSent):
            client.flush()
    intake.there = True
    with intake.client(path) as client:
        assert [result.id for result in client.emit(events("d"))] == ["a", "b", "c", "d"]
    assert intake.got == ["a", "b", "c", "d"]


async def test_the_same_with_an_event_loop(intake: FakeIntake, path: Path):
    intake.there = False
    transport = httpx.MockTransport(intake)
    async with AsyncClient("http://intake", "k", outbox=path, transport=transport, tries=1) as client:
        assert await client.emit(events("a")) == []
        intake.there = True
        assert [result.id for result in await client.flush()] == ["a"]


def test_there_is_room_for_so_much_and_no_more_and_it_is_all_or_nothing(path: Path):
    with Outbox(path, most=100) as outbox:
        outbox.put([Written("a", b'{"id": "a"}')])
        with pytest.raises(OutboxFull):
            outbox.put([Written("b", b'{"id": "b"}'), Written("c", b'{"id": "%b"}' % (b"c" * 90))])
    assert waiting(path) == ["a"]


def test_a_full_outbox_makes_room_by_sending_first(intake: FakeIntake, path: Path):
    with intake.client(path, outbox_bytes=100) as client:
        client.outbox.put([Written("a", b'{"id": "%b"}' % (b"a" * 70))])
        assert [result.id for result in client.emit(events("b"))] == ["a" * 70, "b"]


async def test_a_full_outbox_makes_room_with_an_event_loop_too(intake: FakeIntake, path: Path):
    transport = httpx.MockTransport(intake)
    async with AsyncClient("http://intake", "k", outbox=path, transport=transport, tries=1, outbox_bytes=100) as client:
        client.outbox.put([Written("a", b'{"id": "%b"}' % (b"a" * 70))])
        assert [result.id for result in await client.emit(events("b"))] == ["a" * 70, "b"]


def test_where_there_is_no_room_even_then_none_of_the_events_is_kept(intake: FakeIntake, path: Path):
    with intake.client(path, outbox_bytes=40_000) as client:
        client.outbox.put([Written("a", b'{"id": "a"}')])
        with pytest.raises(OutboxFull) as caught:
            client.emit(events(*(f"e-{n}" for n in range(1000))))
        assert [result.id for result in caught.value.results] == ["a"]
        assert client.outbox.waiting_bytes == 0
        assert client.emit([]) == []


@pytest.mark.parametrize("status", [401, 403, 404, 415])
def test_a_key_or_address_that_can_not_be_right_is_told_at_every_emit_and_the_events_wait(
    intake: FakeIntake, path: Path, status: int
):
    intake.answers = status
    with intake.client(path) as client:
        for name in ("a", "b"):
            with pytest.raises(NotSent, match=f"answered {status}"):
                client.emit(events(name))
        intake.answers = 202
        assert [result.id for result in client.emit(events("c"))] == ["a", "b", "c"]


def test_an_event_that_json_can_not_say_never_gets_into_the_outbox(intake: FakeIntake, path: Path):
    with intake.client(path) as client:
        with pytest.raises(ValueError, match="score"):
            client.emit([*events("a"), {"id": "b", "data": {"score": float("nan")}}])
        assert [result.id for result in client.emit(events("c"))] == ["c"]


def test_one_that_got_in_before_does_not_keep_the_others_waiting(path: Path):
    def strict(request: httpx.Request) -> httpx.Response:
        if b"NaN" in request.content:
            return httpx.Response(400, json={"detail": "is not JSON", "errors": [{"pointer": "", "reason": "x"}]})
        ids = [event["id"] for event in json.loads(request.content)]
        return httpx.Response(202, json={"results": [{"id": name, "status": "accepted"} for name in ids]})

    with Client("http://intake", "k", outbox=path, transport=httpx.MockTransport(strict)) as client:
        client.outbox.put([Written("a", b'{"id": "a"}'), Written("b", b'{"id": "b", "x": NaN}')])
        results = client.emit(events("c"))
    assert [(result.id, result.accepted) for result in results] == [("a", True), ("b", False), ("c", True)]


def test_two_processes_do_not_share_a_file(path: Path):
    with Outbox(path), pytest.raises(OutboxBusy):
        Outbox(path)


@given(cut=st.integers(0, 200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_wherever_a_crash_tears_the_file_the_events_before_are_there_and_more_can_be_put(path: Path, cut: int):
    for old in path.parent.iterdir():
        old.unlink()
    put(path, "a", "b", "c", "d")
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    left = whole[:cut].count(b"\n")
    assert waiting(path) == ["a", "b", "c", "d"][:left]
    put(path, "e")
    assert waiting(path) == [*["a", "b", "c", "d"][:left], "e"]


@given(at=st.integers(0, 79), to=st.integers(0, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
def test_whichever_byte_rots_the_other_events_go_on_in_order(path: Path, at: int, to: int):
    for old in path.parent.iterdir():
        old.unlink()
    put(path, "a", "b", "c", "d")
    whole = bytearray(path.read_bytes())
    whole[at] = to
    path.write_bytes(bytes(whole))
    left = waiting(path)
    assert left == sorted(left)
    assert len(left) >= 2
    assert waiting(path) == left


def test_what_was_settled_before_a_crash_is_at_worst_sent_again(path: Path):
    put(path, "a", "b", "c")
    with Outbox(path) as outbox:
        outbox.done([next(outbox.waiting())])
    assert waiting(path) == ["b", "c"]
    path.with_name(f"{path.name}.done").unlink()
    assert waiting(path) == ["a", "b", "c"]
    path.with_name(f"{path.name}.done").write_text("7")
    assert waiting(path) == ["a", "b", "c"], "a place in the middle of an event is none"


def test_a_file_that_is_never_empty_does_not_grow_for_ever(path: Path):
    with Outbox(path, most=1000) as outbox:
        outbox.put([Written("first", b'{"id": "first"}')])
        for number in range(200):
            outbox.put([Written(str(number), b'{"id": "%d"}' % number)])
            outbox.done([next(outbox.waiting())])
            assert path.stat().st_size < 1100
        assert [event.id for event in outbox.waiting()] == ["199"]
