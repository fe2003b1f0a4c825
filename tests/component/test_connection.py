"""What a client may send as a head and how long it may take, with a real server and real sockets."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest
import uvicorn
from rapport.runtime.connection import Connection
from uvicorn.server import ServerState


class Written:
    """A transport that notes each piece that is written to it."""

    def __init__(self, transport: Any, written: list[bytes]) -> None:
        self._transport = transport
        self._written = written

    def write(self, data: bytes) -> None:
        self._written.append(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Strict(Connection):
    written: ClassVar[list[bytes]] = []

    most_headers = 10
    most_head_bytes = 2000
    most_url_bytes = 200
    grace = 0.3
    slowest = 1000

    def connection_made(self, transport: Any) -> None:
        super().connection_made(Written(transport, self.written))


async def echo(_: Any, receive: Any, send: Any) -> None:
    """Answers with the number of bytes of the body; nothing where it ended too early."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        more = message["more_body"]
    body = json.dumps(size).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


class Slowly:
    """Answers with a stream, whose first piece is not there before it is asked for."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def __call__(self, _: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await self.asked.wait()
        await send({"type": "http.response.body", "body": b"piece"})


@pytest.fixture
def most_connections() -> int:
    return 100


@pytest.fixture
async def slowly() -> Slowly:
    return Slowly()


@pytest.fixture
def app(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("slowly") if "slowly" in request.fixturenames else echo


@pytest.fixture
async def port(app: Any, most_connections: int) -> AsyncIterator[int]:
    Strict.written.clear()
    config = uvicorn.Config(app, lifespan="off", log_config=None, limit_concurrency=most_connections)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Strict(config, state, {}), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    for connection in list(state.connections):
        connection.shutdown()


async def answer(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """All that the server says until it closes, or 3 s have passed; `pause` seconds lie between the parts."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def write() -> None:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)  # noqa: TID251 - slowness is what is tested

    writing = asyncio.ensure_future(write())
    said = b""
    try:
        async with asyncio.timeout(3):
            while chunk := await reader.read(10_000):
                said += chunk
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writing.cancel()
        writer.close()
    return said


def head(*fields: bytes, path: bytes = b"/", length: int = 0) -> bytes:
    fixed = (b"POST %b HTTP/1.1" % path, b"host: here", b"content-length: %d" % length, b"connection: close")
    return b"\r\n".join((*fixed, *fields, b"", b""))


async def test_an_ordinary_request_is_answered(port: int):
    assert (await answer(port, head(length=3), b"abc")).endswith(b"\r\n\r\n3")


async def test_an_answer_goes_out_in_one_piece(port: int):
    said = await answer(port, head(length=3), b"abc")
    assert Strict.written == [said]


async def test_answers_to_requests_that_came_together_go_out_one_after_the_other(port: int):
    await answer(port, head(length=1).replace(b"close", b"keep-alive") + b"a" + head(length=2) + b"ab")
    assert [piece[-1:] for piece in Strict.written] == [b"1", b"2"]
    assert all(piece.startswith(b"HTTP/1.1 200 ") for piece in Strict.written)


async def test_head_has_no_body_to_wait_for(port: int):
    said = await answer(port, head().replace(b"POST", b"HEAD"))
    assert said.startswith(b"HTTP/1.1 200 ")
    assert said.endswith(b"\r\n\r\n")


async def test_who_asks_whether_to_go_on_is_told_before_the_body_is_there(port: int):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head(b"expect: 100-continue", length=3))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"abc")
    assert (await reader.read()).endswith(b"\r\n\r\n3")
    writer.close()


async def test_the_head_of_a_stream_does_not_wait_for_its_first_piece(port: int, slowly: Slowly):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    slowly.asked.set()
    assert b"piece" in await reader.read()
    writer.close()


async def test_431_for_too_many_header_fields(port: int):
    said = await answer(port, head(*(b"x-%d: 1" % n for n in range(20))))
    assert said.startswith(b"HTTP/1.1 431 ")
    assert b"application/problem+json" in said


async def test_431_for_too_large_a_header_even_if_it_never_ends(port: int):
    assert (await answer(port, head(b"x: " + b"y" * 3000))).startswith(b"HTTP/1.1 431 ")
    assert (await answer(port, head()[:-4], *[b"\r\nx: " + b"y" * 900] * 5)).startswith(b"HTTP/1.1 431 ")


async def test_414_for_too_long_an_address(port: int):
    assert (await answer(port, head(path=b"/" + b"a" * 300))).startswith(b"HTTP/1.1 414 ")


async def test_400_for_what_is_no_http(port: int):
    assert (await answer(port, b"hello\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


async def test_a_head_that_trickles_in_is_cut_off(port: int):
    began = time.monotonic()
    said = await answer(port, *(bytes([byte]) for byte in head()), pause=0.05)
    assert said.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < 2


async def test_a_body_that_trickles_in_is_cut_off(port: int):
    said = await answer(port, head(length=100), *[b"x"] * 100, pause=0.05)
    assert said.startswith(b"HTTP/1.1 408 ")


async def test_a_large_body_may_take_longer_as_long_as_it_comes(port: int):
    said = await answer(port, head(length=2000), *[b"x" * 200] * 10, pause=0.06)
    assert said.endswith(b"\r\n\r\n2000")


async def test_who_connects_and_says_nothing_is_cut_off(port: int):
    began = time.monotonic()
    assert await answer(port) == b""
    assert time.monotonic() - began < 2


async def test_who_has_sent_half_a_request_and_waits_is_cut_off(port: int):
    assert (await answer(port, head(length=100), b"half")).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("most_connections", [1])
async def test_503_that_says_when_to_come_again_for_one_connection_too_many(port: int):
    said = await answer(port, head(length=3), b"abc")
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b"application/problem+json" in said
    assert b"retry-after: 2" in said.lower()
