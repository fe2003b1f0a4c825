"""The two clients, with an event loop and without: each carries out the same conversation with intake."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from rapport.client.conversation import (
    HEADERS,
    PATH,
    Conversation,
    Heard,
    NotSent,
    Patience,
    Result,
    Written,
    batches,
    packed,
    settle,
    written,
)
from rapport.client.events import Event
from rapport.client.outbox import MOST, Outbox, OutboxFull
from rapport.runtime.clock import Clock, SystemClock

_REST: Final = 5.0
"""Seconds for which `emit` only writes to the outbox after intake was not to be had."""

_ONCE: Final = Patience(tries=1)

Done = Callable[[Sequence[Result]], None]


class _Common:
    """Where to send, how patiently, and what waits in the outbox."""

    def __init__(self, *, tries: int, patience: float, outbox: Path | str | None, most: int) -> None:
        self._patience = Patience(tries, patience)
        self._outbox = Outbox(outbox, most=most) if outbox is not None else None
        self._rest_until = 0.0
        self.again = 0
        """How many times a batch had to be sent again."""

    @property
    def outbox(self) -> Outbox:
        if self._outbox is None:
            raise ValueError("give the client an outbox file for this: outbox=…")
        return self._outbox

    def _kept(self, events: Sequence[Written]) -> bool:
        """Put the events into the outbox, all or none, and say whether there was room."""
        try:
            self.outbox.put(events)
        except OutboxFull:
            return False
        return True

    def _keep(self, events: Sequence[Written], settled: list[Result]) -> None:
        """The same, at the second try."""
        try:
            self.outbox.put(events)
        except OutboxFull as error:
            raise OutboxFull(str(error), settled) from None

    @property
    def _resting(self) -> bool:
        return time.monotonic() < self._rest_until

    def _rests(self) -> None:
        self._rest_until = time.monotonic() + _REST

    def _settled(self, batch: Sequence[Written], results: Sequence[Result]) -> None:
        """So many of the batch, from its first on, wait no longer."""
        if results:
            self.outbox.done(batch[: len(results)])

    def _waiting(self) -> Iterator[list[Written]]:
        return packed(self.outbox.waiting())


class AsyncClient(_Common):
    """
    Sends events with a key. `tries` is how often a batch is tried, `patience` how many seconds it may wait in all.

    `outbox` names a file for `emit` and `flush`, `outbox_bytes` how much may wait
    in it. One client has a file at a time. ValueError where `url` or `key` can
    never be right.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        tries: int = 8,
        patience: float = float("inf"),
        timeout: float = 15.0,
        outbox: Path | str | None = None,
        outbox_bytes: int = MOST,
        clock: Clock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        address, headers = _address(url), _authorized(key)
        super().__init__(tries=tries, patience=patience, outbox=outbox, most=outbox_bytes)
        self._http = httpx.AsyncClient(base_url=address, headers=headers, timeout=timeout, transport=transport)
        self._clock = clock or SystemClock()
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """What waits in the outbox stays there for the next client."""
        await self._http.aclose()
        if self._outbox:
            self._outbox.close()

    async def send(self, events: Iterable[Event], done: Done = lambda _: None) -> list[Result]:
        """What became of each event, in their order; `done` hears of each batch. `NotSent` where not all could be."""
        results: list[Result] = []
        for batch in batches(events):
            try:
                settled = await self._carry_out(settle(batch, self._patience))
            except NotSent as error:
                raise error.after(results) from None
            done(settled)
            results += settled
        return results

    async def emit(self, events: Iterable[Event]) -> list[Result]:
        """
        Keep the events in the outbox, all or none, and send what waits there if intake takes it now.

        Returns what was settled, of earlier events too. What was not is safe, and
        goes with a later `emit` or `flush`, in order. `OutboxFull` where there is no
        room even then: these events were not kept. `NotSent` where intake takes
        nothing with this key at this address: they were.
        """
        lines = [written(event) for event in events]
        settled: list[Result] = []
        if not self._kept(lines):
            async with self._turn:
                with suppress(NotSent):
                    await self._try(settled)
                self._keep(lines, settled)
        async with self._turn:
            await self._try(settled)
        return settled

    async def _try(self, settled: list[Result]) -> None:
        """Send what waits, unless intake was away a moment ago; `NotSent` only where sending again can't help."""
        if self._resting:
            return
        try:
            settled += await self._flush(_ONCE)
        except NotSent as error:
            settled += error.results
            if error.final:
                raise NotSent(str(error), settled, final=True) from None
            self._rests()

    async def flush(self) -> list[Result]:
        """Send what waits in the outbox; `NotSent` where intake does not take it."""
        async with self._turn:
            return await self._flush(self._patience)

    async def _flush(self, patience: Patience) -> list[Result]:
        results: list[Result] = []
        for batch in self._waiting():
            try:
                settled = await self._carry_out(settle(batch, patience))
            except NotSent as error:
                self._settled(batch, error.results)
                raise error.after(results) from None
            self._settled(batch, settled)
            results += settled
        return results

    async def _carry_out(self, conversation: Conversation) -> list[Result]:
        heard: Heard = None
        while True:
            try:
                step = conversation.send(heard)
            except StopIteration as end:
                return list(end.value)
            if isinstance(step, float):
                self.again += 1
                await self._clock.sleep(step)
                heard = None
            else:
                try:
                    heard = await self._http.post(PATH, content=step, headers=HEADERS)
                except httpx.TransportError as error:
                    heard = error


class Client(_Common):
    """`AsyncClient` for programs without an event loop, and for notebooks that have one."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        tries: int = 8,
        patience: float = float("inf"),
        timeout: float = 15.0,
        outbox: Path | str | None = None,
        outbox_bytes: int = MOST,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
        **http: Any,
    ) -> None:
        address, headers = _address(url), _authorized(key)
        super().__init__(tries=tries, patience=patience, outbox=outbox, most=outbox_bytes)
        self._http = httpx.Client(base_url=address, headers=headers, timeout=timeout, transport=transport, **http)
        self._sleep = sleep
        self._turn = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """What waits in the outbox stays there for the next client."""
        self._http.close()
        if self._outbox:
            self._outbox.close()

    def send(self, events: Iterable[Event], done: Done = lambda _: None) -> list[Result]:
        """What became of each event, in their order; `done` hears of each batch. `NotSent` where not all could be."""
        results: list[Result] = []
        for batch in batches(events):
            try:
                settled = self._carry_out(settle(batch, self._patience))
            except NotSent as error:
                raise error.after(results) from None
            done(settled)
            results += settled
        return results

    def emit(self, events: Iterable[Event]) -> list[Result]:
        """
        Keep the events in the outbox, all or none, and send what waits there if intake takes it now.

        Returns what was settled, of earlier events too. What was not is safe, and
        goes with a later `emit` or `flush`, in order. `OutboxFull` where there is no
        room even then: these events were not kept. `NotSent` where intake takes
        nothing with this key at this address: they were.
        """
        lines = [written(event) for event in events]
        settled: list[Result] = []
        with self._turn:
            if not self._kept(lines):
                with suppress(NotSent):
                    self._try(settled)
                self._keep(lines, settled)
            self._try(settled)
        return settled

    def _try(self, settled: list[Result]) -> None:
        """Send what waits, unless intake was away a moment ago; `NotSent` only where sending again can't help."""
        if self._resting:
            return
        try:
            settled += self._flush(_ONCE)
        except NotSent as error:
            settled += error.results
            if error.final:
                raise NotSent(str(error), settled, final=True) from None
            self._rests()

    def flush(self) -> list[Result]:
        """Send what waits in the outbox; `NotSent` where intake does not take it."""
        with self._turn:
            return self._flush(self._patience)

    def _flush(self, patience: Patience) -> list[Result]:
        results: list[Result] = []
        for batch in self._waiting():
            try:
                settled = self._carry_out(settle(batch, patience))
            except NotSent as error:
                self._settled(batch, error.results)
                raise error.after(results) from None
            self._settled(batch, settled)
            results += settled
        return results

    def _carry_out(self, conversation: Conversation) -> list[Result]:
        heard: Heard = None
        while True:
            try:
                step = conversation.send(heard)
            except StopIteration as end:
                return list(end.value)
            if isinstance(step, float):
                self.again += 1
                self._sleep(step)
                heard = None
            else:
                try:
                    heard = self._http.post(PATH, content=step, headers=HEADERS)
                except httpx.TransportError as error:
                    heard = error


def _address(url: str) -> str:
    """The same; ValueError where no request could ever go there, which would look as if intake were away."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{url!r} is no address of intake: {error}") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError(f"the address of intake must begin with http:// or https:// and name a host, not be {url!r}")
    return url


def _authorized(key: str) -> dict[str, str]:
    """The key as it is sent, without the line break of the file that it was read from; ValueError never shows it."""
    bare = key.strip()
    if not (bare and bare.isascii() and bare.isprintable()):
        raise ValueError("the key is empty, or holds characters that no header of HTTP can")
    return {"authorization": f"Bearer {bare}"}
