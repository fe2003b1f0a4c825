"""HTTP from sockets: senders that cost next to nothing, so that the server is what is timed."""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from rapport.runtime.clock import SystemClock

KEY: Final = "bench"
_HEAD_END: Final = b"\r\n\r\n"
_CHUNK: Final = 16 * 1024


def request(path: str, content_type: str, body: bytes) -> bytes:
    """A POST with this body."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Line:
    """One connection to a server, used for one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, url: str) -> "Line":
        place = urlsplit(url)
        return cls(*await asyncio.open_connection(place.hostname, place.port))

    async def ask(self, sent: bytes) -> int:
        """The status of the answer."""
        self._writer.write(sent)
        return await self.status()

    async def trickle(self, sent: bytes, pause: float) -> int:
        """The status of the answer to a request that is sent in pieces."""
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(sent), _CHUNK):
                self._writer.write(sent[start : start + _CHUNK])
                await self._writer.drain()
                await SystemClock().sleep(pause)
        return await self.status()

    async def status(self) -> int:
        head = await self._reader.readuntil(_HEAD_END)
        length = head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
        await self._reader.readexactly(int(length))
        return int(head.split(b" ", 2)[1])

    def close(self) -> None:
        self._writer.close()


async def all_at_once(url: str, requests: Sequence[bytes], senders: int) -> float:
    """Seconds until all are answered 202, where each sender sends its next as soon as it may."""
    pending = iter(requests)

    async def sender() -> None:
        line = await Line.open(url)
        for sent in pending:
            status = await line.ask(sent)
            if status != 202:  # noqa: PLR2004 - HTTP's own number
                raise RuntimeError(f"answered {status}")
        line.close()

    start = time.perf_counter()
    await asyncio.gather(*(sender() for _ in range(senders)))
    return time.perf_counter() - start


async def at_a_rate(url: str, requests: Sequence[bytes], senders: int, rate: float) -> tuple[float, float]:
    """
    The median and the 99th percentile of the seconds to an answer, at so many requests a second.

    Counted from when a request was due, not from when a sender had time for it:
    what waits because of a slow answer is not left out.
    """
    start = time.perf_counter()
    due: Iterator[tuple[float, bytes]] = ((start + n / rate, sent) for n, sent in enumerate(requests))
    taken: list[float] = []

    async def sender() -> None:
        line = await Line.open(url)
        for moment, sent in due:
            if (early := moment - time.perf_counter()) > 0:
                await SystemClock().sleep(early)
            await line.ask(sent)
            taken.append(time.perf_counter() - moment)
        line.close()

    await asyncio.gather(*(sender() for _ in range(senders)))
    taken.sort()
    return taken[len(taken) // 2], taken[len(taken) * 99 // 100]
