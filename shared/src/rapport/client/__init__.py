"""
For systems that emit: events to intake, in batches, until it has said of each that it is stored or refused.

    async with AsyncClient("http://127.0.0.1:8001", key) as client:
        results = await client.send([{"specversion": "1.0", "id": …, "source": …, "type": …, "time": …, "data": …}])

An event keeps its `id` however often it is sent, so sending again after an answer that got lost changes nothing.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import httpx
from pydantic_core import to_json

from rapport.runtime.clock import Clock, SystemClock, backoff

MOST_EVENTS: Final = 500
MOST_BYTES: Final = 3 << 20

_TOO_MANY, _OUR_FAULT, _TOO_LARGE = 429, 500, 413
_CONTENT_TYPE: Final = "application/cloudevents-batch+json"

Event = Mapping[str, Any]
"""A CloudEvent as its structured JSON says it."""


class NotSent(Exception):
    """
    Not every event could be brought home.

    `results` are those of the events before; from `events[len(results)]` on
    nothing is known: send them again, with the same ids.
    """

    def __init__(self, reason: str, results: Sequence["Result"]) -> None:
        super().__init__(reason)
        self.results = list(results)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one event: stored, or refused for `reason`."""

    id: str
    accepted: bool
    reason: str = ""


class AsyncClient:
    """
    Sends events with a key. `tries` is how often a batch is tried before `NotSent`.

    Tried again are 429, 5xx and network errors, after what Retry-After asks for,
    else a pause that doubles, with jitter.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        tries: int = 8,
        timeout: float = 15.0,
        clock: Clock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=timeout, transport=transport
        )
        self._tries = tries
        self._clock = clock or SystemClock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, events: Iterable[Event]) -> list[Result]:
        """What became of each event, in their order. Batches go one after the other, so their order is kept."""
        results: list[Result] = []
        for batch in batches(events):
            results += await self._send(batch, results)
        return results

    async def _send(self, batch: Sequence["_Written"], before: Sequence[Result]) -> list[Result]:
        body = b"[" + b",".join(event.json for event in batch) + b"]"
        waits = backoff(0.2, 10.0)
        why, asked = "", 0.0
        for attempt in range(self._tries):
            if attempt:
                await self._clock.sleep(max(next(waits), asked))
            asked = 0.0
            try:
                response = await self._http.post("/v1/events", content=body, headers={"content-type": _CONTENT_TYPE})
            except httpx.TransportError as error:
                why = f"{type(error).__name__}: {error}"
                continue
            if response.status_code != _TOO_MANY and response.status_code < _OUR_FAULT:
                return _results(batch, response, before)
            asked = _seconds(response.headers.get("retry-after"))
            why = f"answered {response.status_code}"
        raise NotSent(f"given up after {self._tries} tries: {why}", before)


class Client:
    """`AsyncClient` for programs without an event loop."""

    def __init__(self, url: str, key: str, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncClient(url, key, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def send(self, events: Iterable[Event]) -> list[Result]:
        """What became of each event, in their order."""
        return self._runner.run(self._client.send(events))

    def close(self) -> None:
        self._runner.run(self._client.close())
        self._runner.close()


@dataclass(frozen=True, slots=True)
class _Written:
    id: str
    json: bytes


def batches(events: Iterable[Event]) -> Iterator[list[_Written]]:
    """The events as JSON, in batches of at most 500 events and 3 MiB; a larger one goes alone."""
    batch: list[_Written] = []
    size = 0
    for event in events:
        written = _Written(str(event.get("id", "")), to_json(event))
        if batch and (len(batch) == MOST_EVENTS or size + len(written.json) > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(written)
        size += len(written.json) + 1
    if batch:
        yield batch


def _results(batch: Sequence[_Written], response: httpx.Response, before: Sequence[Result]) -> list[Result]:
    """What an answer that is final says of each event. `NotSent` where it is about the batch and not about events."""
    try:
        body = response.json()
    except ValueError:
        raise NotSent(f"answered {response.status_code} without JSON: is this intake?", before) from None
    if response.is_success:
        return [
            Result(event.id, said["status"] == "accepted", said.get("reason", ""))
            for event, said in zip(batch, body["results"], strict=True)
        ]
    faults = _faults(body.get("errors", ()))
    if faults.keys() >= set(range(len(batch))):
        return [Result(event.id, accepted=False, reason=faults[index]) for index, event in enumerate(batch)]
    if len(batch) == 1 and response.status_code == _TOO_LARGE:
        return [Result(batch[0].id, accepted=False, reason=str(body.get("detail", "")))]
    raise NotSent(f"answered {response.status_code}: {body.get('detail', '')}", before)


def _faults(errors: Iterable[Mapping[str, str]]) -> dict[int, str]:
    """The first reason of each event that an answer names by its place in the batch."""
    faults: dict[int, str] = {}
    for error in errors:
        index = error["pointer"].split("/")[1:2]
        if index and index[0].isdecimal():
            faults.setdefault(int(index[0]), error["reason"])
    return faults


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdecimal() else 0.0
