"""Events to intake in batches, sent again until they are stored or refused."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import httpx

from devkit.errors import CommandFailed

BATCH: Final = 500
_MOST_BYTES: Final = 3 << 20
_GIVE_UP_SECONDS: Final = 120.0
_BATCHED: Final = {"content-type": "application/cloudevents-batch+json"}

CloudEvent = dict[str, Any]
Id = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that violates the contract, and why."""

    source: str
    id: str
    reason: str


@dataclass(slots=True)
class Sent:
    """What became of events: `taken` were answered with a 2xx, and so are stored."""

    taken: list[Id] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    again: int = 0

    def add(self, other: "Sent") -> None:
        self.taken += other.taken
        self.refused += other.refused
        self.again += other.again


class Sender:
    """
    Posts batches to one intake; a context manager that closes its connection.

    What was not answered with a verdict is sent again with the same identity,
    which is harmless; after two minutes without any answer it gives up.
    """

    def __init__(self, url: str, key: str, *, patience: float = _GIVE_UP_SECONDS) -> None:
        self._url = f"{url.rstrip('/')}/v1/events"
        self._patience = patience
        self._client = httpx.Client(timeout=30.0, trust_env=False, headers={"authorization": f"Bearer {key}"})

    def send(self, events: Sequence[CloudEvent], done: Callable[[int], None] = lambda _: None) -> Sent:
        """Send all in order; `done` is told how many have been settled after each batch."""
        total = Sent()
        for batch, body in batches(events):
            total.add(self._settle(batch, body))
            done(len(batch))
        return total

    def _settle(self, batch: Sequence[CloudEvent], body: bytes) -> Sent:
        deadline = time.monotonic() + self._patience
        wait, again = 0.1, 0
        while True:
            try:
                answer = self._client.post(self._url, content=body, headers=_BATCHED)
            except httpx.TransportError as error:
                why, pause = str(error) or type(error).__name__, wait
            else:
                if (sent := _verdicts(batch, answer)) is not None:
                    sent.again = again
                    return sent
                why, pause = f"{answer.status_code} {answer.text[:200]}", _retry_after(answer, wait)
            if time.monotonic() + pause > deadline:
                raise CommandFailed(f"intake at {self._url} does not take events in: {why}")
            time.sleep(pause)
            wait, again = min(2.0, wait * 2), again + 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()


def batches(events: Sequence[CloudEvent]) -> Iterator[tuple[list[CloudEvent], bytes]]:
    """In order, each within what intake takes at once, with its body."""
    some: list[CloudEvent] = []
    written: list[bytes] = []
    size = 0
    for event in events:
        one = json.dumps(event, ensure_ascii=False).encode()
        if some and (len(some) == BATCH or size + len(one) > _MOST_BYTES):
            yield some, b"[" + b",".join(written) + b"]"
            some, written, size = [], [], 0
        some.append(event)
        written.append(one)
        size += len(one) + 1
    if some:
        yield some, b"[" + b",".join(written) + b"]"


def _verdicts(batch: Sequence[CloudEvent], answer: httpx.Response) -> Sent | None:
    """What the answer says of each event; None where it says nothing and the batch must be sent again."""
    match answer.status_code:
        case httpx.codes.ACCEPTED:
            return Sent(taken=[(event["source"], event["id"]) for event in batch])
        case httpx.codes.MULTI_STATUS:
            return _mixed(batch, answer.json()["results"])
        case httpx.codes.UNPROCESSABLE_ENTITY:
            return _all_refused(batch, answer.json())
        case httpx.codes.TOO_MANY_REQUESTS:
            return None
        case status if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return None
        case status:
            detail = answer.json().get("detail", "") if "json" in answer.headers.get("content-type", "") else ""
            raise CommandFailed(f"intake answers {status} {detail or answer.text[:300]}")


def _mixed(batch: Sequence[CloudEvent], results: Sequence[dict[str, Any]]) -> Sent:
    sent = Sent()
    for event, result in zip(batch, results, strict=True):
        if result["status"] == "accepted":
            sent.taken.append((event["source"], event["id"]))
        else:
            sent.refused.append(Refused(event["source"], event["id"], result.get("reason", "no reason given")))
    return sent


def _all_refused(batch: Sequence[CloudEvent], problem: dict[str, Any]) -> Sent:
    """Nothing was taken; the pointers of the problem begin with the place in the batch."""
    reasons: dict[int, str] = {}
    for error in problem.get("errors", ()):
        place, _, pointer = error["pointer"].removeprefix("/").partition("/")
        if place.isdecimal():
            reasons.setdefault(int(place), f"/{pointer}: {error['reason']}")
    detail = problem.get("detail", "refused")
    refused = [Refused(one["source"], one["id"], reasons.get(place, detail)) for place, one in enumerate(batch)]
    return Sent(refused=refused)


def _retry_after(answer: httpx.Response, otherwise: float) -> float:
    """What the answer asks for, in seconds, within reason."""
    text = answer.headers.get("retry-after", "")
    return min(10.0, float(text)) if text.isdecimal() else otherwise
