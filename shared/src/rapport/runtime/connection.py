"""One client's connection: what it may send as a head, and how long it may take over a request."""

import asyncio
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rapport.runtime import telemetry
from rapport.runtime.problem import Problem

MOST_CONNECTIONS: Final = 10_000
"""Clients at a time; whoever comes then is answered 503."""

_VANISHED_SECONDS: Final = 60
_PROBE: Final[Mapping[str, int]] = {
    "TCP_KEEPIDLE": 30,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": _VANISHED_SECONDS * 1000,
}
"""How a peer that has vanished without a word is noticed, by the kernel."""

_AT_ONCE: Final = (b"chunked\r\n\r\n", b"100 Continue\r\n\r\n")
"""How a head ends whose body may be long in coming, or never comes."""


class Connection(HttpToolsProtocol):
    """
    uvicorn's connection, with limits that it has not.

    A head may have so many header fields and bytes, else 431 (414 for the
    address alone). Past so many connections it is 503. A request has `grace` seconds to arrive, and a second more
    for every `slowest` bytes of it; then it is answered 408 and cut off. So is,
    without an answer, who connects and says nothing.
    """

    most_headers: ClassVar = 100
    most_head_bytes: ClassVar = 32 * 1024
    most_url_bytes: ClassVar = 8 * 1024
    grace: ClassVar = 20.0
    slowest: ClassVar = 16 * 1024

    _head_bytes = 0
    _received = 0
    _began = 0.0
    _arriving = False
    _refusal: Problem | None = None
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        _notice_the_vanished(transport.get_extra_info("socket"))
        self._began = time.monotonic()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._relax()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refusal:
            return
        if not self._arriving:
            self._began, self._received, self._head_bytes = time.monotonic(), 0, 0
        self._received += len(data)
        super().data_received(data)
        if not self._arriving:
            self._relax()
        elif self._deadline is None:
            self._watch()

    def on_message_begin(self) -> None:
        self._arriving = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.most_url_bytes:
            self._refuse(414, f"the address has more than {self.most_url_bytes} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        super().on_header(name, value)
        if len(self.headers) > self.most_headers or self._head_bytes > self.most_head_bytes:
            self._refuse(431, f"at most {self.most_headers} header fields of {self.most_head_bytes} bytes are read")

    def on_headers_complete(self) -> None:
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            self._refuse(503, "too many are connected; send again", {"Retry-After": "2"})
        super().on_headers_complete()
        cycle = self.cycle
        if cycle and cycle.transport is self.transport and cycle.scope["method"] != "HEAD":
            cycle.transport = _Joined(self.transport)  # type: ignore[assignment] # has what uvicorn asks of it

    def on_message_complete(self) -> None:
        self._arriving = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or has just been refused, as a problem, and close."""
        self._arriving = False
        self._answer(self._refusal or Problem(400, msg))

    def _refuse(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        """End the parsing; the parser turns what is raised here into its own error."""
        self._refusal = Problem(status, detail, title=HTTPStatus(status).phrase, headers=headers)
        raise _Refused

    def _watch(self) -> None:
        self._deadline = self.loop.call_later(self._left(), self._look)

    def _relax(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _left(self) -> float:
        """Seconds that what is arriving still has."""
        return self.grace + self._received / self.slowest - (time.monotonic() - self._began)

    def _look(self) -> None:
        """The time is up, unless so much has come meanwhile that it is not."""
        self._deadline = None
        if self._left() > 0:
            self._watch()
            return
        telemetry.CUT_OFF.inc()
        if self._arriving and not (self.cycle and self.cycle.response_started):
            self._answer(Problem(408, f"the request took longer than {self.grace:g} s to arrive"))
        else:
            self.transport.close()

    def _answer(self, problem: Problem) -> None:
        response = problem.response()
        head = [f"HTTP/1.1 {problem.status} {problem.title}".encode()]
        fields = [*self.server_state.default_headers, *response.raw_headers, (b"connection", b"close")]
        head += [name + b": " + value for name, value in fields]
        self.transport.write(b"\r\n".join([*head, b"", bytes(response.body)]))
        self.transport.close()


class _Joined:
    """
    What the answer to one request is written to: its head goes out with the beginning of its body, in one packet.

    uvicorn writes them one after the other, which its loop takes to the network
    at once: that costs the server, and whoever waits for the answer, a packet
    more. The head of a stream, whose body may be long in coming, goes at once.
    """

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        if self._head is None and not data.endswith(_AT_ONCE):
            self._head = data
        else:
            head, self._head = self._head, b""
            self._transport.write(head + data if head else data)

    def is_closing(self) -> bool:
        return bool(self._transport.is_closing())

    def close(self) -> None:
        if self._head:
            self.write(b"")
        self._transport.close()


class _Refused(Exception):
    """Raised inside a callback of the parser."""


def _notice_the_vanished(connected: socket.socket | None) -> None:
    if connected is None or connected.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with suppress(OSError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _PROBE.items():
            if (option := getattr(socket, name, None)) is not None:
                connected.setsockopt(socket.IPPROTO_TCP, option, value)
